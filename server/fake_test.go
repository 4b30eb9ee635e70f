package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/latency"
)

// fakeBridge is a [Bridge] whose sessions are driven by the test. What an
// upgrade asked for comes over opens; the test answers it.
type fakeBridge struct {
	opens chan *fakeOpen
	// auto answers openings at once, unless it returns nil.
	auto func(*fakeOpen) *fakeSession

	mu       sync.Mutex
	readyErr error
	stats    map[string]census.TopicStats
	looks    func() // called by Stats, if not nil
	rates    []census.NamespaceRates
	outlets  []bridge.Outlet // of all that was opened
}

// fakeOpen is one call of Produce, Consume or Read.
type fakeOpen struct {
	kind     string
	producer bridge.ProducerSpec
	consumer bridge.ConsumerSpec
	consume  bridge.ConsumeOptions
	reader   bridge.ReaderSpec
	out      bridge.Outlet
	done     bridge.Opened
	canceled chan struct{}
}

func newFakeBridge() *fakeBridge {
	return &fakeBridge{opens: make(chan *fakeOpen, 8192)}
}

// echoBridge opens every session at once; each message is sent back.
func echoBridge() *fakeBridge {
	b := newFakeBridge()
	b.auto = func(o *fakeOpen) *fakeSession { return echoSession(o.out) }
	return b
}

func echoSession(out bridge.Outlet) *fakeSession {
	s := newFakeSession(out)
	s.handle = func(frame []byte) error {
		s.push(string(frame))
		return nil
	}
	return s
}

// answer sets auto while the bridge is in use.
func (b *fakeBridge) answer(auto func(*fakeOpen) *fakeSession) {
	b.mu.Lock()
	b.auto = auto
	b.mu.Unlock()
}

func (b *fakeBridge) open(o *fakeOpen) func() {
	o.canceled = make(chan struct{})
	b.mu.Lock()
	auto := b.auto
	b.mu.Unlock()
	if auto != nil {
		if s := auto(o); s != nil {
			go o.done(s, nil)
		}
	}
	b.mu.Lock()
	b.outlets = append(b.outlets, o.out)
	b.mu.Unlock()
	b.opens <- o
	var once sync.Once
	return func() { once.Do(func() { close(o.canceled) }) }
}

func (b *fakeBridge) Produce(spec bridge.ProducerSpec, out bridge.Outlet, done bridge.Opened) func() {
	return b.open(&fakeOpen{kind: "producer", producer: spec, out: out, done: done})
}

func (b *fakeBridge) Consume(spec bridge.ConsumerSpec, o bridge.ConsumeOptions, out bridge.Outlet, done bridge.Opened) func() {
	return b.open(&fakeOpen{kind: "consumer", consumer: spec, consume: o, out: out, done: done})
}

func (b *fakeBridge) Read(spec bridge.ReaderSpec, _ bridge.ReadOptions, out bridge.Outlet, done bridge.Opened) func() {
	return b.open(&fakeOpen{kind: "reader", reader: spec, out: out, done: done})
}

func (b *fakeBridge) Ready(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.readyErr
}

func (b *fakeBridge) Stats() map[string]census.TopicStats {
	if b.looks != nil {
		b.looks()
	}
	return b.stats
}

func (b *fakeBridge) TopicStats(topic string) (census.TopicStats, bool) {
	t, ok := b.stats[topic]
	return t, ok
}

func (b *fakeBridge) NamespaceRates() []census.NamespaceRates { return b.rates }
func (b *fakeBridge) Counters() census.Counters {
	var took, waited latency.Histogram
	took.Observe(3*time.Second, 1)
	waited.Observe(2*time.Millisecond, 4)
	c := census.Counters{
		Published: 7, PublishedBytes: 70, PublishLatency: took.Snapshot(), Nacked: 8, Redelivered: 9, DeadLetters: 10, DeadLettersFailed: 11,
		Consumers: census.Pushed{Delivered: 1, DeliveredBytes: 2, Acked: 3, Filled: 4, Latency: waited.Snapshot()},
		Readers:   census.Pushed{Delivered: 10, DeliveredBytes: 20, Acked: 30, Filled: 40, Latency: took.Snapshot()},
	}
	c.PublishFailed[3], c.PublishFailed[8] = 12, 13
	return c
}
func (b *fakeBridge) Gauges() census.Gauges {
	return census.Gauges{Tails: 3, TailBytes: 4, Unacked: 5, FullConsumers: 6, FullReaders: 7, UpstreamProducers: 8, UpstreamConsumers: 9, UpstreamReaders: 10}
}
func (b *fakeBridge) Shares() census.Shares {
	s := census.Shares{Live: 5, Behind: 2}
	s.Producers[0], s.Consumers[2], s.Tails[5] = 1, 2, 3
	return s
}
func (b *fakeBridge) NamespaceCounters(most int) []census.NamespaceCounters {
	all := []census.NamespaceCounters{{Namespace: "public/default", Sessions: 1, Published: 2, PublishedBytes: 3, PublishFailed: 4, Delivered: 5, DeliveredBytes: 6, Acked: 7}}
	return append(all[:min(most, 1)], census.NamespaceCounters{Sessions: 10, Published: 20})
}

// fakeSession is a [bridge.Session] that records what it is given.
type fakeSession struct {
	out    bridge.Outlet
	handle func(frame []byte) error // called without mu

	handled chan string   // messages received, when handle is nil
	closed  chan struct{} // closed by Close
	once    sync.Once

	mu       sync.Mutex
	queue    []string
	full     bool
	inFlight int
	fills    int
	boom     bool // Fill panics
}

func newFakeSession(out bridge.Outlet) *fakeSession {
	return &fakeSession{out: out, handled: make(chan string, 4096), closed: make(chan struct{})}
}

func (s *fakeSession) push(frames ...string) {
	s.mu.Lock()
	s.queue = append(s.queue, frames...)
	s.mu.Unlock()
	s.out.Wake()
}

func (s *fakeSession) set(f func(*fakeSession)) {
	s.mu.Lock()
	f(s)
	s.mu.Unlock()
}

func (s *fakeSession) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

func (s *fakeSession) Handle(frame []byte) error {
	if s.handle != nil {
		return s.handle(frame)
	}
	s.handled <- string(frame)
	return nil
}

func (s *fakeSession) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

func (s *fakeSession) Fill(w bridge.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fills++
	if s.boom {
		panic("boom in Fill")
	}
	for len(s.queue) > 0 && w.Room() {
		frame := s.queue[0]
		s.queue = s.queue[1:]
		w.Append(func(dst []byte) []byte { return append(dst, frame...) })
	}
}

func (s *fakeSession) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

func (s *fakeSession) Close() { s.once.Do(func() { close(s.closed) }) }

func (b *fakeBridge) Outlets(visit func(bridge.Outlet) bool) {
	b.mu.Lock()
	list := slices.Clone(b.outlets)
	b.mu.Unlock()
	for _, out := range list {
		if !visit(out) {
			return
		}
	}
}

func (b *fakeBridge) Clients(visit func(*bridge.ClientInfo) bool) {
	visit(&bridge.ClientInfo{ID: 7, Kind: bridge.ClientTail, Topic: "persistent://public/default/t", Sessions: 2, Connected: true})
}

func (s *fakeSession) Describe(i *bridge.SessionInfo) {
	*i = bridge.SessionInfo{Topic: "persistent://public/default/t", Messages: 5, Unacked: 2, Window: 10, Sharing: 3, Upstream: []uint64{7}}
}
