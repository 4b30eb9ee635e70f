package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

var listeningTLS = regexp.MustCompile(`msg="listening with TLS" address=(\S+)`)

func TestServeTLS(t *testing.T) {
	ca := tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	_, log, _ := serve(t, func(c *config.Config) {
		c.WebServicePortTLS, c.TLSCertificateFile, c.TLSKeyFile = 0, cert.CertFile, cert.KeyFile
	})
	var m []string
	for end := time.Now().Add(patience); m == nil; { // it is the line behind the one that serve waits for
		if m = listeningTLS.FindStringSubmatch(log.String()); m == nil && time.Now().After(end) {
			t.Fatal(log.String())
		}
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: ca.Client()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + m[1] + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestBadCertificateFiles(t *testing.T) {
	ca := tlstest.New(t)
	cert, other := ca.Issue("server", "ecdsa"), ca.Issue("other", "rsa")
	for _, tc := range []struct {
		cert, key string
		want      string
	}{
		{ca.Path("none"), cert.KeyFile, "tlsCertificateFilePath=" + ca.Path("none") + ": no such file"},
		{cert.CertFile, other.KeyFile, "with tlsKeyFilePath=" + other.KeyFile + ": tls: private key"},
		{cert.KeyFile, cert.KeyFile, cert.KeyFile},
	} {
		cfg := config.Defaults()
		cfg.WebServicePortTLS, cfg.TLSCertificateFile, cfg.TLSKeyFile = 8443, tc.cert, tc.key
		if _, err := CheckTLS(cfg); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "webServicePortTls") {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
	if warnings, err := CheckTLS(config.Defaults()); err != nil || len(warnings) > 0 {
		t.Error(warnings, err)
	}
}

// Stores of Java are named with their keys when something is wrong with them.
func TestStores(t *testing.T) {
	const right, stores = "store-password", "../keystore/testdata/"
	good := config.Defaults()
	good.WebServicePortTLS, good.TLSEnabledWithKeyStore = 8443, true
	good.TLSKeyStore, good.TLSKeyStorePassword = stores+"key.jks", right
	good.TLSTrustStore, good.TLSTrustStorePassword = stores+"trust.jks", right
	good.BrokerClientUseKeyStore = true
	good.BrokerClientKeyStore, good.BrokerClientKeyStorePassword = stores+"key.pkcs12", right
	good.BrokerClientTrustStore, good.BrokerClientTrustStorePassword = stores+"trust.pkcs12", right
	if warnings, err := CheckTLS(good); err != nil || len(warnings) > 0 {
		t.Error(warnings, err)
	}
	for _, tc := range []struct {
		change func(*config.Config)
		want   string
	}{
		{func(c *config.Config) { c.TLSKeyStorePassword = "wrong" }, "tlsKeyStore=" + stores + "key.jks: the password"},
		{func(c *config.Config) { c.TLSKeyStore = stores + "trust.jks" }, "tlsKeyStore=" + stores + "trust.jks: it holds no private key"},
		{func(c *config.Config) { c.TLSTrustStorePassword = "" }, "tlsTrustStore=" + stores + "trust.jks: its password"},
		{func(c *config.Config) { c.BrokerClientKeyStore = stores + "none" }, "brokerClient_tlsKeyStorePath=" + stores + "none: no such file"},
		{func(c *config.Config) { c.BrokerClientTrustStore = stores + "mixed.pkcs12" }, "brokerClient_tlsTrustStorePath=" + stores + "mixed.pkcs12: it holds a private key, too"},
	} {
		c := *good
		tc.change(&c)
		if _, err := CheckTLS(&c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
	o := pulsarOptions(good, nil, nil)
	if o.TLS.TrustStore.File != good.BrokerClientTrustStore || o.TLS.KeyStore.Password != right || o.TLS.TrustCertsFile != "" {
		t.Errorf("%+v", o.TLS)
	}
}

// A certificate that is too old is served, as by the Java proxy, but not in silence.
func TestExpiredCertificate(t *testing.T) {
	ca := tlstest.New(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	if err := os.WriteFile(ca.Path("old.pem"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Defaults()
	cfg.WebServicePortTLS, cfg.TLSCertificateFile, cfg.TLSKeyFile = 8443, ca.Path("old.pem"), ca.Path("old.pem")
	want := "tlsCertificateFilePath=" + ca.Path("old.pem") + ": the certificate shown to clients expired on 2020-02-03 04:05:06"
	if warnings, err := CheckTLS(cfg); err != nil || len(warnings) != 1 || warnings[0] != want {
		t.Errorf("%v %v", warnings, err)
	}
	_, log, _ := serve(t, func(c *config.Config) {
		c.WebServicePortTLS, c.TLSCertificateFile, c.TLSKeyFile = 0, ca.Path("old.pem"), ca.Path("old.pem")
	})
	if !strings.Contains(log.String(), want) {
		t.Error(log.String())
	}
}

// A client certificate is a login where that is configured, and another, or none, is not.
func TestLoginByCertificate(t *testing.T) {
	ca := tlstest.New(t)
	cert, own := ca.Issue("server", "ecdsa"), ca.Issue("some-role", "ecdsa")
	_, log, _ := serve(t, func(c *config.Config) {
		c.WebServicePortTLS, c.TLSCertificateFile, c.TLSKeyFile, c.TLSTrustCertsFile = 0, cert.CertFile, cert.KeyFile, ca.File
		c.AuthenticationEnabled = true
		c.AuthenticationProviders = []string{"org.apache.pulsar.broker.authentication.AuthenticationProviderTls"}
	})
	var m []string
	for end := time.Now().Add(patience); m == nil; {
		if m = listeningTLS.FindStringSubmatch(log.String()); m == nil && time.Now().After(end) {
			t.Fatal(log.String())
		}
	}
	url := "wss://" + m[1] + "/ws/v2/producer/persistent/public/default/t"
	d := websocket.Dialer{TLSClientConfig: ca.Client()}
	if _, resp, err := d.Dial(url, nil); err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a certificate: %v %v", resp, err)
	}
	d.TLSClientConfig = ca.Client(own)
	c, resp, err := d.Dial(url, nil)
	if err != nil {
		t.Fatalf("with a certificate: %v %v", resp, err)
	}
	_ = c.Close()
}
