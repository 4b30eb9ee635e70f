package gateway

import "github.com/prometheus/client_golang/prometheus"

// brokerMetrics shows a cluster's connections to brokers.
type brokerMetrics struct{ cluster connections }

// Describe implements [prometheus.Collector].
func (m brokerMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{brokerConnections, brokerConnects, brokerPending, brokerWaiting} {
		ch <- d
	}
}

var (
	brokerConnections = prometheus.NewDesc("pulsegate_broker_connections",
		"Connections to brokers, by state; down: brokers to which there is none because it broke or could not be opened.", []string{"state"}, nil)
	brokerConnects = prometheus.NewDesc("pulsegate_broker_connects_total",
		"What became of connections to brokers: opened, failed, lost.", []string{"outcome"}, nil)
	brokerPending = prometheus.NewDesc("pulsegate_broker_pending_requests", "Requests that brokers have not answered.", nil, nil)
	brokerWaiting = prometheus.NewDesc("pulsegate_broker_unsent_bytes", "Bytes that wait for brokers to read.", nil, nil)
)

// Collect implements [prometheus.Collector].
func (m brokerMetrics) Collect(ch chan<- prometheus.Metric) {
	states := map[string]int{"opening": 0, "up": 0, "down": 0}
	pending, waiting := 0, 0
	for _, c := range m.cluster.Connections() {
		states[c.State]++
		pending += c.Requests
		waiting += c.Waiting
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for state, n := range states {
		gauge(brokerConnections, n, state)
	}
	gauge(brokerPending, pending)
	gauge(brokerWaiting, waiting)
	counts := m.cluster.ConnCounts()
	for outcome, n := range map[string]uint64{"opened": counts.Opened, "failed": counts.Failed, "lost": counts.Lost} {
		ch <- prometheus.MustNewConstMetric(brokerConnects, prometheus.CounterValue, float64(n), outcome)
	}
}
