package tlsconf

import (
	"bytes"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/lesismal/llib/std/crypto/tls"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/pulsegate/pulsegate/keystore"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRefresh(t *testing.T) {
	ca := tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	s, err := Load(Options{CertificateFile: cert.CertFile, KeyFile: cert.KeyFile, TrustFile: ca.File})
	if err != nil {
		t.Fatal(err)
	}
	first := s.Config()
	if changed, err := s.Refresh(); changed || err != nil {
		t.Fatalf("nothing changed: %v %v", changed, err)
	}
	// Of a new pair only the certificate is there yet.
	oldKey, err := os.ReadFile(cert.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	ca.Issue("server", "ecdsa")
	newKey, err := os.ReadFile(cert.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert.KeyFile, oldKey)
	if changed, err := s.Refresh(); changed || err == nil || s.Config() != first {
		t.Fatalf("half a pair: %v %v", changed, err)
	}
	write(t, cert.KeyFile, newKey)
	if changed, err := s.Refresh(); !changed || err != nil || s.Config() == first {
		t.Fatalf("the whole pair: %v %v", changed, err)
	}
	if bytes.Equal(first.Certificates[0].Certificate[0], s.Config().Certificates[0].Certificate[0]) {
		t.Error("the old certificate")
	}
	if err := os.Remove(ca.File); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refresh(); err == nil || !strings.Contains(err.Error(), ca.File) {
		t.Errorf("a missing file: %v", err)
	}
}

// A key in the place of its file's path is not repeated, whichever of the files it is.
func TestKeyInPlaceOfItsPath(t *testing.T) {
	ca := tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	const key = "-----BEGIN PRIVATE KEY-----hunter2"
	for setting, o := range map[string]Options{
		"tlsCertificateFilePath": {CertificateFile: key, KeyFile: cert.KeyFile},
		"tlsKeyFilePath":         {CertificateFile: cert.CertFile, KeyFile: key},
		"tlsTrustCertsFilePath":  {CertificateFile: cert.CertFile, KeyFile: cert.KeyFile, TrustFile: key},
		"tlsKeyStore":            {KeyStore: keystore.Store{Setting: "tlsKeyStore", File: key}},
		"tlsTrustStore":          {CertificateFile: cert.CertFile, KeyFile: cert.KeyFile, TrustStore: keystore.Store{Setting: "tlsTrustStore", File: key}},
	} {
		if _, err := Load(o); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), setting+": ") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestKeyStores(t *testing.T) {
	ca := tlstest.New(t)
	cert := ca.Issue("server", "rsa")
	leaf, err := x509.ParseCertificate(cert.TLS.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, encoder := range map[string]*pkcs12.Encoder{"modern": pkcs12.Modern2026, "as Java 17": pkcs12.Modern2023, "old": pkcs12.LegacyDES} {
		identity, err := encoder.Encode(cert.TLS.PrivateKey, leaf, []*x509.Certificate{ca.Certificate()}, "secret")
		if err != nil {
			t.Fatal(err)
		}
		trust, err := encoder.EncodeTrustStore([]*x509.Certificate{ca.Certificate()}, "secret")
		if err != nil {
			t.Fatal(err)
		}
		o := Options{KeyStore: keystore.Store{Setting: "tlsKeyStore", File: ca.Path("k.p12"), Password: "secret"}, TrustStore: keystore.Store{Setting: "tlsTrustStore", File: ca.Path("t.p12"), Password: "secret"}}
		write(t, o.KeyStore.File, identity)
		write(t, o.TrustStore.File, trust)
		s, err := Load(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c := s.Config()
		if len(c.Certificates[0].Certificate) != 2 || c.ClientAuth != tls.VerifyClientCertIfGiven || !s.NotAfter().Equal(leaf.NotAfter) {
			t.Errorf("%s: %+v", name, c)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: c.ClientCAs, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: the authorities: %v", name, err)
		}
		o.KeyStore.Password = "wrong"
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "tlsKeyStore=") || !strings.Contains(err.Error(), "k.p12") || !strings.Contains(err.Error(), "password") {
			t.Errorf("%s: wrong password: %v", name, err)
		}
	}
}

// Java's own format is watched as all others: what a newer file holds is shown to new
// connections, and one that is half written leaves the old one in use.
func TestJKSRenewed(t *testing.T) {
	ca := tlstest.New(t)
	copied := func(from, to string) string {
		b, err := os.ReadFile("../../keystore/testdata/" + from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, ca.Path(to), b)
		return ca.Path(to)
	}
	o := Options{
		KeyStore:   keystore.Store{Setting: "tlsKeyStore", File: copied("key.jks", "k.jks"), Password: "store-password"},
		TrustStore: keystore.Store{Setting: "tlsTrustStore", File: copied("trust.jks", "t.jks"), Password: "store-password"},
	}
	s, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	first := s.Config()
	if n := len(first.Certificates[0].Certificate); n != 2 {
		t.Errorf("a chain of %d", n)
	}
	whole, err := os.ReadFile("../../keystore/testdata/mixed.jks")
	if err != nil {
		t.Fatal(err)
	}
	write(t, o.KeyStore.File, whole[:len(whole)/2])
	if changed, err := s.Refresh(); changed || err == nil || !strings.Contains(err.Error(), "tlsKeyStore="+o.KeyStore.File) || s.Config() != first {
		t.Fatalf("half a store: %v %v", changed, err)
	}
	write(t, o.KeyStore.File, whole)
	if changed, err := s.Refresh(); !changed || err != nil || bytes.Equal(first.Certificates[0].Certificate[0], s.Config().Certificates[0].Certificate[0]) {
		t.Fatalf("the whole store: %v %v", changed, err)
	}
	authorities := s.Config().ClientCAs
	copied("mixed.jks", "t.jks")
	if changed, err := s.Refresh(); !changed || err != nil || s.Config().ClientCAs.Equal(authorities) {
		t.Fatalf("other authorities: %v %v", changed, err)
	}
	o.TrustStore.Password = "wrong"
	if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "tlsTrustStore="+o.TrustStore.File) || !strings.Contains(err.Error(), "password") {
		t.Errorf("wrong password: %v", err)
	}
}

// Other options are read without an effect until they are used.
func TestReadAndUse(t *testing.T) {
	ca := tlstest.New(t)
	one, two := ca.Issue("one", "ecdsa"), ca.Issue("two", "ecdsa")
	o := Options{CertificateFile: one.CertFile, KeyFile: one.KeyFile, TrustFile: ca.File}
	s, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	first := s.Config()
	if r, err := s.Read(o); err != nil || s.Use(r) || s.Config() != first {
		t.Fatalf("nothing is different: %v", err)
	}
	o.CertificateFile = two.CertFile
	if _, err := s.Read(o); err == nil || !strings.Contains(err.Error(), two.CertFile) || s.Config() != first {
		t.Fatalf("with another's key: %v", err)
	}
	o.KeyFile = two.KeyFile
	r, err := s.Read(o)
	if err != nil || s.Config() != first {
		t.Fatalf("in use already: %v", err)
	}
	if !s.Use(r) || s.Config() == first || s.Config().Certificates[0].Leaf.Subject.CommonName != "two" {
		t.Error("not in use")
	}
	if changed, err := s.Refresh(); changed || err != nil {
		t.Errorf("the old options are looked at: %v %v", changed, err)
	}
	o.RequireClientCertificate = true
	if r, err = s.Read(o); err != nil || !s.Use(r) || s.Config().ClientAuth != tls.RequireAndVerifyClientCert {
		t.Errorf("certificates of clients are not required: %v", err)
	}
}
