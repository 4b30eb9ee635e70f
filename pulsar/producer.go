package pulsar

import (
	"fmt"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// ProducerOptions says what a producer is like.
type ProducerOptions struct {
	// Topic is the full name, of one partition if the topic has several.
	Topic string
	// Principal is the role on whose behalf the producer is, by a login whose role is one of the brokers' proxyRoles; "": on the login's own.
	Principal string
	// Name; "": the broker chooses one.
	Name string
	// InitialSequenceID is that of the message before the first one, if
	// HasInitialSequenceID; else the broker's newest of the same name, or -1.
	InitialSequenceID    int64
	HasInitialSequenceID bool
	// AccessMode may not be AccessWaitForExclusive.
	AccessMode wire.ProducerAccessMode
	// Encrypter encrypts all that is sent; nil: nothing does here.
	Encrypter Encrypter
	// Encrypted tells the broker that what is sent is encrypted, which is so with an
	// Encrypter anyway.
	Encrypted  bool
	Properties []KeyValue
	// Schema of what is sent; nil: bytes. The messages then carry its version.
	Schema *wire.Schema
	// SendTimeout bounds how long a message waits for its answer; 0: for ever.
	SendTimeout time.Duration
	// MaxPending bounds the unanswered messages; 0: 1000.
	MaxPending int
	// Batching makes batches: of BatchMessages (0: 1000) messages or 128 KiB, and never waiting
	// longer than BatchDelay (0: 1 ms).
	Batching      bool
	BatchMessages int
	BatchDelay    time.Duration
	Compression   wire.CompressionType
}

const (
	// batchBytes bounds a batch before it is compressed.
	batchBytes = 128 << 10
	// sealBytes is by how much encryption may make a payload longer.
	sealBytes = 64
)

// closeTimeout bounds how long a producer without a send timeout is closing.
const closeTimeout = 30 * time.Second

// Owner is told what becomes of a producer.
type Owner interface {
	// Opened is called once: when the broker has the producer, or with the reason why it has not.
	Opened(p *Producer, err error)
	// Ended is called at most once, after Opened without an error: nothing can be
	// published any more, although nobody called Close. Lost connections are not that.
	Ended(p *Producer, err error)
}

// The states of a producer, in their order.
type producerState uint8

const (
	producerOpening producerState = iota // Owner.Opened is to come
	producerOpen                         // with a connection or without
	producerClosing                      // open, but nothing new is taken
	producerDead
)

// Producer publishes to one topic that has no partitions. Its methods may be called from any
// goroutine and do not block.
//
// It goes through attempts: look the topic up, have a connection, have the broker create it; then it is
// connected until that breaks, and the next attempt begins. What an earlier attempt still
// brings is ignored.
type Producer struct {
	client    *Client
	o         ProducerOptions
	owner     Owner
	partition int32 // for ids, -1: none

	again alarm // the next attempt
	flush alarm // the batch waits no longer
	late  alarm // looks for messages whose time is over
	limit alarm // of closing

	mu        sync.Mutex // guards what follows
	state     producerState
	err       error // why it is dead
	why       error // what the last attempt failed with
	over      error // the topic takes nothing more, and the producer is dead once what it sent is answered
	attempt   uint64
	on        *conn  // that this attempt uses
	id        uint64 // on that
	connected bool   // the broker has created it there
	dry       bool   // the connection will call room
	leaving   bool   // the broker is to forget it, see restart
	opening   time.Time
	wait      backoff
	elsewhere *service // where the topic has moved; nil: the client's service
	assigned  string   // the broker to try next without asking

	name          string
	topicEpoch    uint64
	hasTopicEpoch bool
	schemaVersion []byte
	maxMessage    int
	sequence      uint64 // the next id
	hasSequence   bool

	queue   pending
	batch   batch
	lateSet bool
	closers []func()
	ending  bool // dead, and what was unanswered is being answered
}

// NewProducer makes a producer. owner is told when it can be used, or that it cannot;
// before that nothing may be sent.
func (c *Client) NewProducer(o ProducerOptions, owner Owner) *Producer {
	return c.newProducer(o, -1, owner)
}

func (c *Client) newProducer(o ProducerOptions, partition int32, owner Owner) *Producer {
	if o.MaxPending <= 0 {
		o.MaxPending = 1000
	}
	if o.BatchMessages <= 0 {
		o.BatchMessages = 1000
	}
	if o.BatchDelay <= 0 {
		o.BatchDelay = time.Millisecond
	}
	p := &Producer{client: c, o: o, owner: owner, partition: partition, name: o.Name, opening: time.Now().Add(c.o.OperationTimeout)}
	p.again.ring, p.flush.ring, p.late.ring, p.limit.ring = p.connect, p.flushBatch, p.expire, p.giveUp
	if o.HasInitialSequenceID {
		p.sequence, p.hasSequence = uint64(o.InitialSequenceID+1), true
	}
	switch {
	case o.AccessMode == wire.AccessWaitForExclusive:
		p.end(fmt.Errorf("producer on %s: access mode WaitForExclusive is not supported", o.Topic))
	default:
		if err := enter(c, c.producers, p, o.Principal); err != nil {
			p.end(err)
		} else {
			p.connect()
		}
	}
	return p
}

// Name is the producer's name, "" until the broker has chosen it.
func (p *Producer) Name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.name
}

// Ready tells why a message that is sent now would not go to the broker at once: the
// producer has ended, or has no place at a broker at the moment, as far as that was noticed.
func (p *Producer) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state == producerDead:
		return p.err
	case p.over != nil:
		return p.over
	case p.state == producerClosing:
		return ErrClosed
	case p.connected && !p.leaving:
		return nil
	case p.why != nil:
		return p.why
	}
	return ErrConnection
}

// NewSender implements [Publisher].
func (p *Producer) NewSender() *Sender { return &Sender{to: p} }

// Send implements [Publisher].
func (p *Producer) Send(m *Message, done Done) { p.send(nil, m, done) }

func (p *Producer) send(from *Sender, m *Message, done Done) {
	m.read()
	size := len(m.payload())
	var e entry // of a message that is in no batch
	alone := !p.o.Batching || m.alone()
	if alone {
		e = entry{payload: m.payload(), reserved: size, msg: m, done: done}
		p.seal(&e, m.Sealed) // not with the lock held, as it may take its time
	}
	p.mu.Lock()
	err := p.admitLocked(size)
	var dropped []entry
	switch {
	case err != nil:
	case alone:
		p.flushLocked() // what is in the batch is older
		e.first, e.last = p.sequence, p.sequence
		p.sequence++
		p.pushLocked(e)
		dropped = p.pumpLocked()
	default:
		p.batchLocked(from, m, size, done)
		dropped = p.pumpLocked()
	}
	p.mu.Unlock()
	if err != nil {
		done.Sent(MessageID{}, err)
		m.unread()
	}
	p.answer(dropped, ErrTooBig)
}

// admitLocked reports why nothing can be sent now.
func (p *Producer) admitLocked(size int) error {
	switch {
	case p.state == producerDead:
		return p.err
	case p.over != nil:
		return p.over
	case p.state != producerOpen:
		return ErrClosed
	case p.queue.messages+len(p.batch.done) >= p.o.MaxPending:
		return ErrQueueFull
	case !p.client.reserve(size):
		return ErrMemoryFull
	}
	return nil
}

// batchLocked makes the message part of the batch.
func (p *Producer) batchLocked(from *Sender, m *Message, size int, done Done) {
	limit := batchBytes
	if p.maxMessage > 0 {
		limit = min(limit, p.maxMessage-sealBytes)
	}
	if !p.batch.fits(from, m, limit) {
		p.flushLocked()
	}
	if len(p.batch.done) == 0 {
		p.batch.first = p.sequence
		p.client.alarms.set(&p.flush, p.o.BatchDelay)
	}
	p.batch.add(from, m, p.sequence, size, done)
	p.sequence++
	if len(p.batch.done) >= p.o.BatchMessages || p.batch.size >= limit {
		p.flushLocked()
	}
}

// flushLocked makes the batch an entry.
func (p *Producer) flushLocked() {
	if len(p.batch.done) == 0 {
		return
	}
	e := p.batch.take()
	p.seal(&e, nil)
	p.pushLocked(e)
}

func (p *Producer) pushLocked(e entry) {
	now := time.Now()
	e.published = now.UnixMilli()
	if t := p.o.SendTimeout; t > 0 {
		e.due = now.Add(t).UnixNano()
		if !p.lateSet {
			p.lateSet = true
			p.client.alarms.set(&p.late, t)
		}
	}
	p.queue.push(e)
}

// pumpLocked gives the connection what is to be sent, as far as it has room. It returns
// what is too big for the broker, and what was refused behind that.
func (p *Producer) pumpLocked() (dropped []entry) {
	if !p.connected || p.dry || p.leaving {
		return nil
	}
	for e := p.queue.next(); e != nil; e = p.queue.next() {
		var m wire.Metadata
		s := p.describe(e, &m)
		of := e.msg
		if e.batch != nil {
			of = nil // the payload is the batch's own
		}
		switch p.on.send(p, &s, &m, e.payload, of) {
		case sentQueued:
			p.queue.wasSent()
		case sentTooBig:
			dropped = p.refusedLocked(append(dropped, p.queue.drop()))
		case sentLater:
			p.dry = true
			return dropped
		case sentNever: // lost is about to be called
			return dropped
		}
	}
	return dropped
}

// describe fills in the command and the metadata of an entry.
func (p *Producer) describe(e *entry, m *wire.Metadata) wire.Send {
	s := wire.Send{ProducerID: p.id, SequenceID: e.first}
	if e.batch == nil {
		e.msg.metadata(m, e.published)
	} else {
		m.PartitionKey, m.HasPartitionKey, m.PartitionKeyB64Encoded = e.msg.Key, e.msg.HasKey, e.msg.KeyIsBytes
		m.OrderingKey = e.msg.OrderingKey
		m.NumMessagesInBatch, m.IsBatch = int32(len(e.batch)), true
		m.HighestSequenceID = e.last
		s.NumMessages, s.HighestSequenceID = m.NumMessagesInBatch, e.last
	}
	m.ProducerName, m.SequenceID, m.PublishTime = p.name, e.first, uint64(e.published)
	m.Compression, m.UncompressedSize = e.compression, uint32(e.full)
	if e.seal != nil {
		m.EncryptionKeys, m.EncryptionParam = e.seal.Keys, e.seal.Param
	}
	if p.o.Schema != nil {
		m.SchemaVersion = p.schemaVersion
	}
	return s
}

// room is called when the connection has room again.
func (p *Producer) room(c *conn) {
	p.mu.Lock()
	var dropped []entry
	if p.on == c {
		p.dry = false
		dropped = p.pumpLocked()
	}
	p.mu.Unlock()
	p.answer(dropped, ErrTooBig)
}

// flushBatch is the alarm for the batch that waited long enough.
func (p *Producer) flushBatch() {
	p.mu.Lock()
	p.flushLocked()
	dropped := p.pumpLocked()
	p.mu.Unlock()
	p.answer(dropped, ErrTooBig)
}
