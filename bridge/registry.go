package bridge

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// registry knows all sessions by topic and counts what they do.
//
// mu guards the maps; the counters are atomic, so a publish or a delivery takes no lock.
type registry struct {
	sums     sums
	unacked  atomic.Int64
	tailSize atomic.Int64

	upstreamProducers, upstreamConsumers, upstreamReaders, tails atomic.Int64

	mu         sync.Mutex
	topics     map[string]*topicSessions
	namespaces map[string]*namespaceCounters
	forgotten  NamespaceCounters // of namespaces that are forgotten
	shown      int               // namespaces that are counted by name, see NamespaceCounters
	sessions   struct{ producers, consumers, readers int }
}

// counters are the sums of what the sessions of a namespace did.
type counters struct {
	published, publishedBytes, publishFailed atomic.Uint64
	delivered, deliveredBytes, acked         atomic.Uint64
	latency                                  [len(LatencyBounds) + 1]atomic.Uint64
}

// namespaceCounters are the sums of one namespace, and the rates of its last
// complete minute, which the registry's mutex guards.
type namespaceCounters struct {
	counters
	sessions int  // guarded by the registry's mutex
	shown    bool // it is counted by name for as long as the process lives, likewise
	idle     int  // complete minutes without a session, likewise
	before   [6 + len(LatencyBounds) + 1]uint64
	rates    NamespaceRates
}

type topicSessions struct {
	producers map[*producerCounters]struct{}
	consumers map[*consumerCounters]struct{}
}

// producerCounters belong to one producer session.
type producerCounters struct {
	topic     string
	out       Outlet // knows the client's address
	ns        *namespaceCounters
	published atomic.Uint64
}

// consumerCounters belong to one consumer or reader session.
type consumerCounters struct {
	topic     string
	who       ConsumerStats // but for RemoteAddr and Delivered
	out       Outlet        // knows the client's address
	ns        *namespaceCounters
	delivered atomic.Uint64
}

// forgetAfter is how many minutes without a session a namespace's rates are kept.
const forgetAfter = 5

func (r *registry) init(work *sync.WaitGroup, ctx context.Context) {
	r.topics = map[string]*topicSessions{}
	r.namespaces = map[string]*namespaceCounters{}
	work.Add(1)
	go func() {
		defer work.Done()
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
	}()
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

// enter returns the entries of topic and its namespace. mu is held.
func (r *registry) enter(topic string) (*topicSessions, *namespaceCounters) {
	t := r.topics[topic]
	if t == nil {
		t = &topicSessions{producers: map[*producerCounters]struct{}{}, consumers: map[*consumerCounters]struct{}{}}
		r.topics[topic] = t
	}
	name := namespaceOf(topic)
	ns := r.namespaces[name]
	if ns == nil {
		ns = &namespaceCounters{}
		r.namespaces[name] = ns
	}
	ns.sessions++
	return t, ns
}

func (r *registry) producer(topic string, out Outlet) *producerCounters {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ns := r.enter(topic)
	c := &producerCounters{topic: topic, out: out, ns: ns}
	t.producers[c] = struct{}{}
	r.sessions.producers++
	return c
}

func (r *registry) consumer(who ConsumerStats, out Outlet, topic string) *consumerCounters {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ns := r.enter(topic)
	c := &consumerCounters{topic: topic, who: who, out: out, ns: ns}
	t.consumers[c] = struct{}{}
	if who.Reader {
		r.sessions.readers++
	} else {
		r.sessions.consumers++
	}
	return c
}

func (r *registry) dropProducer(c *producerCounters) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.ns.sessions--
	r.sessions.producers--
	t := r.topics[c.topic]
	delete(t.producers, c)
	r.dropEmpty(c.topic, t)
}

func (r *registry) dropConsumer(c *consumerCounters) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.ns.sessions--
	if c.who.Reader {
		r.sessions.readers--
	} else {
		r.sessions.consumers--
	}
	t := r.topics[c.topic]
	delete(t.consumers, c)
	r.dropEmpty(c.topic, t)
}

func (r *registry) dropEmpty(topic string, t *topicSessions) {
	if len(t.producers) == 0 && len(t.consumers) == 0 {
		delete(r.topics, topic)
	}
}

// closeMinute computes the rates of the period that ends now and forgets
// namespaces nobody has used for a while.
func (r *registry) closeMinute(period time.Duration) {
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
				delete(r.namespaces, name)
			}
		}
	}
}

// values are the sums in the order of closeMinute's rates.
func (c *counters) values() (v [6 + len(LatencyBounds) + 1]uint64) {
	for i, n := range [...]*atomic.Uint64{&c.published, &c.publishedBytes, &c.publishFailed, &c.delivered, &c.deliveredBytes, &c.acked} {
		v[i] = n.Load()
	}
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
		who := c.who
		who.RemoteAddr, who.Delivered = c.out.RemoteAddr(), c.delivered.Load()
		s.Consumers = append(s.Consumers, who)
	}
	slices.SortFunc(s.Producers, func(a, b ProducerStats) int { return strings.Compare(a.RemoteAddr, b.RemoteAddr) })
	slices.SortFunc(s.Consumers, func(a, b ConsumerStats) int { return strings.Compare(a.RemoteAddr, b.RemoteAddr) })
	return s
}

// Stats are the sessions of all topics that have any.
func (b *Bridge) Stats() map[string]TopicStats {
	r := &b.stats
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]TopicStats, len(r.topics))
	for topic, t := range r.topics {
		all[topic] = t.stats()
	}
	return all
}

// TopicStats are the sessions of one topic; false when there is none.
func (b *Bridge) TopicStats(topic string) (TopicStats, bool) {
	r := &b.stats
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.topics[topic]
	if t == nil {
		return TopicStats{}, false
	}
	return t.stats(), true
}

// NamespaceRates are the rates of the last complete minute, sorted by namespace.
func (b *Bridge) NamespaceRates() []NamespaceRates {
	r := &b.stats
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

// Gauges are what the bridge holds now.
func (b *Bridge) Gauges() Gauges {
	r := &b.stats
	r.mu.Lock()
	defer r.mu.Unlock()
	return Gauges{
		ProducerSessions: r.sessions.producers, ConsumerSessions: r.sessions.consumers, ReaderSessions: r.sessions.readers,
		UpstreamProducers: int(r.upstreamProducers.Load()), UpstreamConsumers: int(r.upstreamConsumers.Load()),
		UpstreamReaders: int(r.upstreamReaders.Load()), Tails: int(r.tails.Load()),
		TailBytes: r.tailSize.Load(), Unacked: r.unacked.Load(),
		FullConsumers: r.sums.full[ofConsumers].now.Load(), FullReaders: r.sums.full[ofReaders].now.Load(),
	}
}
