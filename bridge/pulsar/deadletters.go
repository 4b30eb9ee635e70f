package pulsar

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

const (
	// maxBurying and maxBuryingBytes bound the dead letters on their way; at so many
	// the consumer takes no more messages.
	maxBurying      = 1000
	maxBuryingBytes = 4 << 20
	// maxLastBytes bounds the messages kept that are on their last delivery.
	maxLastBytes = 1 << 20
	// buryTimeout bounds the publishing of one.
	buryTimeout = 30 * time.Second
)

// deadLetters moves messages that were delivered too often to the dead letter
// topic. It counts as the Java client does: a message is delivered with
// redelivery counts 0 to MaxRedeliver; if it is then asked for again it is
// published to the dead letter topic and acknowledged, and if it comes back
// with a higher count, because its consumer went away, it goes there at once.
type deadLetters struct {
	c *consumer

	// What follows belongs to the forwarder. last holds messages on their last
	// delivery: not more than the receiver holds, nor than maxLastBytes. Of those beyond,
	// the broker is asked for another copy, which comes with a higher count.
	last         map[codec.MessageID]*codec.Message
	lastBytes    int
	burying      map[codec.MessageID]int // sizes in bytes
	buryingBytes int
	pauses       map[string]*pause // by dead letter topic, of those that fail

	mu        sync.Mutex // guards what follows
	running   bool
	queue     []letter
	closed    bool
	producers map[string]bridge.Producer // by dead letter topic
}

// pause is how long letters to a dead letter topic wait before they are tried again.
type pause struct {
	wait  time.Duration
	since time.Time // when it was last made longer
}

// letter is one message to publish.
type letter struct {
	topic   string
	message *codec.Message
	origin  string // the topic it comes from
}

func newDeadLetters(c *consumer) *deadLetters {
	return &deadLetters{
		c: c, last: map[codec.MessageID]*codec.Message{}, burying: map[codec.MessageID]int{},
		producers: map[string]bridge.Producer{}, pauses: map[string]*pause{},
	}
}

// key makes ids equal that name the same message.
func (d *deadLetters) key(id *codec.MessageID) codec.MessageID {
	out := *id
	out.BatchIndex, _ = batchPlace(id)
	out.BatchSize = 0
	return out
}

// take reports true if the message must not be delivered any more.
func (d *deadLetters) take(m *member, message *codec.Message) bool {
	limit := uint32(d.c.spec.MaxRedeliver)
	if message.RedeliveryCount < limit {
		return false
	}
	key := d.key(&message.ID)
	if _, underWay := d.burying[key]; underWay {
		return true
	}
	d.release(key)
	if message.RedeliveryCount > limit {
		d.start(m, key, message)
		return true
	}
	if size := len(message.Payload); d.lastBytes+size <= maxLastBytes {
		d.last[key] = message
		d.holdLast(size)
	}
	return false
}

// release takes a message out of last, nil if it is not there.
func (d *deadLetters) release(key codec.MessageID) *codec.Message {
	message := d.last[key]
	if message != nil {
		delete(d.last, key)
		d.holdLast(-len(message.Payload))
	}
	return message
}

func (d *deadLetters) holdLast(n int) {
	d.lastBytes += n
	d.c.u.opts.Memory.Take(memory.DeadLetters, n)
}

func (d *deadLetters) holdBurying(n int) {
	d.buryingBytes += n
	d.c.u.opts.Memory.Take(memory.DeadLetters, n)
}

// bury reports true if the message, which is asked for again, goes to the dead
// letter topic.
func (d *deadLetters) bury(id *codec.MessageID) bool {
	key := d.key(id)
	message := d.release(key)
	if message == nil {
		_, underWay := d.burying[key]
		return underWay
	}
	d.start(d.c.memberAt(id), key, message)
	return true
}

// drop forgets an acknowledged message.
func (d *deadLetters) drop(id *codec.MessageID) { d.release(d.key(id)) }

// lost forgets what was delivered over a connection that is lost: the broker
// delivers it again, to this consumer or another, with a higher count.
func (d *deadLetters) lost(m *member) {
	for id := range d.last {
		if d.c.memberAt(&id) == m {
			d.release(id)
		}
	}
}

func (d *deadLetters) full() bool {
	return len(d.burying) >= maxBurying || d.buryingBytes >= maxBuryingBytes
}

func (d *deadLetters) start(m *member, key codec.MessageID, message *codec.Message) {
	d.burying[key] = len(message.Payload)
	d.holdBurying(len(message.Payload))
	topic := d.topic(m)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, letter{topic, message, m.topic})
	if !d.running {
		d.running = true
		d.c.u.always(d.publish)
	}
}

// topic is the dead letter topic of a member's messages.
func (d *deadLetters) topic(m *member) string {
	if d.c.spec.DeadLetterTopic != "" {
		return d.c.spec.DeadLetterTopic
	}
	return m.base + "-" + d.c.spec.Subscription + "-DLQ"
}

// publish sends what is queued. It runs on a goroutine of its own, since
// creating a producer blocks.
func (d *deadLetters) publish() {
	for {
		d.mu.Lock()
		queue := d.queue
		d.queue = nil
		if len(queue) == 0 {
			d.running = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		failed := map[string]error{} // asked for once, not for each letter
		for _, l := range queue {
			done := buried{d.c, l.message.ID}
			p, err := bridge.Producer(nil), failed[l.topic]
			if err == nil {
				p, err = d.producer(l.topic)
			}
			if err != nil {
				failed[l.topic] = err
				done.Sent(codec.MessageID{}, err)
				continue
			}
			p.Send(d.outgoing(&l), done)
		}
	}
}

func (d *deadLetters) producer(topic string) (bridge.Producer, error) {
	d.mu.Lock()
	p := d.producers[topic]
	d.mu.Unlock()
	if old, ok := p.(*producer); ok {
		if !old.hasEnded() {
			return p, nil
		}
		old.Close()
	}
	p, err := d.c.u.CreateProducer(d.c.ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: buryTimeout})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	closed := d.closed
	if !closed {
		d.producers[topic] = p
	}
	d.mu.Unlock()
	if closed {
		p.Close()
		return nil, errClosed
	}
	return p, nil
}

// outgoing is the dead letter: the message, and where it comes from in the
// properties that the Java client uses.
func (d *deadLetters) outgoing(l *letter) *bridge.Outgoing {
	m := l.message
	properties := make(map[string]string, len(m.Properties)+4)
	maps.Copy(properties, m.Properties)
	id := fmt.Sprintf("%d:%d:%d", m.ID.LedgerID, m.ID.EntryID, m.ID.Partition)
	if m.ID.BatchIndex >= 0 {
		id = fmt.Sprintf("%s:%d", id, m.ID.BatchIndex)
	}
	for name, value := range map[string]string{
		"REAL_TOPIC": l.origin, "REAL_SUBSCRIPTION": d.c.spec.Subscription,
		"ORIGIN_MESSAGE_ID": id, "ORIGIN_MESSAGE_IDY_TIME": id,
	} {
		if _, ok := properties[name]; !ok {
			properties[name] = value
		}
	}
	return &bridge.Outgoing{
		Payload: m.Payload, Properties: properties, Key: m.Key, HasKey: m.HasKey, EventTime: m.EventTime,
	}
}

// close waits for what is on its way. The forwarder has ended.
func (d *deadLetters) close() {
	d.mu.Lock()
	d.closed = true
	producers := d.producers
	d.producers = nil
	d.mu.Unlock()
	d.holdLast(-d.lastBytes)
	d.holdBurying(-d.buryingBytes)
	for _, p := range producers {
		p.Close()
	}
}

// buried tells the forwarder what became of a dead letter.
type buried struct {
	c  *consumer
	id codec.MessageID
}

func (b buried) Sent(_ codec.MessageID, err error) {
	b.c.todo.push(command{kind: cmdBuried, id: b.id, err: err})
}

// buriedAway forgets a letter that is no longer on its way.
func (d *deadLetters) buriedAway(key codec.MessageID) {
	d.holdBurying(-d.burying[key])
	delete(d.burying, key)
}

// The pauses before a letter that failed is tried again.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// buried acknowledges a message that is in the dead letter topic. If it is not,
// the broker is asked for it again after a pause, to try once more; meanwhile it holds it.
func (c *consumer) buried(id *codec.MessageID, err error) {
	d, m := c.letters, c.memberAt(id)
	d.buriedAway(d.key(id))
	if m == nil {
		return // the topic is deleted
	}
	topic := d.topic(m)
	if err == nil {
		delete(d.pauses, topic)
		c.acknowledge(id)
		return
	}
	p := d.pauses[topic]
	if p == nil {
		p = &pause{}
		d.pauses[topic] = p
	}
	if now := time.Now(); now.Sub(p.since) >= p.wait { // not one of those that failed at the same time
		p.wait, p.since = min(max(firstPause, 2*p.wait), lastPause), now
		c.u.log.Warn("a dead letter cannot be published; it is tried again", "deadLetterTopic", topic,
			"topic", m.topic, "subscription", c.spec.Subscription, "pause", p.wait, "error", err)
	}
	again := command{kind: cmdRedeliver, id: *id}
	time.AfterFunc(p.wait, func() {
		c.unsettled.add(1)
		c.todo.push(again)
	})
}
