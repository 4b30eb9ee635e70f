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
	counts   counters
	unacked  atomic.Int64
	nacked   atomic.Uint64
	waited   atomic.Uint64 // nanoseconds from all publishes to their confirmation
	tailSize atomic.Int64

	upstreamProducers, upstreamConsumers, upstreamReaders, tails atomic.Int64

	mu         sync.Mutex
	topics     map[string]*topicSessions
	namespaces map[string]*namespaceCounters
	sessions   struct{ producers, consumers, readers int }
}

// counters are the sums of what sessions did.
type counters struct {
	published, publishedBytes, publishFailed atomic.Uint64
	delivered, deliveredBytes, acked         atomic.Uint64
	latency                                  [len(LatencyBounds) + 1]atomic.Uint64
}

// namespaceCounters are the sums of one namespace, and the rates of its last
// complete minute, which the registry's mutex guards.
type namespaceCounters struct {
	counters
	sessions int // guarded by the registry's mutex
	idle     int // complete minutes without a session, likewise
	before   [6 + len(LatencyBounds) + 1]uint64
	rates    NamespaceRates
}

// topicSessions are the sessions of one topic. The first two are constant: a namespace stays while it has sessions.
type topicSessions struct {
	name      string
	ns        *namespaceCounters
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

// consumerCounters belong to one consumer or reader session, and are a part of it.
type consumerCounters struct {
	of        counted
	on        *topicSessions // nil: the session never came to be
	delivered atomic.Uint64
}

// counted is a session that consumes or reads.
type counted interface {
	// count is what is told of it, but for RemoteAddr and Delivered, and who knows its client's address. It is called
	// under the registry's mutex.
	count() (ConsumerStats, Outlet)
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
		name := namespaceOf(topic)
		ns := r.namespaces[name]
		if ns == nil {
			ns = &namespaceCounters{}
			r.namespaces[name] = ns
		}
		t = &topicSessions{name: topic, ns: ns, producers: map[*producerCounters]struct{}{}, consumers: map[*consumerCounters]struct{}{}}
		r.topics[topic] = t
	}
	t.ns.sessions++
	return t, t.ns
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

// known returns the text of topic that its sessions have, if there are any: so that they have it once.
func (r *registry) known(topic string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[topic]; t != nil {
		return t.name
	}
	return topic
}

// consumer begins to count for a session, with the counters that are a part of it.
func (r *registry) consumer(c *consumerCounters, of counted, topic string) {
	who, _ := of.count()
	r.mu.Lock()
	defer r.mu.Unlock()
	c.of = of
	c.on, _ = r.enter(topic)
	c.on.consumers[c] = struct{}{}
	if who.Reader {
		r.sessions.readers++
	} else {
		r.sessions.consumers++
	}
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
	who, _ := c.of.count()
	r.mu.Lock()
	defer r.mu.Unlock()
	c.on.ns.sessions--
	if who.Reader {
		r.sessions.readers--
	} else {
		r.sessions.consumers--
	}
	delete(c.on.consumers, c)
	r.dropEmpty(c.on.name, c.on)
}

func (r *registry) dropEmpty(topic string, t *topicSessions) {
	if len(t.producers) == 0 && len(t.consumers) == 0 {
		delete(r.topics, topic)
	}
}

func (r *registry) published(c *producerCounters, bytes int64, took time.Duration) {
	c.published.Add(1)
	bucket := 0
	for bucket < len(LatencyBounds) && took > LatencyBounds[bucket] {
		bucket++
	}
	r.waited.Add(uint64(max(took, 0)))
	for _, to := range [...]*counters{&r.counts, &c.ns.counters} {
		to.published.Add(1)
		to.publishedBytes.Add(uint64(bytes))
		to.latency[bucket].Add(1)
	}
}

func (r *registry) publishFailed(c *producerCounters) {
	r.counts.publishFailed.Add(1)
	c.ns.publishFailed.Add(1)
}

func (r *registry) delivered(c *consumerCounters, bytes int64) {
	c.delivered.Add(1)
	for _, to := range [...]*counters{&r.counts, &c.on.ns.counters} {
		to.delivered.Add(1)
		to.deliveredBytes.Add(uint64(bytes))
	}
}

func (r *registry) acked(c *consumerCounters) {
	r.counts.acked.Add(1)
	c.on.ns.acked.Add(1)
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
			delete(r.namespaces, name)
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
		who, out := c.of.count()
		who.RemoteAddr, who.Delivered = out.RemoteAddr(), c.delivered.Load()
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

// Counters are the sums since start.
func (b *Bridge) Counters() Counters {
	r := &b.stats
	v := r.counts.values()
	c := Counters{
		Published: v[0], PublishedBytes: v[1], PublishFailed: v[2], Delivered: v[3], DeliveredBytes: v[4], Acked: v[5],
		Nacked: r.nacked.Load(), LatencySum: time.Duration(r.waited.Load()),
	}
	copy(c.Latency[:], v[6:])
	return c
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
	}
}
