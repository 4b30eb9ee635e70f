package gateway

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

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
		if err := Check(cfg); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "webServicePortTls") {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
	if err := Check(config.Defaults()); err != nil {
		t.Error(err)
	}
}
