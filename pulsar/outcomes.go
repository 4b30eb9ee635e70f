package pulsar

import (
	"sync/atomic"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// requestKind is what a broker is asked for, in one of few words.
type requestKind uint8

const (
	askOther requestKind = iota
	askAck
	askLookup // of a topic, or of its partitions
	askProducer
	askConsumer
	askSeek
	askPosition // the last message's
	askTopics   // of a namespace
	requestKinds
)

var requestWords = [requestKinds]string{"other", "acknowledge", "lookup", "producer", "consumer", "seek", "position", "topics"}

func requestKindOf(t wire.Type) requestKind {
	switch t {
	case wire.TypeAck:
		return askAck
	case wire.TypeLookup, wire.TypePartitionedMetadata:
		return askLookup
	case wire.TypeProducer, wire.TypeCloseProducer:
		return askProducer
	case wire.TypeSubscribe, wire.TypeUnsubscribe, wire.TypeCloseConsumer:
		return askConsumer
	case wire.TypeSeek:
		return askSeek
	case wire.TypeGetLastMessageID:
		return askPosition
	case wire.TypeGetTopics, wire.TypeWatchTopicList, wire.TypeWatchTopicListClose:
		return askTopics
	}
	return askOther
}

// outcome is what became of a request, in one of few words.
type outcome uint8

const (
	outcomeDone    outcome = iota
	outcomeRefused         // answered with an error
	outcomeTimeout         // not answered in time
	outcomeLost            // the connection broke first
	outcomeFull            // not asked, because as many as may be are unanswered
	outcomes
)

var outcomeWords = [outcomes]string{"done", "refused", "timeout", "lost", "full"}

// requestCounts are the requests of all connections. Any goroutine adds to them.
type requestCounts [requestKinds][outcomes]atomic.Uint64

// RequestCount is how many requests of a kind had the same outcome, since the client was made.
type RequestCount struct {
	Request string // acknowledge, lookup, producer, consumer, seek, position, topics or other
	Outcome string // done, refused, timeout, lost or full
	Count   uint64
}

// RequestCounts tells what became of the requests to brokers, of each kind and outcome. Publishes, flow permits and requests for redelivery
// are none: publishes have counters of their own, and the others no answer.
func (c *Client) RequestCounts() []RequestCount {
	list := make([]RequestCount, 0, len(c.requests)*int(outcomes))
	for kind := range c.requests {
		for of := range c.requests[kind] {
			list = append(list, RequestCount{requestWords[kind], outcomeWords[of], c.requests[kind][of].Load()})
		}
	}
	return list
}
