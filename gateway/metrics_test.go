package gateway

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pulsegate/pulsegate/bridge/embedded"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/operator"
	"github.com/pulsegate/pulsegate/server"
)

// TestBrokerMetrics scrapes what a cluster tells.
func TestBrokerMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(brokerMetrics{oneConnection{}})
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`connections{state="up"} 1`, `connects_total{outcome="opened",reason=""} 3`, `connects_total{outcome="failed",reason="denied"} 4`,
		`connects_total{outcome="lost",reason="timeout"} 5`, `connects_total{outcome="lost",reason="denied"} 0`,
		`request_outcomes_total{outcome="refused",request="acknowledge"} 6`,
	} {
		if !strings.Contains(w.Body.String(), "\npulsegate_broker_"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	for _, want := range []string{"chunked_messages_given_up_total 7", "original_principals 8", "original_principals_limit 9"} {
		if !strings.Contains(w.Body.String(), "\npulsegate_"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if t.Failed() {
		t.Log(w.Body)
	}
}

// TestRolesBesideTheirLimit shows an operator how many roles are told to brokers, where they are told.
func TestRolesBesideTheirLimit(t *testing.T) {
	cfg, _, err := config.Load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	up := embedded.New(embedded.Options{})
	defer up.Close()
	b := hub.New(up, hub.Options{})
	defer b.Close()
	o := serverOptions(cfg, b, nil, slog.New(slog.DiscardHandler), "test")
	o.Memory = memory.New(0)
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, forwards := range []bool{false, true} {
		cfg.ForwardOriginalPrincipal = forwards
		told := &source{Server: s, up: oneConnection{}, cfg: cfg}
		shown := false
		for _, l := range told.Status().Limits {
			shown = shown || l == operator.Limit{Key: "maxOriginalPrincipals", Used: 8, Most: 9}
		}
		if shown != forwards {
			t.Errorf("forwardOriginalPrincipal %t: shown %t", forwards, shown)
		}
	}
}
