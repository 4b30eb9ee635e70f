package bridge

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// Upstream is the Pulsar cluster, or what stands in for it.
//
// The three creating methods may block until ctx ends; the bridge calls them on
// goroutines of its own. They return an [*Error] where a [Kind] applies. All
// methods may be called from any goroutine.
type Upstream interface {
	// CreateProducer returns once the broker has confirmed the producer.
	CreateProducer(ctx context.Context, spec ProducerSpec) (Producer, error)

	// Subscribe returns once the broker has confirmed the subscription. No
	// message is delivered to r before the first [Consumer.Permit]. Many topics are
	// opened a few at a time, in turn with those of other calls.
	Subscribe(ctx context.Context, spec ConsumerSpec, r Receiver) (Consumer, error)

	// OpenReader returns once the reader's position is fixed: what is published
	// after it returns will be read. No message is delivered before the first
	// [Reader.Permit].
	OpenReader(ctx context.Context, spec ReaderSpec, r Receiver) (Reader, error)

	// Partitions tells on behalf of principal, see [ProducerSpec.Principal], how many
	// partitions a topic has, 0 if it is none that has partitions. It may block until ctx ends.
	Partitions(ctx context.Context, topic, principal string) (int, error)

	// Ready reports whether the upstream can serve now; the error says why not.
	Ready(ctx context.Context) error

	// Close ends all clients and waits for their goroutines. Publishes in flight
	// are answered, with an error if need be.
	Close()
}

// Producer publishes to one topic. It is a [Sender] itself, and has others for
// those who share it.
type Producer interface {
	Sender

	// NewSender returns one more sender. It needs no closing.
	NewSender() Sender

	// Check tells why a session that came now would not be served by this producer
	// as by one of its own, as far as the upstream has noticed: its topic was terminated or
	// deleted, it was fenced, it has no connection, the broker holds it for a
	// backlog quota. It asks nobody, and may block briefly, no longer than ctx.
	Check(ctx context.Context) error

	// Close flushes what is pending, bounded by the send timeout, answers every
	// Send and then returns.
	Close()
}

// Sender publishes through a producer that others may share. It stands for a
// producer of its own: a batch holds messages of one sender only, and the choice of a partition
// for messages without a key is the sender's. With [SinglePartition] that is
// made once, and stays when partitions are added.
type Sender interface {
	// Send hands m over and never blocks. It is not called by two goroutines at
	// once. done is called exactly once, on a goroutine of the upstream or before
	// Send returns. Calls to done come in the order in which the broker confirmed; what
	// it refuses has its turn among them, what does not reach it is answered at once.
	// The payload and maps of m belong to the upstream from the call on and are not
	// changed by anyone.
	// A full queue is reported through done as [ErrQueueFull].
	Send(m *Outgoing, done SendDone)
}

// SendDone receives the outcome of one [Sender.Send]. It must not block.
type SendDone interface {
	Sent(id codec.MessageID, err error)
}

// RunSendDone is a [SendDone] that an upstream which has several outcomes at hand may give all of them before the client is told of any.
type RunSendDone interface {
	SendDone
	// SentMore is Sent, but that Rest is to follow, of this or of one that the same [Sender] got later: behind the next outcomes, or at once.
	SentMore(id codec.MessageID, err error)
	// Rest says that there is nothing more for now.
	Rest()
}

// Outgoing is one message to publish: the request as decoded.
type Outgoing = codec.SendRequest

// Receiver takes what an upstream consumer or reader delivers. Its methods are
// called one at a time for one consumer, on a goroutine of the upstream, and must not
// block. They may call Permit, Ack and Redeliver of the consumer.
type Receiver interface {
	// Deliver hands over one message. m and all it points to belong to the
	// receiver and are never changed by the upstream. For each Permit(n) Deliver is called
	// at most n times.
	Deliver(m *codec.Message)

	// Lost says that the consumer or reader has ended for good (its topic was
	// deleted, its subscription removed, it was fenced): nothing will be delivered any more.
	// A broken connection is not that: the upstream reconnects by itself.
	Lost(err error)
}

// RunReceiver is a [Receiver] that an upstream which has several messages at hand may give all of them before it acts on any.
type RunReceiver interface {
	Receiver
	// DeliverMore is Deliver, but that Rest is to follow, behind the next messages or at once.
	DeliverMore(m *codec.Message)
	// Rest says that there is nothing more for now. It may be called beside other methods, for nothing, and
	// shortly after [Consumer.Close].
	Rest()
}

// Consumer is one upstream subscription member.
//
// None of Permit, Ack, Redeliver, Congested, Connected blocks. What a consumer queues is bounded by
// the messages that are delivered and not yet acknowledged, plus its permits, plus what Congested says.
type Consumer interface {
	// Permit allows n more calls of Deliver. Permits add up.
	Permit(n int)

	// Ack acknowledges messages, each for itself, by position. It also takes ids the consumer
	// never delivered (a client that reconnected acknowledges what it got
	// before). A batch's entry is acknowledged at the broker when all of its messages are. ids
	// are not kept.
	Ack(ids ...codec.MessageID)

	// Redeliver asks the broker to deliver these messages again, redelivery
	// count raised, within about [ConsumerSpec.RedeliveryTick]. Messages of the
	// same batch may come again with them.
	Redeliver(ids []codec.MessageID)

	// Congested reports that very many acknowledgements and requests for redelivery
	// wait for the broker, which may be gone: whoever acknowledges what is not
	// delivered to it should stop. If it reports true, relieved is called once when that
	// is over, on any goroutine; of several calls the last one counts. It may be called
	// once too often. Congested takes no lock.
	Congested(relieved func()) bool

	// Connected reports whether the consumer has its connections, as far as the
	// upstream has noticed. Without one it waits for a broker: who subscribed now might
	// be refused.
	Connected() bool

	// Unsubscribe deletes the subscription. It may block until ctx ends.
	Unsubscribe(ctx context.Context) error

	// EndOfTopic reports whether the topic is terminated and all of it is acknowledged
	// on this subscription. The answer may come to be true a little later than that. It may block
	// until ctx ends. However often it is called, and by how many, a broker is asked little.
	EndOfTopic(ctx context.Context) (bool, error)

	// Close leaves the subscription: what is not acknowledged goes back to the
	// broker at once, what was acknowledged is flushed first. After it returns
	// the Receiver is not called any more. It may block briefly; it must not be called from a
	// Receiver method.
	Close()
}

// Reader is one upstream reader. Permit does not block.
type Reader interface {
	// Permit allows n more calls of Deliver. Permits add up.
	Permit(n int)

	// LastPosition tells the last message of the topic, one id for each partition
	// (Partition -1 if it has none); EntryID -1 stands for an empty one. A message
	// whose publish was confirmed before the call is never after it. It may block until ctx ends.
	LastPosition(ctx context.Context) ([]codec.MessageID, error)

	// Passed reports that a place in the topic is behind the reader, which has no partitions: all up to there was delivered, or will never be, since it
	// is deleted, or nothing that readers get. It may take a little to become true. It may block until ctx ends.
	Passed(ctx context.Context, at codec.Position) (bool, error)

	// EndOfTopic is as [Consumer.EndOfTopic], of what was delivered to the reader, or
	// comes before its start.
	EndOfTopic(ctx context.Context) (bool, error)

	// Close is as [Consumer.Close].
	Close()
}

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

// Burier is an [Upstream] that counts the dead letters it has moved, and tries that failed, since start.
type Burier interface {
	DeadLetters() (moved, failed uint64)
}
