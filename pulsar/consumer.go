package pulsar

import (
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	names "github.com/pulsegate/pulsegate/topic"
)

// ConsumerOptions says what consumers are like. Many may share one: it must not change once it is given to the first.
type ConsumerOptions struct {
	Type wire.SubType
	// Principal is as [ProducerOptions.Principal].
	Principal string
	// Name; "": the broker chooses one.
	Name          string
	PriorityLevel int32 // 0 is served first
	Properties    []KeyValue
	// SubscriptionProperties are those of a subscription that is new.
	SubscriptionProperties []KeyValue
	// InitialPosition is where a new subscription begins.
	InitialPosition wire.InitialPosition
	// KeyShared is told to the broker with wire.KeyShared; nil: ranges are split as consumers come and go.
	KeyShared       *wire.KeySharedMeta
	ReadCompacted   bool
	NoTopicCreation bool
	// ReplicateState keeps the subscription the same in all clusters.
	ReplicateState bool
	// Schema is what the consumer expects; nil: bytes.
	Schema *wire.Schema

	// NonDurable makes a subscription that is gone with its last consumer. An Exclusive or Failover one on a topic that keeps its messages
	// has each message once, in order and without a gap, whatever happens to connections: it
	// begins again after the last message that was delivered.
	NonDurable bool
	// Start is where a subscription that is not durable begins: behind that message, or with StartInclusive at it; nil: as
	// InitialPosition says.
	Start          *MessageID
	StartInclusive bool
	// StartTime, without a Start, is where it begins instead: at or before the first message that was published then or later. What was
	// published before may come first. The broker counts back from its own clock, which may be off from ours by clockSlack.
	// The zero time: as InitialPosition says.
	StartTime time.Time
	// AckDelivered acknowledges what was delivered, of an Exclusive or Failover subscription.
	AckDelivered bool

	// Window is how many messages may be on their way or held here because [Permits] are used up; 0: 1000.
	Window int
	// WindowBytes bounds the same in bytes, but for what the broker sends before sizes are known, which is firstWindow entries, and for one
	// entry; 0: 16 MiB. [Options.Windows] may allow less.
	WindowBytes int
	// MaxMessageSize bounds a message, or a batch, once it is decompressed or its chunks are put together; 0: 64 MiB.
	MaxMessageSize int
	// MaxChunked is of how many messages chunks are collected at the same time, the oldest being dropped; 0: 10. They are fewer where
	// [Options.Windows] allows less.
	MaxChunked int
	// ChunkTimeout is how long chunks of a message are collected; 0: a minute.
	ChunkTimeout time.Duration
	// SingleChunks delivers each chunk as a message, of which only the metadata says something.
	SingleChunks bool

	// AckBatchIndexes tells the broker of each message of a batch that is acknowledged. Where it has
	// that switched off, and without this option, a batch is acknowledged with its last message.
	AckBatchIndexes bool

	// Decrypt decrypts the payload of an entry. It is called on the goroutine of a connection and must not keep or change
	// what it is given. nil: there is no key.
	Decrypt func(m *wire.Metadata, payload []byte) ([]byte, error)
	// Sealed is what is done with an entry that cannot be decrypted.
	Sealed SealedAction
}

// SealedAction is what is done with an entry that cannot be decrypted.
type SealedAction uint8

const (
	// SealedLeave neither delivers nor acknowledges it: it stays for a consumer that has the key.
	SealedLeave SealedAction = iota
	// SealedDiscard acknowledges it.
	SealedDiscard
	// SealedDeliver delivers it as it is, a batch as one message.
	SealedDeliver
)

func (o *ConsumerOptions) window() int { return orDefault(o.Window, 1000) }

func (o *ConsumerOptions) windowBytes() int { return orDefault(o.WindowBytes, 16<<20) }

func (o *ConsumerOptions) maxMessageSize() int { return orDefault(o.MaxMessageSize, 64<<20) }

func (o *ConsumerOptions) maxChunked() int { return orDefault(o.MaxChunked, 10) }

func (o *ConsumerOptions) chunkTimeout() time.Duration { return orDefault(o.ChunkTimeout, time.Minute) }

func orDefault[T int | time.Duration](x, def T) T {
	if x <= 0 {
		return def
	}
	return x
}

// ordered reports that the broker gives all messages to one consumer, in order.
func (o *ConsumerOptions) ordered() bool { return o.Type == wire.Exclusive || o.Type == wire.Failover }

// Event is something that a consumer's owner may like to know.
type Event uint8

// The events.
const (
	// Connected: the broker has the consumer again.
	Connected Event = iota
	// Disconnected: it has not, until Connected. What was delivered and not acknowledged will be delivered again.
	Disconnected
	// EndOfTopic: the topic is terminated and all of it was acknowledged.
	EndOfTopic
	// Active and Inactive: a consumer of a Failover subscription is the one that is served, or not.
	Active
	Inactive
	// Relieved: few acknowledgements wait for the broker, after there had been very many. See [Permits.Congested].
	Relieved
)

// Handler is the owner of a consumer. Its methods are called one at a time for one
// consumer and must not block. They may call any method of any consumer.
type Handler interface {
	// Opened is called once: when the broker has the consumer, or with the reason why it has not.
	Opened(x *Consumer, err error)
	// Deliver hands over one message, on the goroutine that reads from the connection. m is valid until Deliver
	// returns, and so are the byte slices in it; strings may be kept. See [Received.Own].
	Deliver(x *Consumer, m *Received)
	// Tell tells of an event after Opened without an error. Relieved is told also of a consumer that is ending.
	Tell(x *Consumer, e Event)
	// Ended is called at most once, after Opened without an error: nothing will be delivered
	// any more, although nobody called Close. Lost connections are not that.
	Ended(x *Consumer, err error)
}

// Rester is a [Handler], or a [GroupHandler], that is told when a connection's reader has delivered what it had read: what follows from
// several messages can be put off until then.
type Rester interface {
	// Rest is called after one or more calls of Deliver for x, on the same goroutine or another, perhaps beside other methods, and whatever has become of x
	// meanwhile. It must not block.
	Rest(x *Consumer)
}

// The states of a consumer, in their order.
type consumerState uint8

const (
	consumerOpening consumerState = iota // Handler.Opened is to come
	consumerOpen                         // with a connection or without
	consumerClosing                      // what is acknowledged is still sent
	consumerDead
)

// Consumer is a member of a subscription on one topic that has no partitions. Its methods may be called from any
// goroutine and do not block. One that has nothing to do is this struct and a place in its connection's table.
//
// It goes through attempts as a [Producer] does. What it holds of an earlier attempt is
// dropped: the broker sends it again.
type Consumer struct {
	client       *Client
	o            *ConsumerOptions
	handler      Handler
	permits      *Permits
	topic        string
	subscription string
	next         *Consumer // in the list of permits; guarded by Permits.mu, as is waits
	partition    int32     // for ids, -1: none

	mu         sync.Mutex // guards what follows, but for waits
	gen        int32      // of what is held: it counts up when that becomes void
	counted    int32      // what waits for the broker, as permits know
	waits      bool       // x is in that list
	state      consumerState
	connected  bool  // the broker has the consumer on on
	busy       bool  // a method of handler is being called, or what is held being handed out
	missed     bool  // there was something to hand out meanwhile
	listed     bool  // the connection will call speak
	seeking    bool  // what comes is from before
	terminated bool  // the broker has told the end of the topic
	unsure     bool  // the broker was asked to delete the subscription and has not refused, see probedLocked
	doubted    uint8 // times that it came back for nothing else and got nothing since, see doubts
	attempt    uint32
	resting    uint32 // serial of the connection that will call rest, which may be an earlier one; 0: none
	on         *conn  // that this attempt uses
	id         uint64 // on that
	epoch      uint64 // of an ordered subscription, counts up when all is to be sent again
	wait       backoff
	trying     *trying
	elsewhere  *service // where the topic has moved; nil: the client's service

	place *placing // of a subscription that resumes by itself; nil: it does not
	flows flows
	held  *holding // what permits are missing for; nil: nothing
	tells []func() // calls of handler that wait for the one under way
	acks  *acks    // nil: nothing was ever acknowledged
	parts *chunks  // nil: no message in chunks has come
	close *ending  // nil: it has not ended, and nobody has called Close
}

// ending is what a consumer has that ends.
type ending struct {
	err     error    // why it is dead
	closers []func() // to be called when it has ended
}

func (x *Consumer) endingLocked() *ending {
	if x.close == nil {
		x.close = &ending{}
	}
	return x.close
}

// trying is what a consumer has while it is not connected.
type trying struct {
	again    alarm // the next attempt
	until    time.Time
	assigned string // the broker to try next without asking
}

// NewConsumer makes a consumer on topic, the full name, of one partition if the topic has several. handler is told when it can be used, or
// that it cannot. Nothing is delivered before permits, which several consumers may share, has some.
func (c *Client) NewConsumer(topic, subscription string, o *ConsumerOptions, permits *Permits, handler Handler) *Consumer {
	_, partition := names.SplitPartition(topic)
	x := &Consumer{client: c, o: o, handler: handler, permits: permits, topic: topic, subscription: subscription, partition: partition}
	if o.NonDurable && x.keeps() && o.ordered() {
		x.place = newPlacing(o)
	}
	x.trying = &trying{until: time.Now().Add(c.o.OperationTimeout)}
	x.trying.again.ring = x.connect
	if err := enter(c, c.consumers, x, o.Principal); err != nil {
		x.end(err)
	} else {
		x.connect()
	}
	return x
}

// Topic is the topic, or the partition, that the consumer is on.
func (x *Consumer) Topic() string { return x.topic }

// Subscription is the name of the subscription.
func (x *Consumer) Subscription() string { return x.subscription }

// Partition is the number of that partition; -1: it is none.
func (x *Consumer) Partition() int32 { return x.partition }

// keeps reports that the topic keeps what is published, so that ids are places and there is something to acknowledge.
func (x *Consumer) keeps() bool { return names.Persistent(x.topic) }

// Connected reports whether the broker has the consumer, as far as is known.
func (x *Consumer) Connected() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.connected
}

// AtEnd reports whether the broker has said that the topic is terminated and all of it acknowledged.
func (x *Consumer) AtEnd() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.terminated
}

// event takes what a broker says about a consumer.
func (x *Consumer) event(c *conn, id uint64, e Event) {
	x.mu.Lock()
	if x.on != c || x.id != id || x.state == consumerDead {
		x.mu.Unlock()
		return
	}
	if e == EndOfTopic {
		x.terminated, x.doubted = true, 0
	}
	x.tellLocked(e)
	x.mu.Unlock()
	x.call()
}

// tellLocked has handler told of an event by the next call.
func (x *Consumer) tellLocked(e Event) {
	if x.state == consumerOpen {
		x.tells = append(x.tells, func() { x.handler.Tell(x, e) })
	}
}

// call calls what waits to be told, unless that is being done by another goroutine, or by a caller of ours: those do it
// when they are done.
func (x *Consumer) call() {
	x.mu.Lock()
	if x.busy {
		x.mu.Unlock()
		return
	}
	x.busy = true
	x.restLocked()
}

// restLocked ends a call of handler: what waits follows. mu is released.
func (x *Consumer) restLocked() {
	for len(x.tells) > 0 {
		list := x.tells
		x.tells = nil
		x.mu.Unlock()
		for _, tell := range list {
			tell()
		}
		x.mu.Lock()
	}
	x.busy = false
	var post *conn
	if x.missed && x.connected {
		post = x.on
	}
	x.missed = false
	x.mu.Unlock()
	if post != nil {
		post.post(x)
	}
}
