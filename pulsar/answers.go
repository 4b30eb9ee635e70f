package pulsar

import (
	"fmt"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// What becomes of messages: the broker confirms or refuses them, or their time is over.

// expire is the alarm for messages whose time is over.
func (p *Producer) expire() {
	now := time.Now().UnixNano()
	var list []entry
	p.mu.Lock()
	for {
		e, ok := p.queue.expired(now)
		if !ok {
			break
		}
		list = p.refusedLocked(append(list, e))
	}
	due := p.queue.due()
	if p.lateSet = due > 0; p.lateSet {
		p.client.alarms.set(&p.late, time.Duration(due-now))
	}
	p.mu.Unlock()
	p.answer(list, ErrTimeout)
}

// receipt takes a SEND_RECEIPT, on the goroutine of c.
func (p *Producer) receipt(c *conn, r *wire.SendReceipt) {
	p.mu.Lock()
	if p.on != c || p.id != r.ProducerID || !p.connected {
		p.mu.Unlock()
		return
	}
	e, v := p.queue.receipt(r.SequenceID)
	var refused []entry
	if v == answered {
		p.wait.works(&p.client.o)
		refused = p.refusedLocked(nil)
	}
	p.mu.Unlock()
	switch v {
	case answered:
		p.settle(c, &e, storedAt(r, p.partition), nil)
		p.answer(refused, nil)
		p.checkClosing()
	case astray:
		p.restart(c, fmt.Errorf("a receipt for sequence id %d, which is not the next", r.SequenceID))
	}
}

// refusedLocked adds to list what the broker has refused and nothing is in front of any more.
func (p *Producer) refusedLocked(list []entry) []entry {
	for e, ok := p.queue.refused(); ok; e, ok = p.queue.refused() {
		list = append(list, e)
	}
	return list
}

// refused takes a SEND_ERROR, on the goroutine of c. What is wrong with one message is the answer to that message. So
// it is with the end of the topic: what was sent before that is still answered.
// What may pass, as when the topic is moving to another broker, has the producer created again, which sends
// all that is unanswered again; it bothers nobody else on the connection.
func (p *Producer) refused(c *conn, r *wire.SendError) {
	err := brokerError(r.Error, r.Message)
	switch {
	case r.Error == wire.ChecksumError || r.Error == wire.NotAllowedError || r.Error == wire.TopicTerminatedError:
		p.mu.Lock()
		var list []entry
		if p.on == c && p.id == r.ProducerID && p.connected {
			p.queue.refuse(r.SequenceID, err)
			if isFinal(err) {
				p.over = err
				p.flushLocked()
				p.queue.refuseRest(err)
			}
			list = p.refusedLocked(nil)
		}
		p.mu.Unlock()
		p.answer(list, nil)
		p.checkClosing()
	case isFinal(err):
		p.mu.Lock()
		mine := p.on == c && p.id == r.ProducerID
		p.mu.Unlock()
		if mine {
			p.end(err)
		}
	default:
		p.restart(c, err)
	}
}

// answer answers entries with what the broker refused them for, or else with err.
func (p *Producer) answer(list []entry, err error) {
	for i := range list {
		if list[i].err != nil {
			p.settle(nil, &list[i], MessageID{}, list[i].err)
		} else {
			p.settle(nil, &list[i], MessageID{}, err)
		}
	}
	if len(list) > 0 {
		p.checkClosing()
	}
}

// settle gives an entry its outcome. c is the connection on whose reader's goroutine this is called, nil: of none.
func (p *Producer) settle(c *conn, e *entry, id MessageID, err error) {
	p.client.release(e.reserved)
	if e.batch == nil {
		c.settle(e.done, id, err, true)
		e.msg.unread()
		return
	}
	for i, done := range e.batch {
		if err == nil {
			id.BatchIndex, id.BatchSize = int32(i), int32(len(e.batch))
		}
		c.settle(done, id, err, i == len(e.batch)-1)
	}
}

// maxAnswered is how many entries are answered before those are told that want to hear when the reader rests.
const maxAnswered = 64

// settle gives a message its outcome. last: none follows of the same entry. c is as in [Producer.settle].
func (c *conn) settle(done Done, id MessageID, err error, last bool) {
	run, ok := done.(RunDone)
	if c == nil || !ok {
		done.Sent(id, err)
		return
	}
	run.SentMore(id, err)
	if !last {
		return
	}
	if c.answered = append(c.answered, run); len(c.answered) == maxAnswered {
		c.restAnswered()
	}
}

// restAnswered tells those whose messages were answered that there is nothing more for now.
func (c *conn) restAnswered() {
	for i, run := range c.answered {
		c.answered[i] = nil
		run.Rest()
	}
	c.answered = c.answered[:0]
}
