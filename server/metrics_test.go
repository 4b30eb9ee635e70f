package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Each count of the bridge is shown under its own name.
func TestMetricsOfTheBridge(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.MetricsNamespaces = 1 })
	_, body := get(t, s, "/metrics")
	for _, line := range []string{
		`published_messages_total 7`, `published_bytes_total 70`,
		`publish_failures_total{code="3"} 12`, `publish_failures_total{code="8"} 13`, `publish_failures_total{code="7"} 0`,
		`publish_latency_seconds_sum 3`, `publish_latency_seconds_count 1`,
		`publish_latency_seconds_bucket{le="1"} 0`, `publish_latency_seconds_bucket{le="5"} 1`, `publish_latency_seconds_bucket{le="+Inf"} 1`,
		`delivered_messages_total{kind="consumer"} 1`, `delivered_messages_total{kind="reader"} 10`,
		`delivered_bytes_total{kind="consumer"} 2`, `delivered_bytes_total{kind="reader"} 20`,
		`delivery_latency_seconds_count{kind="consumer"} 4`, `delivery_latency_seconds_bucket{kind="consumer",le="0.001"} 0`,
		`delivery_latency_seconds_bucket{kind="consumer",le="0.005"} 4`, `delivery_latency_seconds_sum{kind="reader"} 3`,
		`acked_messages_total{kind="consumer"} 3`, `acked_messages_total{kind="reader"} 30`,
		`filled_windows_total{kind="consumer"} 4`, `filled_windows_total{kind="reader"} 40`,
		`nacked_messages_total 8`, `redelivered_messages_total 9`, `dead_letters_total{outcome="moved"} 10`, `dead_letters_total{outcome="failed"} 11`,
		`tails 3`, `tail_bytes 4`, `unacked_messages 5`, `full_windows{kind="consumer"} 6`, `full_windows{kind="reader"} 7`,
		`upstream_clients{kind="producer"} 8`, `upstream_clients{kind="consumer"} 9`, `upstream_clients{kind="reader"} 10`,
		`tail_cursors{state="live"} 5`, `tail_cursors{state="behind"} 2`,
		`shared_clients{kind="producer",sessions="0"} 1`, `shared_clients{kind="consumer",sessions="2-10"} 2`, `shared_clients{kind="tail",sessions="1001-"} 3`,
		`namespace_sessions{namespace="public/default"} 1`, `namespace_published_messages_total{namespace="public/default"} 2`,
		`namespace_published_bytes_total{namespace="public/default"} 3`, `namespace_publish_failures_total{namespace="public/default"} 4`,
		`namespace_delivered_messages_total{namespace="public/default"} 5`, `namespace_delivered_bytes_total{namespace="public/default"} 6`,
		`namespace_acked_messages_total{namespace="public/default"} 7`, `namespace_sessions{namespace="other"} 10`,
	} {
		if !strings.Contains(body, "\npulsegate_"+line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if _, body := get(t, start(t, echoBridge()), "/metrics"); strings.Contains(body, "pulsegate_namespace_") {
		t.Error("namespaces are shown although nobody asked for them")
	}
}

// Who scrapes with the protocol that has native histograms gets them beside the classic buckets.
func TestNativeHistograms(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge()}))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	found := map[string]*dto.Histogram{}
	for in := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header())); ; {
		var family dto.MetricFamily
		if in.Decode(&family) != nil {
			break
		}
		for _, m := range family.Metric {
			found[family.GetName()] = m.Histogram
		}
	}
	for _, name := range []string{"pulsegate_publish_latency_seconds", "pulsegate_delivery_latency_seconds", "pulsegate_loop_lag_seconds"} {
		h := found[name]
		if h.GetSchema() != 3 || len(h.Bucket) < 9 {
			t.Errorf("%s: %v", name, h)
		}
	}
	h := found["pulsegate_publish_latency_seconds"] // 3 s, in (2^(12/8), 2^(13/8)]
	if len(h.PositiveSpan) != 1 || h.PositiveSpan[0].GetOffset() != 13 || h.PositiveSpan[0].GetLength() != 1 || len(h.PositiveDelta) != 1 || h.PositiveDelta[0] != 1 {
		t.Errorf("%v", h)
	}
}

// Upgrades that are refused are counted by status and reason.
func TestHandshakesByReason(t *testing.T) {
	s, _ := guarded(t, echoBridge(), 0, func(o *Options) { o.AllowedOrigins = []string{"https://here.example"} })
	ask := func(path string, head ...string) {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(head); i += 2 {
			r.Header.Set(head[i], head[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC=="}
	ask(producerPath)
	ask(producerPath, append(upgrade, "Origin", "https://elsewhere.example")...)
	ask("/ws/v2/producer/persistent/nothing", upgrade...)
	ask(producerPath, upgrade...)
	ask(producerPath, append(upgrade, "Authorization", "Bearer "+tokenOf("nobody", 0))...)
	_, body := get(t, s, "/metrics")
	for _, labels := range []string{
		`reason="no_upgrade",status="426"`, `reason="origin",status="403"`, `reason="request",status="400"`,
		`reason="authentication",status="401"`, `reason="authorization",status="403"`,
	} {
		if !strings.Contains(body, "pulsegate_handshakes_total{"+labels+"} 1\n") {
			t.Errorf("no %s", labels)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(body) {
			if strings.Contains(line, "handshakes_total") {
				t.Log(line)
			}
		}
	}
}

// A client for whom output waits is counted for as long as it does.
func TestSlowedClients(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.MaxUnread = unreadBound })
	slowed := func() int64 { return s.metrics.slowed.Load() }
	const frames = 1000
	client, _ := unreading(t, s, b, consumerPath("s"), frames)
	eventually(t, "one client is slowed", func() bool { return slowed() == 1 }) // it is counted behind its output
	for range frames {
		client.frame()
	}
	eventually(t, "it is not slowed any more", func() bool { return slowed() == 0 })

	client, _ = unreading(t, s, b, consumerPath("s2"), frames)
	_ = client.Close()
	eventually(t, "its end is counted", func() bool { return slowed() == 0 && s.conns.Load() <= 1 })
}
