package census

import (
	"time"

	"github.com/pulsegate/pulsegate/bridge"
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

// LatencyBounds are the upper bounds of the publish latency buckets; the last
// bucket, one more than there are bounds, has none.
var LatencyBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, time.Second,
}

// Counters count what sessions did, since start.
type Counters struct {
	Published, PublishedBytes uint64
	PublishFailed             uint64
	Delivered, DeliveredBytes uint64
	Acked, Nacked             uint64
	Latency                   [len(LatencyBounds) + 1]uint64 // confirmed publishes by the time it took
	LatencySum                time.Duration
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
}
