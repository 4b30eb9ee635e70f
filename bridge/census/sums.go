package census

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

// sums are what all sessions did, since start. How many messages there were the histograms know, and how many
// bytes were delivered the namespaces: each counter that all sessions share costs time with each message.
type sums struct {
	publishedBytes atomic.Uint64
	publishLatency latency.Histogram
	failed         [codec.CodeUnknown + 1]atomic.Uint64 // publishes by the code of their answer

	pushed              [2]pushedSums
	nacked, redelivered atomic.Uint64
}

// pushedSums are those of one kind's sessions.
type pushedSums struct {
	acked   atomic.Uint64
	latency latency.Histogram
}

// kind is the session's kind.
func (c *Consumer) kind() int {
	if c.reader {
		return ofReaders
	}
	return ofConsumers
}

// pushedBytes are the bytes that were delivered to sessions of both kinds.
func (c *counters) pushedBytes() uint64 {
	return c.deliveredBytes[ofConsumers].Load() + c.deliveredBytes[ofReaders].Load()
}

// Delivered counts messages that were written, their bytes of payload together, and how long each had waited.
func (c *Consumer) Delivered(messages, bytes int, waited time.Duration) {
	n, kind, ns := uint64(messages), c.kind(), c.on.ns
	c.delivered.Add(n)
	ns.delivered.Add(n)
	ns.deliveredBytes[kind].Add(uint64(bytes))
	ns.of.sums.pushed[kind].latency.Observe(waited, messages)
}

// Redelivered counts those of the messages that were written that had been delivered before.
func (c *Consumer) Redelivered(n int) { c.on.ns.of.sums.redelivered.Add(uint64(n)) }

// Acknowledged counts acknowledgements, or an answer to a reader's message.
func (c *Consumer) Acknowledged(n int) {
	c.on.ns.of.sums.pushed[c.kind()].acked.Add(uint64(n))
	c.on.ns.acked.Add(uint64(n))
}

// Refused counts a negative acknowledgement.
func (c *Consumer) Refused() { c.on.ns.of.sums.nacked.Add(1) }

// Published counts a message of so many bytes that was confirmed, and the time that took.
func (c *Producer) Published(bytes int64, took time.Duration) {
	c.published.Add(1)
	r := &c.on.ns.of.sums
	r.publishedBytes.Add(uint64(bytes))
	r.publishLatency.Observe(took, 1)
	bucket := 0
	for bucket < len(LatencyBounds) && took > LatencyBounds[bucket] {
		bucket++
	}
	c.on.ns.published.Add(1)
	c.on.ns.publishedBytes.Add(uint64(bytes))
	c.on.ns.latency[bucket].Add(1)
}

// Failed counts a publish that was answered with an error, by its code.
func (c *Producer) Failed(code codec.Code) {
	failed := &c.on.ns.of.sums.failed
	if code < 0 || int(code) >= len(failed) {
		code = codec.CodeUnknown
	}
	failed[code].Add(1)
	c.on.ns.publishFailed.Add(1)
}

// Messages is how many were published and confirmed.
func (c *Producer) Messages() uint64 { return c.published.Load() }

// Messages is how many were delivered.
func (c *Consumer) Messages() uint64 { return c.delivered.Load() }

// Counters are the sums since start; full windows and dead letters are what others know of.
func (r *Registry) Counters() Counters {
	s := &r.sums
	c := Counters{
		PublishedBytes: s.publishedBytes.Load(), PublishLatency: s.publishLatency.Snapshot(),
		Consumers: s.pushed[ofConsumers].values(), Readers: s.pushed[ofReaders].values(),
		Nacked: s.nacked.Load(), Redelivered: s.redelivered.Load(),
	}
	c.Published = c.PublishLatency.Count()
	r.mu.Lock()
	bytes := r.goneBytes
	for _, ns := range r.namespaces {
		for kind := range bytes {
			bytes[kind] += ns.deliveredBytes[kind].Load()
		}
	}
	r.mu.Unlock()
	c.Consumers.DeliveredBytes, c.Readers.DeliveredBytes = bytes[ofConsumers], bytes[ofReaders]
	for i := range s.failed {
		c.PublishFailed[i] = s.failed[i].Load()
	}
	return c
}

func (s *pushedSums) values() Pushed {
	p := Pushed{Acked: s.acked.Load(), Latency: s.latency.Snapshot()}
	p.Delivered = p.Latency.Count()
	return p
}
