package pulsar

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
	client "github.com/pulsegate/pulsegate/pulsar"
	names "github.com/pulsegate/pulsegate/topic"
)

const (
	// maxBurying and maxBuryingBytes bound the dead letters on their way: at so many, those that follow
	// keep the permits that they took, until fewer are left.
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
//
// mu is held for a few instructions only, and nothing else is called with it.
type deadLetters struct {
	c            *consumer
	subscription string
	principal    string
	topicName    string // "": one for each topic
	limit        uint32
	ctx          context.Context // ends with the consumer
	stop         context.CancelFunc

	mu sync.Mutex // guards what follows
	// last holds messages on their last delivery: not more than the receiver holds, nor than maxLastBytes. Of those beyond,
	// the broker is asked for another copy, which comes with a higher count.
	last         map[codec.MessageID]*codec.Message
	lastBytes    int
	burying      map[codec.MessageID]int // sizes in bytes
	buryingBytes int
	withheld     int               // permits
	pauses       map[string]*pause // by dead letter topic, of those that fail
	running      bool
	queue        []letter
	closed       bool
	producers    map[string]bridge.Producer // by dead letter topic
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
	from    *client.Consumer
}

func newDeadLetters(c *consumer, spec *bridge.ConsumerSpec) *deadLetters {
	d := &deadLetters{
		c: c, subscription: spec.Subscription, principal: spec.Principal, topicName: spec.DeadLetterTopic, limit: uint32(spec.MaxRedeliver),
		last: map[codec.MessageID]*codec.Message{}, burying: map[codec.MessageID]int{},
		producers: map[string]bridge.Producer{}, pauses: map[string]*pause{},
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// letterKey makes ids equal that name the same message.
func letterKey(id *codec.MessageID) codec.MessageID {
	out := *id
	out.BatchIndex, _ = batchPlace(id)
	out.BatchSize = 0
	return out
}

// take reports true if the message, which came to x, must not be delivered any more. Then it takes no permit.
func (d *deadLetters) take(x *client.Consumer, message *codec.Message) bool {
	if message.RedeliveryCount < d.limit || !names.Persistent(x.Topic()) {
		return false
	}
	key := letterKey(&message.ID)
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return true
	}
	if _, underWay := d.burying[key]; !underWay {
		d.releaseLocked(key)
		if message.RedeliveryCount == d.limit {
			if size := message.Memory(); d.lastBytes+size <= maxLastBytes {
				d.last[key] = message
				d.holdLast(size)
			}
			d.mu.Unlock()
			return false
		}
		d.startLocked(x, key, message)
	}
	back := 1
	if len(d.burying) >= maxBurying || d.buryingBytes >= maxBuryingBytes {
		d.withheld++
		back = 0
	}
	d.mu.Unlock()
	d.c.permits.Permit(back)
	return true
}

// releaseLocked takes a message out of last, nil if it is not there.
func (d *deadLetters) releaseLocked(key codec.MessageID) *codec.Message {
	message := d.last[key]
	if message != nil {
		delete(d.last, key)
		d.holdLast(-message.Memory())
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

// bury takes out of ids, which are asked for again, those of messages that go to the dead letter topic. ids stays as it is.
func (d *deadLetters) bury(ids []codec.MessageID) (rest []codec.MessageID) {
	for i := range ids {
		if !d.buryOne(&ids[i]) {
			rest = append(rest, ids[i])
		}
	}
	return rest
}

func (d *deadLetters) buryOne(id *codec.MessageID) bool {
	key := letterKey(id)
	from := d.c.part(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	message := d.releaseLocked(key)
	if message == nil || from == nil {
		_, underWay := d.burying[key]
		return underWay
	}
	d.startLocked(from, key, message)
	return true
}

// drop forgets an acknowledged message.
func (d *deadLetters) drop(id *codec.MessageID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.last) > 0 {
		d.releaseLocked(letterKey(id))
	}
}

// lost forgets what was delivered to x over a connection that is lost: the broker
// delivers it again, to this consumer or another, with a higher count.
func (d *deadLetters) lost(x *client.Consumer) {
	d.mu.Lock()
	ids := slices.Collect(maps.Keys(d.last))
	d.mu.Unlock()
	for i := range ids {
		if d.c.part(&ids[i]) == x {
			d.drop(&ids[i])
		}
	}
}

func (d *deadLetters) startLocked(from *client.Consumer, key codec.MessageID, message *codec.Message) {
	size := message.Memory()
	d.burying[key] = size
	d.holdBurying(size)
	d.queue = append(d.queue, letter{d.topic(from), message, from})
	if !d.running && !d.closed {
		d.running = true
		d.c.u.always(d.publish)
	}
}

// topic is the dead letter topic of the messages that come to x.
func (d *deadLetters) topic(x *client.Consumer) string {
	if d.topicName != "" {
		return d.topicName
	}
	return d.c.base(x) + "-" + d.subscription + "-DLQ"
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
			done := buried{d, &l}
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
	p, err := d.c.u.CreateProducer(d.ctx, bridge.ProducerSpec{Topic: topic, Principal: d.principal, SendTimeout: buryTimeout})
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
		"REAL_TOPIC": l.from.Topic(), "REAL_SUBSCRIPTION": d.subscription,
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

// close waits for what is on its way. Nothing is delivered any more.
func (d *deadLetters) close() {
	d.stop()
	d.mu.Lock()
	d.closed = true
	producers := d.producers
	d.producers = nil
	d.holdLast(-d.lastBytes)
	d.holdBurying(-d.buryingBytes)
	clear(d.last)
	clear(d.burying)
	d.mu.Unlock()
	for _, p := range producers {
		p.Close()
	}
}

// buried takes the outcome of a dead letter.
type buried struct {
	d *deadLetters
	l *letter
}

// The pauses before a letter that failed is tried again.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// Sent acknowledges a message that is in the dead letter topic. If it is not,
// the broker is asked for it again after a pause, to try once more; meanwhile it holds it.
func (b buried) Sent(_ codec.MessageID, err error) {
	d, l := b.d, b.l
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	key := letterKey(&l.message.ID)
	d.holdBurying(-d.burying[key])
	delete(d.burying, key)
	back := d.withheld
	d.withheld = 0
	var wait time.Duration
	news := false
	if err == nil {
		delete(d.pauses, l.topic)
	} else {
		wait, news = d.pauseLocked(l.topic)
	}
	d.mu.Unlock()
	d.c.permits.Permit(back)
	id := toID(&l.message.ID)
	if err == nil {
		d.c.u.buried.Add(1)
		l.from.Ack(id)
		return
	}
	d.c.u.unburied.Add(1)
	if news {
		d.c.u.log.Warn("a dead letter cannot be published; it is tried again", "dead_letter_topic", l.topic,
			"topic", l.from.Topic(), "subscription", d.subscription, "retry_in", wait, "error", err)
	}
	time.AfterFunc(wait, func() { l.from.Redeliver([]client.MessageID{id}) })
}

// DeadLetters implements [bridge.Burier].
func (u *Upstream) DeadLetters() (moved, failed uint64) { return u.buried.Load(), u.unburied.Load() }

var _ bridge.Burier = (*Upstream)(nil)

// pauseLocked is how long a letter waits that failed. longer tells that others have waited for less.
func (d *deadLetters) pauseLocked(topic string) (wait time.Duration, longer bool) {
	p := d.pauses[topic]
	if p == nil {
		p = &pause{}
		d.pauses[topic] = p
	}
	if now := time.Now(); now.Sub(p.since) >= p.wait { // not one of those that failed at the same time
		p.wait, p.since, longer = min(max(firstPause, 2*p.wait), lastPause), now, true
	}
	return p.wait, longer
}
