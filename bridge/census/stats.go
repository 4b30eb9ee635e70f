package census

import (
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
)

// TopicStats are the sessions on one topic.
type TopicStats struct {
	Producers []ProducerStats
	Consumers []ConsumerStats
}

// ProducerStats is one producer session.
type ProducerStats struct {
	RemoteAddr string
	Published  uint64 // messages confirmed
}

// ConsumerStats is one consumer or reader session.
type ConsumerStats struct {
	RemoteAddr   string
	Subscription string // "" for a reader
	Type         bridge.SubscriptionType
	NonDurable   bool
	Reader       bool
	Delivered    uint64
}

// LatencyBounds are the upper bounds of the publish latency buckets of [NamespaceRates]; the
// last bucket, one more than there are bounds, has none.
var LatencyBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, time.Second,
}

// Counters count what sessions did, since start.
type Counters struct {
	Published, PublishedBytes uint64
	PublishLatency            *latency.Snapshot             // from a publish to its confirmation
	PublishFailed             [codec.CodeUnknown + 1]uint64 // by the code that it was answered with
	Consumers, Readers        Pushed
	Nacked                    uint64 // negatively acknowledged
	Redelivered               uint64 // delivered although they had been before, as their redelivery count says
	DeadLetters               uint64 // messages moved to dead letter topics
	DeadLettersFailed         uint64 // tries to do so that failed
}

// Pushed is what was sent to the sessions of one kind.
type Pushed struct {
	Delivered, DeliveredBytes uint64
	Acked                     uint64
	Filled                    uint64 // how often a session's window became full
	// Latency is from the arrival of a message from the upstream to the moment at which
	// it is written to the client's socket. Those that come while others of the subscription or the topic wait are
	// counted as if they had come with the first of them.
	Latency *latency.Snapshot
}

// Failed is how many publishes were answered with an error.
func (c *Counters) Failed() (n uint64) {
	for _, of := range c.PublishFailed {
		n += of
	}
	return n
}

// NamespaceCounters count what the sessions of one namespace did, since start.
type NamespaceCounters struct {
	Namespace                 string // as in [NamespaceRates]; "": all others
	Sessions                  int    // open now
	Published, PublishedBytes uint64
	PublishFailed             uint64
	Delivered, DeliveredBytes uint64
	Acked                     uint64
}

// NamespaceRates is what the sessions of one namespace did over the last
// complete minute, per second; Latency counts publishes in the minute.
type NamespaceRates struct {
	Namespace                 string // tenant/namespace, or property/cluster/namespace
	PublishRate, PublishBytes float64
	FailureRate               float64
	DeliverRate, DeliverBytes float64
	AckRate                   float64
	Latency                   [len(LatencyBounds) + 1]uint64
}

// Gauges are what the bridge holds now.
type Gauges struct {
	ProducerSessions, ConsumerSessions, ReaderSessions int
	UpstreamProducers, UpstreamConsumers               int
	UpstreamReaders, Tails                             int
	TailBytes                                          int64
	Unacked                                            int64 // messages delivered and not acknowledged
	FullConsumers, FullReaders                         int64 // sessions that get nothing before they acknowledge something
}
