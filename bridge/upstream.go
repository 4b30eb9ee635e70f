package bridge

import (
	"context"

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

// Burier is an [Upstream] that counts the dead letters it has moved, and tries that failed, since start.
type Burier interface {
	DeadLetters() (moved, failed uint64)
}
