package keystore

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const password = "store-password"

// What keytool wrote once; keytool_test.go has it write anew.
func TestStores(t *testing.T) { testStores(t, "testdata") }

// testStores reads what testdata/make wrote into dir.
func testStores(t *testing.T, dir string) {
	for _, kind := range []string{"jks", "pkcs12"} {
		for _, name := range []string{"key.", "mixed."} {
			own, err := ReadIdentity(file(t, dir, name+kind), password)
			if err != nil {
				t.Fatalf("%s%s: %v", name, kind, err)
			}
			if len(own.Chain) < 2 || own.Chain[0].Subject.CommonName != "server" || own.Chain[1].Subject.CommonName != "test authority" {
				t.Errorf("%s%s: chain of %d, first %s", name, kind, len(own.Chain), own.Chain[0].Subject)
			}
			if c := own.TLS(); len(c.Certificate) != len(own.Chain) || c.Leaf != own.Chain[0] || c.PrivateKey != own.Key {
				t.Errorf("%s%s: %+v", name, kind, c)
			}
		}
		if certs := trusted(t, dir, "trust."+kind); len(certs) != 1 || certs[0].Subject.CommonName != "test authority" {
			t.Errorf("trust.%s: %v", kind, certs)
		}
	}
	own, err := ReadIdentity(file(t, dir, "mixed.jks"), password)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, cert := range trusted(t, dir, "mixed.jks") {
		roots.AddCert(cert)
	}
	if _, err := own.Chain[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"}); err != nil {
		t.Errorf("mixed.jks: %v", err)
	}
	// As in Java the certificate of a key is trusted, not those it came with.
	if certs := trusted(t, dir, "key.jks"); len(certs) != 1 || certs[0].Subject.CommonName != "server" {
		t.Errorf("key.jks as a trust store: %v", certs)
	}
	for _, tc := range []struct{ file, password, want string }{
		{"key.jks", "wrong", "the password is wrong"},
		{"key.jks", "", "its password is needed"},
		{"key.jks", "пароль", "Latin-1"},
		{"key.pkcs12", "wrong", "the password is wrong"},
		{"trust.jks", password, "no private key"},
		{"trust.pkcs12", password, "no private key"},
		{"empty.jks", password, "no private key"},
		{"two.jks", password, "aliases second, server"},
		{"keypass.jks", password, "keytool -keypasswd"},
		{"trust.jceks", password, "JCEKS"},
		{"make", password, "neither JKS nor readable as PKCS12"},
	} {
		if _, err := ReadIdentity(file(t, dir, tc.file), tc.password); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s with password %q: %v, want %q", tc.file, tc.password, err, tc.want)
		}
	}
	for _, tc := range []struct{ file, password, want string }{
		{"trust.jks", "wrong", "the password is wrong"},
		{"trust.jks", "", "its password is needed"},
		{"trust.pkcs12", "wrong", "the password is wrong"},
		{"empty.jks", password, "no certificate"},
		{"mixed.pkcs12", password, "store of their own"},
		{"trust.jceks", password, "JCEKS"},
		{"make", password, "neither JKS nor readable as PKCS12"},
	} {
		if _, err := ReadTrust(file(t, dir, tc.file), tc.password); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("trust: %s with password %q: %v, want %q", tc.file, tc.password, err, tc.want)
		}
	}
}

// A file that is half written, or of which a bit has turned, is an error and no more:
// it may be met while the server runs.
func TestDamaged(t *testing.T) {
	whole := file(t, "testdata", "key.jks")
	damaged := func(b []byte, what string, at int) {
		if _, err := ReadIdentity(b, password); err == nil {
			t.Errorf("%s at %d: read as an identity", what, at)
		}
		if _, err := ReadTrust(b, password); err == nil {
			t.Errorf("%s at %d: read as a trust store", what, at)
		}
	}
	for at := range whole {
		damaged(whole[:at], "cut", at)
		turned := bytes.Clone(whole)
		turned[at] ^= 0x80
		damaged(turned, "turned", at)
	}
}

func TestPEM(t *testing.T) {
	b := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	if _, err := ReadIdentity(b, ""); err == nil || !strings.Contains(err.Error(), "PEM") {
		t.Error(err)
	}
	if _, err := ReadTrust(b, ""); err == nil || !strings.Contains(err.Error(), "PEM") {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, MaxSize+1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		s    Store
		want string
	}{
		{Store{Setting: "tlsKeyStore", File: filepath.Join(dir, "none")}, "tlsKeyStore=" + dir + "/none: no such file"},
		{Store{File: filepath.Join(dir, "none")}, dir + "/none: no such file"},
		{Store{File: large}, "too large"},
		{Store{File: dir}, "is a directory"},
	} {
		if _, err := tc.s.Read(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

func trusted(t *testing.T, dir, name string) []*x509.Certificate {
	t.Helper()
	certs, err := ReadTrust(file(t, dir, name), password)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return certs
}

// file reads a store; make itself is none.
func file(t *testing.T, dir, name string) []byte {
	t.Helper()
	if name == "make" {
		dir = "testdata"
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
