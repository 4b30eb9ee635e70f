package embedded

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

const (
	batchBytes    = 128 << 10 // payload at which a batch is complete, as in Pulsar's clients
	batchDelay    = time.Millisecond
	batchMessages = 1000
)

// producer is a [bridge.Producer]. Its outlet holds the answers. Everything is
// guarded by Upstream.mu. There is no queue that could be full: a batch with as
// many messages as the queue may hold is complete.
type producer struct {
	outlet
	publisher // its own
	spec      bridge.ProducerSpec
	name      string
	topics    []*topic // the topic, or its partitions
	open      []*batch // for each topic the batch that is being collected, or nil
	closed    bool
}

// publisher is a [bridge.Sender].
type publisher struct {
	p    *producer
	turn int // partition of the next message without a key
}

// batch is an entry being collected.
type batch struct {
	p     *producer
	from  *publisher
	topic int // in p.topics
	msgs  []*message
	dones []bridge.SendDone
	bytes int
}

// Check is as [bridge.Producer] says.
func (p *producer) Check(ctx context.Context) error {
	if err := p.u.begin(ctx); err != nil {
		return err
	}
	defer p.u.mu.Unlock()
	for _, t := range p.topics {
		switch {
		case t.terminated:
			return errorf(bridge.ErrTerminated, "topic %s is terminated", t.String())
		case t.deleted:
			return errorf(bridge.ErrNotFound, "topic %s was deleted", t.String())
		}
	}
	return nil
}

// CreateProducer is as [bridge.Upstream] says.
func (u *Upstream) CreateProducer(ctx context.Context, spec bridge.ProducerSpec) (bridge.Producer, error) {
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	defer u.handOver()
	if spec.EncryptionKeys != "" || spec.ClientEncryption != "" {
		return nil, errorf(bridge.ErrInvalid, "encryptionKeys: no key reader is configured; topics in this process cannot be encrypted")
	}
	topics, err := u.resolve(spec.Topic)
	if err != nil {
		return nil, err
	}
	for _, t := range topics {
		if t.terminated {
			return nil, errorf(bridge.ErrTerminated, "topic %s is terminated", t.String())
		}
		if t.producers[spec.Name] != nil {
			return nil, errorf(bridge.ErrBusy, "producer with name %q is already connected to topic %s", spec.Name, t.String())
		}
	}
	p := &producer{spec: spec, name: spec.Name, topics: topics, open: make([]*batch, len(topics))}
	p.publisher = publisher{p, rand.IntN(len(topics))}
	p.outlet = outlet{u: u}
	if p.name == "" {
		p.name = u.newName()
	}
	if p.spec.BatchingMaxDelay <= 0 {
		p.spec.BatchingMaxDelay = batchDelay
	}
	if p.spec.BatchingMaxPending <= 0 {
		p.spec.BatchingMaxPending = batchMessages
	}
	if p.spec.MaxPending > 0 {
		p.spec.BatchingMaxPending = min(p.spec.BatchingMaxPending, p.spec.MaxPending)
	}
	if p.spec.SendTimeout > 0 {
		p.spec.BatchingMaxDelay = min(p.spec.BatchingMaxDelay, p.spec.SendTimeout)
	}
	for _, t := range topics {
		t.producers[p.name] = p
	}
	u.producers[p] = struct{}{}
	return p, nil
}

// NewSender is as [bridge.Producer] says.
func (p *producer) NewSender() bridge.Sender { return &publisher{p, rand.IntN(len(p.topics))} }

// Send publishes m, or adds it to a batch. What it makes deliverable is
// delivered on the caller's goroutine, within bounds.
func (s *publisher) Send(m *bridge.Outgoing, done bridge.SendDone) {
	p := s.p
	now := time.Now()
	msg := &message{
		payload: m.Payload, properties: m.Properties, key: m.Key, hasKey: m.HasKey,
		event: m.EventTime, due: m.DeliverAt,
	}
	if m.DeliverAfter > 0 {
		msg.due = now.Add(m.DeliverAfter)
	}
	msg.cost = costOf(msg)
	p.u.mu.Lock()
	switch {
	case p.closed:
		p.push(delivery{done: done, err: errorf(bridge.ErrClosed, "the producer of %s is closed", p.spec.Topic)})
	case len(msg.payload) > maxMessage:
		p.push(delivery{done: done, err: errorf(bridge.ErrTooBig, "the payload has %d bytes, the limit of %s is %d", len(msg.payload), p.spec.Topic, maxMessage)})
	default:
		s.accept(msg, done, now)
	}
	p.u.handOut()
}

// accept publishes a message now or with its batch. Delayed messages are
// entries of their own, as Pulsar's clients do it.
func (s *publisher) accept(m *message, done bridge.SendDone, now time.Time) {
	p := s.p
	i := s.route(m)
	if p.open[i] != nil && p.open[i].from != s {
		p.flushBatch(i)
	}
	b := p.open[i]
	if !p.spec.Batching || !m.due.IsZero() {
		p.flushBatch(i)
		p.publish(&batch{p: p, topic: i, msgs: []*message{m}, dones: []bridge.SendDone{done}}, false, now)
		return
	}
	if b == nil {
		b = &batch{p: p, from: s, topic: i}
		p.open[i] = b
		p.u.at(now.Add(p.spec.BatchingMaxDelay), b)
	}
	b.msgs = append(b.msgs, m)
	b.dones = append(b.dones, done)
	b.bytes += len(m.payload)
	if len(b.msgs) >= p.spec.BatchingMaxPending || b.bytes >= batchBytes {
		p.flushBatch(i)
	}
}

// route chooses the partition.
func (s *publisher) route(m *message) int {
	p := s.p
	n := len(p.topics)
	switch {
	case n == 1:
		return 0
	case m.hasKey:
		return int(keyHash(p.spec.HashingScheme, m.key) % uint32(n))
	case p.spec.Routing == bridge.SinglePartition:
		return s.turn
	}
	// A batch stays together; the turn passes when it is complete.
	if b := p.open[s.turn]; b == nil || b.from != s {
		s.turn = (s.turn + 1) % n
	}
	return s.turn
}

// due completes a batch that has waited long enough.
func (b *batch) due() { b.p.flushBatch(b.topic) }

func (b *batch) live() bool { return b.p.open[b.topic] == b }

func (p *producer) flush() {
	for i := range p.open {
		p.flushBatch(i)
	}
}

func (p *producer) flushBatch(i int) {
	if b := p.open[i]; b != nil {
		p.open[i] = nil
		p.publish(b, true, time.Now())
	}
}

// publish makes a batch, or a single message, an entry of its topic and queues the answers.
func (p *producer) publish(b *batch, batched bool, now time.Time) {
	t := p.topics[b.topic]
	err := t.charge(b.msgs)
	for i, done := range b.dones {
		p.push(delivery{t: t, m: b.msgs[i], done: done, err: err})
	}
	if err == nil {
		t.append(b.msgs, batched, now)
	}
}

// charge counts the memory of messages that are to be published; the error tells why they may not be.
func (t *topic) charge(msgs []*message) error {
	switch {
	case t.deleted:
		return errorf(bridge.ErrNotFound, "topic %s was deleted", t.String())
	case t.terminated:
		return errorf(bridge.ErrTerminated, "topic %s is terminated", t.String())
	case !t.Persistent():
		return nil
	}
	var cost int64
	for _, m := range msgs {
		cost += m.cost
	}
	return t.u.charge(cost, "publishing to "+t.String())
}

// Close publishes what is being collected, waits until every Send is answered
// and frees the producer's name.
func (p *producer) Close() {
	u := p.u
	u.mu.Lock()
	if !p.closed {
		p.flush()
		p.closed = true
	}
	if _, ok := u.producers[p]; ok {
		u.stuck = false // its topic may be idle now
		delete(u.producers, p)
		for _, t := range p.topics {
			delete(t.producers, p.name)
		}
	}
	var answered chan struct{}
	if p.busy {
		answered = p.idleChan()
	}
	u.handOver()
	if answered != nil {
		<-answered
	}
}
