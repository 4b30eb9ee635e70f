package bridge

import (
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
)

// The kinds of sessions that messages are pushed to.
const (
	ofConsumers = iota
	ofReaders
)

// sums are what all sessions did, since start.
type sums struct {
	published, publishedBytes atomic.Uint64
	publishLatency            latency.Histogram
	failed                    [codec.CodeUnknown + 1]atomic.Uint64 // publishes by the code of their answer

	pushed              [2]pushedSums
	full                [2]fullWindows
	nacked, redelivered atomic.Uint64
}

// pushedSums are those of one kind's sessions.
type pushedSums struct {
	messages, bytes, acked atomic.Uint64
	latency                latency.Histogram
}

// fullWindows counts the sessions of one kind whose window is full, and how often that began.
type fullWindows struct {
	now   atomic.Int64
	times atomic.Uint64
}

// count notes that a session's window has become full, or is full no longer.
func (f *fullWindows) count(full bool) {
	if full {
		f.now.Add(1)
		f.times.Add(1)
	} else {
		f.now.Add(-1)
	}
}

// arrival is when messages came that are written together. To look at the clock for each is too
// much, so what comes after a first one, and before any is written, is taken to have come with it. Whoever
// has it guards it.
type arrival struct {
	at    time.Duration // see clock
	known bool
}

func (a *arrival) now() time.Duration {
	if !a.known {
		a.at, a.known = clock(), true
	}
	return a.at
}

// over says that some of them are written.
func (a *arrival) over() { a.known = false }

// written gathers what a session writes in one go, to be counted at once.
type written struct {
	messages, again int
	bytes           int
	latency         latency.Run
}

// write adds a message to those of a session that are about to be counted.
func (r *registry) write(c *consumerCounters, w *written, payload int, again bool, waited time.Duration) {
	w.messages++
	w.bytes += payload
	if again {
		w.again++
	}
	w.latency.Add(&r.sums.pushed[c.kind()].latency, waited)
}

// delivered counts what a session has written.
func (r *registry) delivered(c *consumerCounters, w *written) {
	if w.messages == 0 {
		return
	}
	n, bytes := uint64(w.messages), uint64(w.bytes)
	c.delivered.Add(n)
	c.ns.delivered.Add(n)
	c.ns.deliveredBytes.Add(bytes)
	of := &r.sums.pushed[c.kind()]
	of.messages.Add(n)
	of.bytes.Add(bytes)
	w.latency.End(&of.latency)
	if w.again > 0 {
		r.sums.redelivered.Add(uint64(w.again))
	}
}

func (c *consumerCounters) kind() int {
	if c.who.Reader {
		return ofReaders
	}
	return ofConsumers
}

func (r *registry) acked(c *consumerCounters) {
	r.sums.pushed[c.kind()].acked.Add(1)
	c.ns.acked.Add(1)
}

func (r *registry) published(c *producerCounters, bytes int64, took time.Duration) {
	c.published.Add(1)
	r.sums.published.Add(1)
	r.sums.publishedBytes.Add(uint64(bytes))
	r.sums.publishLatency.Observe(took, 1)
	bucket := 0
	for bucket < len(LatencyBounds) && took > LatencyBounds[bucket] {
		bucket++
	}
	c.ns.published.Add(1)
	c.ns.publishedBytes.Add(uint64(bytes))
	c.ns.latency[bucket].Add(1)
}

func (r *registry) publishFailed(c *producerCounters, code codec.Code) {
	if code < 0 || int(code) >= len(r.sums.failed) {
		code = codec.CodeUnknown
	}
	r.sums.failed[code].Add(1)
	c.ns.publishFailed.Add(1)
}

// Counters are the sums since start.
func (b *Bridge) Counters() Counters {
	r := &b.stats.sums
	c := Counters{
		Published: r.published.Load(), PublishedBytes: r.publishedBytes.Load(), PublishLatency: r.publishLatency.Snapshot(),
		Consumers: r.ofKind(ofConsumers), Readers: r.ofKind(ofReaders), Nacked: r.nacked.Load(), Redelivered: r.redelivered.Load(),
	}
	if up, ok := b.up.(Burier); ok {
		c.DeadLetters, c.DeadLettersFailed = up.DeadLetters()
	}
	for i := range r.failed {
		c.PublishFailed[i] = r.failed[i].Load()
	}
	return c
}

func (r *sums) ofKind(kind int) Pushed {
	of := &r.pushed[kind]
	return Pushed{
		Delivered: of.messages.Load(), DeliveredBytes: of.bytes.Load(), Acked: of.acked.Load(),
		Filled: r.full[kind].times.Load(), Latency: of.latency.Snapshot(),
	}
}
