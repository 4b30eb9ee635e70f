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

// sums are what all sessions did, since start. How many messages there were, the histograms know.
type sums struct {
	publishedBytes atomic.Uint64
	publishLatency latency.Histogram
	failed         [codec.CodeUnknown + 1]atomic.Uint64 // publishes by the code of their answer

	pushed              [2]pushedSums
	nacked, redelivered atomic.Uint64
}

// pushedSums are those of one kind's sessions.
type pushedSums struct {
	bytes, acked atomic.Uint64
	latency      latency.Histogram
}

// pushed are the sums of the session's kind.
func (c *Consumer) pushed() *pushedSums {
	kind := ofConsumers
	if c.who.Reader {
		kind = ofReaders
	}
	return &c.ns.of.sums.pushed[kind]
}

// Delivered counts messages that were written, their bytes of payload together, and how long each had waited.
func (c *Consumer) Delivered(messages, bytes int, waited time.Duration) {
	n, size := uint64(messages), uint64(bytes)
	c.delivered.Add(n)
	c.ns.delivered.Add(n)
	c.ns.deliveredBytes.Add(size)
	of := c.pushed()
	of.bytes.Add(size)
	of.latency.Observe(waited, messages)
}

// Redelivered counts those of the messages that were written that had been delivered before.
func (c *Consumer) Redelivered(n int) { c.ns.of.sums.redelivered.Add(uint64(n)) }

// Acknowledged counts acknowledgements, or an answer to a reader's message.
func (c *Consumer) Acknowledged(n int) {
	c.pushed().acked.Add(uint64(n))
	c.ns.acked.Add(uint64(n))
}

// Refused counts a negative acknowledgement.
func (c *Consumer) Refused() { c.ns.of.sums.nacked.Add(1) }

// Published counts a message of so many bytes that was confirmed, and the time that took.
func (c *Producer) Published(bytes int64, took time.Duration) {
	c.published.Add(1)
	r := &c.ns.of.sums
	r.publishedBytes.Add(uint64(bytes))
	r.publishLatency.Observe(took, 1)
	bucket := 0
	for bucket < len(LatencyBounds) && took > LatencyBounds[bucket] {
		bucket++
	}
	c.ns.published.Add(1)
	c.ns.publishedBytes.Add(uint64(bytes))
	c.ns.latency[bucket].Add(1)
}

// Failed counts a publish that was answered with an error, by its code.
func (c *Producer) Failed(code codec.Code) {
	failed := &c.ns.of.sums.failed
	if code < 0 || int(code) >= len(failed) {
		code = codec.CodeUnknown
	}
	failed[code].Add(1)
	c.ns.publishFailed.Add(1)
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
	for i := range s.failed {
		c.PublishFailed[i] = s.failed[i].Load()
	}
	return c
}

func (s *pushedSums) values() Pushed {
	p := Pushed{DeliveredBytes: s.bytes.Load(), Acked: s.acked.Load(), Latency: s.latency.Snapshot()}
	p.Delivered = p.Latency.Count()
	return p
}
