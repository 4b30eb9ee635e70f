package hub

import (
	"slices"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
)

// Stats are the sessions of all topics that have any.
func (h *Hub) Stats() map[string]census.TopicStats { return h.census.Stats() }

// TopicStats are the sessions of one topic; false when there is none.
func (h *Hub) TopicStats(topic string) (census.TopicStats, bool) { return h.census.TopicStats(topic) }

// NamespaceRates are the rates of the last complete minute, sorted by namespace.
func (h *Hub) NamespaceRates() []census.NamespaceRates { return h.census.NamespaceRates() }

// NamespaceCounters are the sums of each of the first most namespaces by name, and of all others.
func (h *Hub) NamespaceCounters(most int) []census.NamespaceCounters {
	return h.census.NamespaceCounters(most)
}

// Counters are the sums since start.
func (h *Hub) Counters() census.Counters {
	c := h.census.Counters()
	c.Consumers.Filled, c.Readers.Filled = h.consumers.Windows().Times(), h.readers.Windows().Times()
	if up, ok := h.up.(bridge.Burier); ok {
		c.DeadLetters, c.DeadLettersFailed = up.DeadLetters()
	}
	return c
}

// Shares tells how many sessions have the clients at the upstream that they may share, and where the cursors of readers are.
func (h *Hub) Shares() (s census.Shares) {
	h.Clients(func(c *bridge.ClientInfo) bool { s.Add(c); return true })
	return s
}

// Outlets calls visit with the outlet of each open session, in no order, until it returns
// false. A session that opens or ends meanwhile may be left out, or be visited although it has ended.
func (h *Hub) Outlets(visit func(bridge.Outlet) bool) { h.census.Outlets(visit) }

// Gauges are what there is now.
func (h *Hub) Gauges() census.Gauges {
	g := h.census.Sessions()
	g.UpstreamProducers, g.UpstreamConsumers = h.producers.Open(), h.consumers.Open()
	g.UpstreamReaders, g.Tails = h.readers.Open()
	g.TailBytes, g.Unacked = h.readers.Bytes(), h.consumers.Unacked()
	g.FullConsumers, g.FullReaders = h.consumers.Windows().Now(), h.readers.Windows().Now()
	return g
}

// Clients calls visit with each client at the upstream that sessions may share, in no order, until it returns false.
func (h *Hub) Clients(visit func(*bridge.ClientInfo) bool) {
	for _, c := range slices.Concat(h.producers.Clients(), h.consumers.Clients(), h.readers.Clients()) {
		if !visit(&c) {
			return
		}
	}
}
