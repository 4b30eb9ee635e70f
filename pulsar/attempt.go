package pulsar

import (
	"errors"
	"fmt"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// The steps of an attempt to have the producer at a broker. Each looks whether the
// attempt is still the current one.

// connect begins an attempt.
func (p *Producer) connect() {
	p.mu.Lock()
	if p.state == producerDead {
		p.mu.Unlock()
		return
	}
	p.attempt++
	n := p.attempt
	assigned := p.assigned
	p.assigned = ""
	s := p.elsewhere
	p.mu.Unlock()
	p.client.connTo(s, assigned, p.o.Topic, p.o.Principal, func(c *conn, err error) {
		if err != nil {
			p.failed(n, err)
			return
		}
		p.create(n, c)
	})
}

// create asks the broker for the producer. Its id is a new one each time, so that
// nothing that is said about an earlier one is taken for this.
func (p *Producer) create(n uint64, c *conn) {
	id := p.client.producerID.Add(1)
	p.mu.Lock()
	if p.attempt != n || p.state == producerDead {
		p.mu.Unlock()
		return
	}
	p.on, p.id = c, id
	cmd := &wire.Producer{
		Topic: p.o.Topic, ProducerID: id, ProducerName: p.name, Encrypted: p.o.Encrypted || p.o.Encrypter != nil, Metadata: p.o.Properties, Schema: p.o.Schema,
		Epoch: n, GeneratedName: p.o.Name == "", AccessMode: p.o.AccessMode, TopicEpoch: p.topicEpoch, HasTopicEpoch: p.hasTopicEpoch,
	}
	p.mu.Unlock()
	if err := c.producers.add(id, p); err != nil {
		p.failed(n, err)
		return
	}
	c.request(func(request uint64) wire.Command {
		cmd.RequestID = request
		return cmd
	}, func(answer wire.Command, err error) { p.created(n, c, id, answer, err) })
}

// created takes the broker's answer.
func (p *Producer) created(n uint64, c *conn, id uint64, answer wire.Command, err error) {
	success, ok := answer.(*wire.ProducerSuccess)
	if err == nil && !ok {
		err = unexpected(answer)
	}
	p.mu.Lock()
	if p.attempt != n || p.state == producerDead {
		p.mu.Unlock()
		if err == nil {
			p.leave(c, id) // nobody wants it any more
		}
		return
	}
	if err != nil {
		p.mu.Unlock()
		if !errors.Is(err, ErrTooMany) { // else it was not asked
			p.leave(c, id) // also if the broker creates it after we stopped waiting
		}
		p.failed(n, err)
		return
	}
	p.connected, p.dry, p.leaving, p.why = true, false, false, nil
	p.wait.up()
	p.name = success.ProducerName
	p.topicEpoch, p.hasTopicEpoch = success.TopicEpoch, success.HasTopicEpoch
	p.schemaVersion = append([]byte(nil), success.SchemaVersion...)
	p.maxMessage = c.maxMessage
	if !p.hasSequence {
		p.hasSequence = true
		if success.HasLastSequenceID && success.LastSequenceID >= 0 {
			p.sequence = uint64(success.LastSequenceID) + 1
		}
	}
	opened := p.state == producerOpening
	if opened {
		p.state = producerOpen
	}
	p.queue.restart()
	dropped := p.pumpLocked()
	p.mu.Unlock()
	if opened {
		p.owner.Opened(p, nil)
	}
	p.answer(dropped, ErrTooBig)
	p.checkClosing()
}

// leave makes the broker forget a producer.
func (p *Producer) leave(c *conn, id uint64) {
	c.producers.remove(id)
	c.dismiss(func(request uint64) wire.Command {
		return &wire.CloseProducer{ProducerID: id, RequestID: request}
	}, func(wire.Command, error) {})
}

// failed ends an attempt. The next follows, unless there is no hope.
func (p *Producer) failed(n uint64, err error) {
	p.mu.Lock()
	if p.attempt != n || p.state == producerDead {
		p.mu.Unlock()
		return
	}
	if p.on != nil {
		p.on.producers.remove(p.id)
	}
	if p.state != producerOpening {
		err = partitionGone(err)
	}
	p.on, p.connected, p.why = nil, false, err
	p.wait.down()
	first := p.wait.last == 0
	wait := p.wait.next(&p.client.o)
	if first && p.assigned != "" {
		wait = 0 // there is a broker to go to
	}
	if p.state == producerOpening && (isRefusal(err) || time.Now().Add(wait).After(p.opening)) || isFinal(err) || p.o.Principal != "" && isDenied(err) {
		p.mu.Unlock()
		p.end(err)
		return
	}
	p.attempt++ // what else this one brings does not matter
	p.client.alarms.set(&p.again, wait)
	var list []entry
	if c, _ := code(err); c == wire.ProducerBlockedQuotaExceededException {
		// Whoever set the quota wants publishes to fail, not to wait.
		p.flushLocked()
		list = p.queue.all()
	}
	p.mu.Unlock()
	p.client.o.Log.Debug("a producer tries again", "topic", p.o.Topic, "in", wait, "error", err)
	p.answer(list, err)
}

// lost says that the connection is dead.
func (p *Producer) lost(c *conn, err error) {
	p.mu.Lock()
	n, mine := p.attempt, p.on == c
	p.mu.Unlock()
	if mine {
		p.failed(n, err)
	}
}

// closedByBroker takes a CLOSE_PRODUCER. assigned is the URL of the broker that has the topic
// now, if that is known.
func (p *Producer) closedByBroker(c *conn, id uint64, assigned string) {
	p.mu.Lock()
	if p.on != c || p.id != id {
		p.mu.Unlock()
		return
	}
	n := p.attempt
	if c.to.proxyTo != "" {
		assigned = "" // that broker itself may be out of reach: the lookup says how to go there
	}
	p.assigned = assigned
	p.mu.Unlock()
	p.failed(n, fmt.Errorf("%s has closed the producer", c.to))
}

// migrated takes a TOPIC_MIGRATED: url is the other cluster's. CLOSE_PRODUCER follows.
func (p *Producer) migrated(id uint64, url string) {
	s := p.client.otherCluster(p.o.Topic, url)
	if s == nil {
		return
	}
	p.mu.Lock()
	if p.id == id {
		p.elsewhere = s
	}
	p.mu.Unlock()
}

// restart has the broker forget the producer and create it again. What the broker confirms until it has
// forgotten it still holds, so that less is sent twice.
func (p *Producer) restart(c *conn, err error) {
	p.mu.Lock()
	if p.on != c || p.leaving {
		p.mu.Unlock()
		return
	}
	p.leaving = true
	n, id := p.attempt, p.id
	p.mu.Unlock()
	c.dismiss(func(request uint64) wire.Command {
		return &wire.CloseProducer{ProducerID: id, RequestID: request}
	}, func(wire.Command, error) { p.failed(n, err) })
}

// Close publishes what was sent, bounded by the send timeout, and ends the producer. done, which
// may be nil, is called when every message is answered and the broker has let go.
func (p *Producer) Close(done func()) {
	if done == nil {
		done = func() {}
	}
	p.mu.Lock()
	if p.state == producerDead && !p.ending {
		p.mu.Unlock()
		done()
		return
	}
	p.closers = append(p.closers, done)
	if p.state == producerClosing || p.state == producerDead {
		p.mu.Unlock()
		return
	}
	opening := p.state == producerOpening
	p.state = producerClosing
	limit := p.o.SendTimeout
	if limit <= 0 || limit > closeTimeout {
		limit = closeTimeout
	}
	p.client.alarms.set(&p.limit, limit)
	p.flushLocked()
	dropped := p.pumpLocked()
	p.mu.Unlock()
	if opening {
		p.owner.Opened(p, ErrClosed)
	}
	p.answer(dropped, ErrTooBig)
	p.checkClosing()
}

// giveUp is the alarm for a producer that closes for too long.
func (p *Producer) giveUp() { p.end(ErrTimeout) }

// checkClosing ends a producer that is closing, or whose topic takes nothing more, once nothing is unanswered.
func (p *Producer) checkClosing() {
	p.mu.Lock()
	err := p.over
	if err == nil {
		err = ErrClosed
	}
	over := (p.state == producerClosing || p.over != nil) && p.queue.messages == 0
	p.mu.Unlock()
	if over {
		p.end(err)
	}
}

// end makes the producer dead: what is unanswered, and what comes, is answered with err.
func (p *Producer) end(err error) {
	p.mu.Lock()
	if p.state == producerDead {
		p.mu.Unlock()
		return
	}
	before := p.state
	p.state, p.err, p.ending = producerDead, err, true
	p.attempt++
	p.flushLocked()
	list := p.queue.all()
	on, id := p.on, p.id
	p.on, p.connected = nil, false
	p.mu.Unlock()

	for _, a := range []*alarm{&p.again, &p.flush, &p.late, &p.limit} {
		p.client.alarms.clear(a)
	}
	leave(p.client, p.client.producers, p, p.o.Principal)
	p.answer(list, err)
	switch before {
	case producerOpening:
		p.owner.Opened(p, err)
	case producerOpen:
		p.owner.Ended(p, err)
	}
	p.mu.Lock()
	closers := p.closers
	p.closers, p.ending = nil, false
	p.mu.Unlock()
	finished := func(wire.Command, error) {
		for _, done := range closers {
			done()
		}
	}
	if on == nil {
		finished(nil, nil)
		return
	}
	on.producers.remove(id)
	on.dismiss(func(request uint64) wire.Command {
		return &wire.CloseProducer{ProducerID: id, RequestID: request}
	}, finished)
}
