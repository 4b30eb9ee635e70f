package bridge

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// SubscriptionType is one of Pulsar's four subscription types.
type SubscriptionType uint8

// The subscription types, in the order of Pulsar's protocol.
const (
	Exclusive SubscriptionType = iota
	Shared
	Failover
	KeyShared
)

// String returns the name that the subscriptionType parameter uses.
func (t SubscriptionType) String() string {
	return [...]string{"Exclusive", "Shared", "Failover", "Key_Shared"}[t]
}

// HashingScheme picks the partition of a message with a key.
type HashingScheme uint8

// The hashing schemes of the hashingScheme parameter.
const (
	JavaStringHash HashingScheme = iota
	Murmur3
)

// RoutingMode picks the partition of a message without a key.
type RoutingMode uint8

// The routing modes of the messageRoutingMode parameter.
const (
	SinglePartition RoutingMode = iota
	RoundRobinPartition
)

// Compression is how the producer compresses payloads.
type Compression uint8

// The compressions of the compressionType parameter.
const (
	NoCompression Compression = iota
	LZ4
	ZLib
	ZSTD
	Snappy
)

// CryptoFailureAction says what a consumer does with a message it cannot
// decrypt.
type CryptoFailureAction uint8

// The actions of the cryptoFailureAction parameter.
const (
	CryptoFail CryptoFailureAction = iota
	CryptoDiscard
	CryptoConsume
)

// ProducerSpec is everything that makes a producer. It is comparable: equal
// specs can share an upstream producer unless [ProducerSpec.Own] says no.
type ProducerSpec struct {
	// Topic is the full name: persistent://tenant/namespace/topic, or with
	// property/cluster/namespace/topic for v1.
	Topic string
	// Principal is the role on whose behalf the producer is there, for brokers to decide
	// what it may do; "": they are not told. Different ones share nothing.
	Principal string
	// Name is the producer's name, "" to let the broker choose.
	Name string
	// InitialSequenceID counts only if HasInitialSequenceID: the first message
	// gets the id after it.
	InitialSequenceID    int64
	HasInitialSequenceID bool
	HashingScheme        HashingScheme
	// SendTimeout bounds how long a publish waits for its confirmation; 0: for ever.
	SendTimeout        time.Duration
	Batching           bool
	BatchingMaxDelay   time.Duration
	BatchingMaxPending int // messages in one batch
	// MaxPending is the producer's own queue, in messages; 0: the upstream's default.
	MaxPending  int
	Routing     RoutingMode
	Compression Compression
	// EncryptionKeys are the names of the keys to encrypt with, sorted and joined
	// by commas; "": messages are not encrypted here.
	EncryptionKeys string
	// ClientEncryption is the encryptionKeys parameter of a client that encrypts by
	// itself, see [codec.ParseEncryptionKeys]: messages leave as they came.
	ClientEncryption string
}

// EncryptionKeyNames are the names in EncryptionKeys.
func (s *ProducerSpec) EncryptionKeyNames() []string {
	if s.EncryptionKeys == "" {
		return nil
	}
	return strings.Split(s.EncryptionKeys, ",")
}

// Own reports that a producer with this spec must not be shared: its name or
// its sequence is its identity.
func (s *ProducerSpec) Own() bool { return s.Name != "" || s.HasInitialSequenceID }

// ConsumerSpec is everything that makes a subscription member. It is
// comparable: equal specs of a shareable type can share an upstream consumer.
type ConsumerSpec struct {
	// Topic is the full topic name; or, for a session over many topics, exactly one of
	// Topics (full names joined by commas) and TopicsPattern is set.
	Topic         string
	Topics        string
	TopicsPattern string
	// MaxTopics bounds the topics, partitions counted, of a session over many; 0: no bound.
	MaxTopics int
	// Principal is as [ProducerSpec.Principal].
	Principal string

	Subscription string
	Type         SubscriptionType
	NonDurable   bool
	// Earliest makes a new subscription start at the first message, not after the last.
	Earliest bool
	// Queue is how many messages the upstream may prefetch beyond its permits, at
	// least 1; of large messages it prefetches fewer, so that they take a few MiB.
	Queue int
	// Name is the consumer's name, "" for none.
	Name string
	// PriorityLevel is Pulsar's: 0 is served first.
	PriorityLevel int
	// MaxRedeliver > 0: a message that was redelivered that many times goes to the dead letter topic.
	MaxRedeliver    int
	DeadLetterTopic string // "": {topic}-{subscription}-DLQ
	CryptoFailure   CryptoFailureAction
	// RedeliveryTick is how long Redeliver may take to reach the broker, at least 1 ms.
	RedeliveryTick time.Duration
}

// TopicNames lists the full names of the topics; none for a pattern.
func (s *ConsumerSpec) TopicNames() []string {
	switch {
	case s.Topic != "":
		return []string{s.Topic}
	case s.Topics != "":
		return strings.Split(s.Topics, ",")
	}
	return nil
}

// CheckTopics tells why a session may not have n topics, partitions counted.
func (s *ConsumerSpec) CheckTopics(n int) error {
	if n > s.TopicsLeft(0) {
		return &Error{Kind: ErrInvalid, Detail: fmt.Sprintf("the session covers more topics and partitions than the %d that maxTopicsPerSession allows", s.MaxTopics)}
	}
	return nil
}

// TopicsLeft is how many more topics a session that has n may have.
func (s *ConsumerSpec) TopicsLeft(n int) int {
	if s.Topic != "" || s.MaxTopics <= 0 {
		return math.MaxInt
	}
	return max(0, s.MaxTopics-n)
}

// DeadLetterTopics lists the full names of the topics that the messages of this
// member may be moved to, one for each of its topics unless it is named; with a
// pattern each stands for as many. None when nothing is moved.
func (s *ConsumerSpec) DeadLetterTopics() []string {
	switch {
	case s.MaxRedeliver <= 0:
		return nil
	case s.DeadLetterTopic != "":
		return []string{s.DeadLetterTopic}
	}
	topics := s.TopicNames()
	if s.TopicsPattern != "" {
		topics = []string{s.TopicsPattern}
	}
	for i, topic := range topics {
		topics[i] = topic + "-" + s.Subscription + "-DLQ"
	}
	return topics
}

// ReaderSpec is everything that makes an upstream reader.
type ReaderSpec struct {
	Topic string
	// Principal is as [ProducerSpec.Principal].
	Principal string
	Name      string
	// Start is where to begin: the first message after Position, or with Inclusive at it; or the first that was published at
	// Since or later. Only a topic without partitions, or one partition, has these.
	Start     StartKind
	Position  codec.MessageID // for StartAtPosition
	Inclusive bool
	Since     int64 // for StartAtTime, ms since 1970
	// Queue is how many messages the upstream may prefetch, at least 1; of large ones it is fewer.
	Queue         int
	CryptoFailure CryptoFailureAction
	// Chunks delivers each chunk of a message by itself, without meaningful content. It is for who wants to know when something was published:
	// an id names the last chunk, and what begins there would not have the others.
	Chunks bool
}

// StartKind says where a reader begins.
type StartKind uint8

// The starting points of a reader.
const (
	StartLatest StartKind = iota
	StartEarliest
	StartAtPosition
	StartAtTime
)
