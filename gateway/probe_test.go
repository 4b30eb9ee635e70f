package gateway

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/test/port"
)

// probe asks for a page as pulsegate health does.
func probe(t *testing.T, page string, change func(*config.Config)) error {
	t.Helper()
	cfg := config.Defaults()
	cfg.BindAddress = "127.0.0.1"
	change(cfg)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return Probe(ctx, cfg, page)
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The probe finds the gateway wherever it listens.
func TestProbe(t *testing.T) {
	ca := tlstest.New(t)
	cert := ca.Issue("server", "ecdsa")
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*config.Config){
		"an address of its own": func(c *config.Config) { c.BindAddress = "127.0.0.2" },
		"all addresses":         func(c *config.Config) { c.BindAddress = "0.0.0.0" },
		"PROXY header":          func(c *config.Config) { c.HAProxyProtocol = true },
		"TLS": func(c *config.Config) {
			c.WebServicePortTLS, c.TLSCertificateFile, c.TLSKeyFile = ports[0], cert.CertFile, cert.KeyFile
		},
	} {
		addr, log, stop := serve(t, change)
		same := func(c *config.Config) {
			change(c)
			c.WebServicePort = portOf(t, addr)
			if c.WebServicePortTLS != config.NoPort {
				c.WebServicePort = config.NoPort
			}
		}
		for _, page := range []string{PageHealthy, PageReady} {
			if err := probe(t, page, same); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, page, err, log)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := probe(t, PageHealthy, same); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: after the end: %v", name, err)
		}
	}
}

// An answer other than 200 is an error with the reason.
func TestProbeNotReady(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the brokers do not answer", http.StatusServiceUnavailable)
	}))
	defer s.Close()
	err := probe(t, PageReady, func(c *config.Config) { c.WebServicePort = portOf(t, s.Listener.Addr().String()) })
	if err == nil || err.Error() != "503 Service Unavailable: the brokers do not answer" {
		t.Errorf("got %v", err)
	}
}

func TestProbeOfUnknownPort(t *testing.T) {
	err := probe(t, PageHealthy, func(c *config.Config) { c.WebServicePort = 0 })
	if err == nil || !strings.Contains(err.Error(), "webServicePort=0") {
		t.Errorf("got %v", err)
	}
}

func TestReachable(t *testing.T) {
	for bind, want := range map[string]string{
		"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "192.0.2.1": "192.0.2.1", "gate.example": "gate.example",
	} {
		if got := reachable(bind); got != want {
			t.Errorf("%q: %q, want %q", bind, got, want)
		}
	}
}
