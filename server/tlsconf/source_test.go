package tlsconf

import (
	"bytes"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/lesismal/llib/std/crypto/tls"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

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
		o := Options{KeyStore: Store{ca.Path("k.p12"), "secret"}, TrustStore: Store{ca.Path("t.p12"), "secret"}}
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
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "k.p12") || !strings.Contains(err.Error(), "password") {
			t.Errorf("%s: wrong password: %v", name, err)
		}
	}
	write(t, ca.Path("k.jks"), []byte("\xfe\xed\xfe\xed\x00\x00\x00\x02"))
	if _, err := Load(Options{KeyStore: Store{File: ca.Path("k.jks")}}); err == nil || !strings.Contains(err.Error(), "keytool") {
		t.Errorf("JKS: %v", err)
	}
}
