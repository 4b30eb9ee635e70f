package server

import (
	"cmp"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/route"
)

// metrics are what /metrics shows. What changes with every message is counted
// in plain atomics and read when asked for.
type metrics struct {
	registry *prometheus.Registry

	acceptErrors, overLimit atomic.Uint64
	acceptWaits             atomic.Uint64
	slow, panics            atomic.Uint64
	slowed                  atomic.Int64 // clients for whom output waits

	handshakes *prometheus.CounterVec
	upgraded   prometheus.Counter // of handshakes
	closes     *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	tls        *prometheus.CounterVec // nil: TLS is not spoken
	lag        prometheus.Histogram
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulsegate_handshakes_total", Help: "Upgrade requests answered, by HTTP status and why they were refused.",
		}, []string{"status", "reason"}),
		closes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulsegate_sessions_closed_total", Help: "Sessions that ended, by close code; none: the connection broke.",
		}, []string{"code"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulsegate_refusals_total", Help: "Clients refused, by what was refused, HTTP status or close code, and the key of the limit that was reached.",
		}, []string{"what", "code", "limit"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pulsegate_loop_lag_seconds", Help: "How late the loops that write come to their timer.",
			NativeHistogramBucketFactor: 1.1,
			Buckets:                     []float64{.0005, .001, .005, .01, .05, .1, .5, 1, 5},
		}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.handshakes, m.closes, m.refusals, m.lag, &totals{s: s},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pulsegate_build_info", Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": s.o.Version},
		}, func() float64 { return 1 }),
	)
	for _, c := range s.o.Collectors {
		m.registry.MustRegister(c)
	}
	if s.o.TLS != nil {
		m.withTLS(s.o.TLS)
	}
	m.upgraded = m.handshakes.WithLabelValues(strconv.Itoa(http.StatusSwitchingProtocols), "")
	return m
}

// refused counts an upgrade that was refused, by the key of the limit or a word. What
// has neither did not ask for what there is.
func (m *metrics) refused(no *http1.Refusal) {
	m.handshakes.WithLabelValues(strconv.Itoa(no.Status), cmp.Or(no.Limit, no.Why, "request")).Inc()
}

// closed counts a close code. A client may send any; those we do not send
// ourselves share a label.
func (m *metrics) closed(code int) {
	label := "other"
	switch {
	case code == 0:
		label = "none"
	case code >= 1000 && code <= 1014 || code >= 4001 && code <= 4008:
		label = strconv.Itoa(code)
	}
	m.closes.WithLabelValues(label).Inc()
}

// totals shows the counters of the server and the bridge.
type totals struct{ s *Server }

type sample struct {
	name, help string
	counter    bool
	value      float64
	kind       string // value of the label kind, "" for none
}

// Describe implements [prometheus.Collector]. Nothing is described: that makes
// the collector unchecked, as its samples are made when asked for.
func (*totals) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (t *totals) Collect(ch chan<- prometheus.Metric) {
	for _, v := range t.ofServer() {
		var labels []string
		var values []string
		if v.kind != "" {
			labels, values = []string{"kind"}, []string{v.kind}
		}
		valueType := prometheus.GaugeValue
		if v.counter {
			valueType = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("pulsegate_"+v.name, v.help, labels, nil), valueType, v.value, values...)
	}
	t.s.showBridge(ch)
}

func (t *totals) ofServer() []sample {
	s, m := t.s, t.s.metrics
	list := []sample{
		{name: "broker_web_requests", help: "Requests of HTTP that are being handed to the web service of the broker.", value: float64(s.streams.used.Load())},
		{name: "connections", help: "Open sockets.", value: float64(s.conns.Load())},
		{name: "connections_limit", help: "How many there may be (maxHttpServerConnections).", value: float64(s.places.most.Load())},
		{name: "http_requests", help: "Requests of HTTP that are being answered.", value: float64(s.requests.used.Load())},
		{name: "http_requests_limit", help: "How many there may be (maxConcurrentHttpRequests); 0: no limit.", value: float64(s.requests.most.Load())},
		{name: "draining", help: "1 while the server is about to stop.", value: one(s.leaving.Load())},
		{name: "accept_errors_total", help: "Connections that could not be accepted.", counter: true, value: float64(m.acceptErrors.Load())},
		{name: "accept_waits_total", help: "Connections that waited to be accepted because very many others came, went or asked for answers.", counter: true,
			value: float64(m.acceptWaits.Load())},
		{name: "connections_over_limit_total", help: "Connections beyond the limit.", counter: true, value: float64(m.overLimit.Load())},
		{name: "slowed_clients", help: "Clients that do not read as fast as they are sent to: output waits for them.", value: float64(m.slowed.Load())},
		{name: "slow_clients_closed_total", help: "Clients closed because they did not read their output.", counter: true, value: float64(m.slow.Load())},
		{name: "panics_total", help: "Panics that were kept to one connection.", counter: true, value: float64(m.panics.Load())},
	}
	for _, kind := range memory.Kinds() {
		list = append(list, sample{name: "memory_held_bytes", help: "What messages of clients take in memory.", value: float64(s.o.Memory.Held(kind)), kind: kind.String()})
	}
	list = append(list,
		sample{name: "memory_limit_bytes", help: "What they may take together (memoryLimitInMB).", value: float64(s.o.Memory.Limit())},
		sample{name: "memory_refusals_total", help: "Sessions refused or closed for want of memory.", counter: true, value: float64(s.o.Memory.Refusals())})
	list = append(list, s.ofTraffic()...)
	for kind := range s.sessions {
		list = append(list, sample{name: "sessions", help: "Open sessions.", value: float64(s.sessions[kind].Load()), kind: route.Kind(kind).String()})
	}
	return list
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
