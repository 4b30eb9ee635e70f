package gateway

import (
	"net/http"
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
		{ca.Path("none"), cert.KeyFile, "none: no such file"},
		{cert.CertFile, other.KeyFile, "private key"},
		{cert.KeyFile, cert.KeyFile, cert.KeyFile},
	} {
		cfg := config.Defaults()
		cfg.WebServicePortTLS, cfg.TLSCertificateFile, cfg.TLSKeyFile = 8443, tc.cert, tc.key
		if err := CheckTLS(cfg); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "webServicePortTls") {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
	if err := CheckTLS(config.Defaults()); err != nil {
		t.Error(err)
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
