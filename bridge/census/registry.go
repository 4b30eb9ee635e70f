package census

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// Registry knows all sessions by topic and counts what they do.
//
// mu guards the maps; the counters are atomic, so a publish or a delivery takes no lock.
type Registry struct {
	sums sums

	mu         sync.Mutex
	topics     map[string]*topicSessions
	namespaces map[string]*namespaceCounters
	forgotten  NamespaceCounters // of namespaces that are forgotten
	goneBytes  [2]uint64         // of forgotten, delivered, by the kind of the session
	shown      int               // namespaces that are counted by name, see NamespaceCounters
	sessions   struct{ producers, consumers, readers int }
}

// counters are the sums of what the sessions of a namespace did.
type counters struct {
	published, publishedBytes, publishFailed atomic.Uint64
	delivered, acked                         atomic.Uint64
	deliveredBytes                           [2]atomic.Uint64 // by the kind of the session
	latency                                  [len(LatencyBounds) + 1]atomic.Uint64
}

// namespaceCounters are the sums of one namespace, and the rates of its last
// complete minute, which the registry's mutex guards.
type namespaceCounters struct {
	counters
	of       *Registry // constant
	sessions int       // guarded by the registry's mutex
	shown    bool      // it is counted by name for as long as the process lives, likewise
	idle     int       // complete minutes without a session, likewise
	before   [6 + len(LatencyBounds) + 1]uint64
	rates    NamespaceRates
}

// topicSessions are the sessions of one topic. The first two are constant: a namespace stays while it has sessions.
type topicSessions struct {
	name      string
	ns        *namespaceCounters
	producers map[*Producer]struct{}
	consumers map[*Consumer]struct{}
}

// Producer counts what one producer session does.
type Producer struct {
	out       bridge.Outlet  // knows the client's address
	on        *topicSessions // constant
	published atomic.Uint64
}

// Consumer counts what one consumer or reader session does.
type Consumer struct {
	of        bridge.Counted
	on        *topicSessions // constant, as is reader
	reader    bool
	delivered atomic.Uint64
}

// forgetAfter is how many minutes without a session a namespace's rates are kept.
const forgetAfter = 5

// New returns a registry without sessions. Its rates need [Registry.Run].
func New() *Registry {
	return &Registry{topics: map[string]*topicSessions{}, namespaces: map[string]*namespaceCounters{}}
}

// Run computes the rates of each minute until ctx ends.
func (r *Registry) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.closeMinute(time.Minute)
		case <-ctx.Done():
			return
		}
	}
}

// namespaceOf cuts tenant/namespace, or property/cluster/namespace, out of a full topic name.
func namespaceOf(topic string) string {
	if i := strings.Index(topic, "://"); i >= 0 {
		topic = topic[i+3:]
	}
	topic, _, _ = strings.Cut(topic, ",") // of many topics the first one counts
	parts := strings.Split(topic, "/")
	switch {
	case len(parts) == 3:
		return parts[0] + "/" + parts[1]
	case len(parts) > 3:
		return strings.Join(parts[:3], "/")
	}
	return topic
}

// enter returns the entry of topic for one session more. mu is held.
func (r *Registry) enter(topic string) *topicSessions {
	t := r.topics[topic]
	if t == nil {
		name := namespaceOf(topic)
		ns := r.namespaces[name]
		if ns == nil {
			ns = &namespaceCounters{of: r}
			r.namespaces[name] = ns
		}
		t = &topicSessions{name: topic, ns: ns, producers: map[*Producer]struct{}{}, consumers: map[*Consumer]struct{}{}}
		r.topics[topic] = t
	}
	t.ns.sessions++
	return t
}

// Producer enters a producer session, which has [Producer.Leave] called when it ends.
func (r *Registry) Producer(topic string, out bridge.Outlet) *Producer {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Producer{out: out, on: r.enter(topic)}
	c.on.producers[c] = struct{}{}
	r.sessions.producers++
	return c
}

// Known returns the text of topic that its sessions have, if there are any: so that they have it once.
func (r *Registry) Known(topic string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[topic]; t != nil {
		return t.name
	}
	return topic
}

// Consumer enters a consumer or reader session, which has [Consumer.Leave] called when it ends.
func (r *Registry) Consumer(topic string, of bridge.Counted) *Consumer {
	who, _ := of.Counted()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Consumer{of: of, on: r.enter(topic), reader: who.Reader}
	c.on.consumers[c] = struct{}{}
	if c.reader {
		r.sessions.readers++
	} else {
		r.sessions.consumers++
	}
	return c
}

// Leave says that the session has ended.
func (c *Producer) Leave() {
	r := c.on.ns.of
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions.producers--
	delete(c.on.producers, c)
	r.leave(c.on)
}

// Leave says that the session has ended.
func (c *Consumer) Leave() {
	r := c.on.ns.of
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.reader {
		r.sessions.readers--
	} else {
		r.sessions.consumers--
	}
	delete(c.on.consumers, c)
	r.leave(c.on)
}

// leave undoes enter. mu is held.
func (r *Registry) leave(t *topicSessions) {
	t.ns.sessions--
	if len(t.producers) == 0 && len(t.consumers) == 0 {
		delete(r.topics, t.name)
	}
}

// closeMinute computes the rates of the period that ends now and forgets
// namespaces nobody has used for a while.
func (r *Registry) closeMinute(period time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, ns := range r.namespaces {
		now := ns.values()
		var d [len(now)]uint64
		for i := range now {
			d[i] = now[i] - ns.before[i]
		}
		ns.before = now
		rate := func(n uint64) float64 { return float64(n) / period.Seconds() }
		ns.rates = NamespaceRates{
			Namespace: name, PublishRate: rate(d[0]), PublishBytes: rate(d[1]), FailureRate: rate(d[2]),
			DeliverRate: rate(d[3]), DeliverBytes: rate(d[4]), AckRate: rate(d[5]),
		}
		copy(ns.rates.Latency[:], d[6:])
		if ns.sessions > 0 {
			ns.idle = 0
		} else if ns.idle++; ns.idle > forgetAfter {
			if !ns.shown {
				r.forgotten.add(&ns.counters)
				for kind := range r.goneBytes {
					r.goneBytes[kind] += ns.deliveredBytes[kind].Load()
				}
				delete(r.namespaces, name)
			}
		}
	}
}

// values are the sums in the order of closeMinute's rates.
func (c *counters) values() (v [6 + len(LatencyBounds) + 1]uint64) {
	for i, n := range [...]*atomic.Uint64{&c.published, &c.publishedBytes, &c.publishFailed, &c.delivered, &c.deliveredBytes[ofConsumers], &c.acked} {
		v[i] = n.Load()
	}
	v[4] = c.pushedBytes()
	for i := range c.latency {
		v[6+i] = c.latency[i].Load()
	}
	return v
}

func (t *topicSessions) stats() TopicStats {
	s := TopicStats{Producers: []ProducerStats{}, Consumers: []ConsumerStats{}}
	for c := range t.producers {
		s.Producers = append(s.Producers, ProducerStats{RemoteAddr: c.out.RemoteAddr(), Published: c.published.Load()})
	}
	for c := range t.consumers {
		who, out := c.of.Counted()
		s.Consumers = append(s.Consumers, ConsumerStats{
			RemoteAddr: out.RemoteAddr(), Subscription: who.Subscription, Type: who.Type, NonDurable: who.NonDurable, Reader: who.Reader,
			Delivered: c.delivered.Load(),
		})
	}
	slices.SortFunc(s.Producers, func(a, b ProducerStats) int { return strings.Compare(a.RemoteAddr, b.RemoteAddr) })
	slices.SortFunc(s.Consumers, func(a, b ConsumerStats) int { return strings.Compare(a.RemoteAddr, b.RemoteAddr) })
	return s
}

// Stats are the sessions of all topics that have any.
func (r *Registry) Stats() map[string]TopicStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]TopicStats, len(r.topics))
	for topic, t := range r.topics {
		all[topic] = t.stats()
	}
	return all
}

// TopicStats are the sessions of one topic; false when there is none.
func (r *Registry) TopicStats(topic string) (TopicStats, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.topics[topic]
	if t == nil {
		return TopicStats{}, false
	}
	return t.stats(), true
}

// NamespaceRates are the rates of the last complete minute, sorted by namespace.
func (r *Registry) NamespaceRates() []NamespaceRates {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []NamespaceRates
	for _, name := range slices.Sorted(maps.Keys(r.namespaces)) {
		rates := r.namespaces[name].rates
		rates.Namespace = name
		all = append(all, rates)
	}
	return all
}

// Sessions are the open sessions; the other gauges are what the rooms know of.
func (r *Registry) Sessions() Gauges {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Gauges{ProducerSessions: r.sessions.producers, ConsumerSessions: r.sessions.consumers, ReaderSessions: r.sessions.readers}
}

// Outlets calls visit with the outlet of each open session, in no order, until it returns
// false. A session that opens or ends meanwhile may be left out, or be visited although it has ended.
func (r *Registry) Outlets(visit func(bridge.Outlet) bool) {
	r.mu.Lock()
	list := make([]bridge.Outlet, 0, r.sessions.producers+r.sessions.consumers+r.sessions.readers)
	for _, t := range r.topics {
		for c := range t.producers {
			list = append(list, c.out)
		}
		for c := range t.consumers {
			_, out := c.of.Counted()
			list = append(list, out)
		}
	}
	r.mu.Unlock()
	for _, out := range list {
		if !visit(out) {
			return
		}
	}
}
