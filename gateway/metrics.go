package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pulsegate/pulsegate/pulsar"
)

// brokerMetrics shows a cluster's connections to brokers, and what came of them.
type brokerMetrics struct{ cluster connections }

// Describe implements [prometheus.Collector].
func (m brokerMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		brokerConnections, brokerConnects, brokerPending, brokerWaiting, brokerOutcomes, givenUp, rolesUsed, rolesLimit,
	} {
		ch <- d
	}
}

var (
	brokerConnections = prometheus.NewDesc("pulsegate_broker_connections",
		"Connections to brokers, by state; down: brokers to which there is none because it broke or could not be opened.", []string{"state"}, nil)
	brokerConnects = prometheus.NewDesc("pulsegate_broker_connects_total",
		"What became of connections to brokers: opened, failed, lost, and why.", []string{"outcome", "reason"}, nil)
	brokerPending  = prometheus.NewDesc("pulsegate_broker_pending_requests", "Requests that brokers have not answered.", nil, nil)
	brokerWaiting  = prometheus.NewDesc("pulsegate_broker_unsent_bytes", "Bytes that wait for brokers to read.", nil, nil)
	brokerOutcomes = prometheus.NewDesc("pulsegate_broker_request_outcomes_total",
		"What became of requests to brokers: done, refused, timeout, lost with the connection, or full: not sent, as too many are unanswered.",
		[]string{"request", "outcome"}, nil)
	givenUp = prometheus.NewDesc("pulsegate_chunked_messages_given_up_total",
		"Messages in chunks that were given up because chunks were missing, too late or of too many messages at once.", nil, nil)
	rolesUsed  = prometheus.NewDesc("pulsegate_original_principals", "Roles on whose behalf there are connections to brokers.", nil, nil)
	rolesLimit = prometheus.NewDesc("pulsegate_original_principals_limit", "How many there may be (maxOriginalPrincipals).", nil, nil)
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
	total := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	counts := m.cluster.ConnCounts()
	total(brokerConnects, counts.Opened, "opened", "")
	for outcome, of := range map[string]pulsar.Reasons{"failed": counts.Failed, "lost": counts.Lost} {
		for reason, n := range of {
			total(brokerConnects, n, outcome, pulsar.Reason(reason).String())
		}
	}
	for _, of := range m.cluster.RequestCounts() {
		total(brokerOutcomes, of.Count, of.Request, of.Outcome)
	}
	total(givenUp, uint64(m.cluster.DroppedChunked()))
	used, most := m.cluster.Principals()
	gauge(rolesUsed, used)
	gauge(rolesLimit, most)
}
