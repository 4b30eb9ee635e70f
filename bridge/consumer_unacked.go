package bridge

import (
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// nack is a message to be asked for again when it is due.
type nack struct {
	returned
	due time.Time
}

// take makes the session own d. Called with sub.mu held.
func (s *consumerSession) take(d *delivery) {
	d.owner, d.at = s, time.Time{}
	d.prev = s.newest
	if s.newest != nil {
		s.newest.next = d
	} else {
		s.oldest = d
	}
	s.newest = d
	s.held++
	if s.opts.Pull {
		s.permits--
		if s.held > maxPulled {
			s.giveUp(s.oldest)
		}
	}
}

// maxPulled bounds what is remembered of a pull session, whose permits know no
// bound. Of what is forgotten acknowledgements and refusals are passed on as they come.
const maxPulled = 100_000

// begins starts the acknowledgement timeout of d, which is about to be written.
// Called with sub.mu held.
func (s *consumerSession) begins(d *delivery, now time.Time) {
	d.at = now
	if s.opts.AckTimeout > 0 {
		s.ringBy(now.Add(s.opts.AckTimeout))
	}
}

// drop ends the ownership of d. Called with sub.mu held.
func (s *consumerSession) drop(d *delivery) {
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		s.oldest = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		s.newest = d.prev
	}
	d.owner, d.next, d.prev = nil, nil, nil
	s.held--
}

// giveUp ends the ownership of d and the delivery with it. Called with sub.mu held.
func (s *consumerSession) giveUp(d *delivery) {
	s.drop(d)
	s.sub.forget(d)
}

// freePlace ends the delivery d, which leaves a place for another message
// except in pull mode. Called with sub.mu held; settle is to follow.
func (s *consumerSession) freePlace(d *delivery) {
	s.giveUp(d)
	s.sub.recount(s)
}

// negativeAck frees the message's place now and has it redelivered later.
func (s *consumerSession) negativeAck(id *codec.MessageID) {
	sub := s.sub
	sub.mu.Lock()
	d := sub.find(s, id)
	if d == nil && !s.opts.Pull || d != nil && d.owner == nil {
		sub.mu.Unlock()
		return // acknowledged, or on its way back already
	}
	n := nack{returned{sub.feeds[0], *id}, time.Now().Add(s.opts.NackDelay)}
	s.strays = s.strays || d == nil
	if d != nil {
		n.returned = returned{d.feed, d.id}
		d.owner.freePlace(d)
	}
	n.feed.out++ // the broker has not got it back yet
	s.nacked = append(s.nacked, n)
	s.ringBy(n.due)
	sub.recount(s) // it may have as many as it may have
	permits := sub.settle()
	sub.mu.Unlock()
	permits.give()
}

// takeNacked takes the n messages that have waited longest for their delay. Called with sub.mu held.
func (s *consumerSession) takeNacked(n int) (again []returned) {
	for i := range s.nacked[:n] {
		s.nacked[i].feed.out--
		again = append(again, s.nacked[i].returned)
	}
	if s.nacked = s.nacked[n:]; len(s.nacked) == 0 {
		s.nacked = nil
	}
	if n > 0 {
		s.unstall()
	}
	return again
}

// ringBy makes the timer fire at t or before. Called with sub.mu held.
func (s *consumerSession) ringBy(t time.Time) {
	if s.closed || (!s.ringsAt.IsZero() && !t.Before(s.ringsAt)) {
		return
	}
	s.ringsAt = t
	if s.timer == nil {
		s.timer = time.AfterFunc(time.Until(t), s.ring)
	} else {
		s.timer.Reset(time.Until(t))
	}
}

// ring asks for what is due again: negatively acknowledged messages, and those
// whose acknowledgement did not come in time.
func (s *consumerSession) ring() {
	sub := s.sub
	sub.mu.Lock()
	if s.closed {
		sub.mu.Unlock()
		return
	}
	now := time.Now()
	s.ringsAt = time.Time{}
	var again []returned
	if t := s.opts.AckTimeout; t > 0 {
		d := s.oldest
		for ; d != nil && !d.at.IsZero() && now.Sub(d.at) >= t; d = s.oldest {
			again = append(again, returned{d.feed, d.id})
			s.freePlace(d)
		}
		if d != nil && !d.at.IsZero() {
			s.ringBy(d.at.Add(t))
		}
	}
	n := 0
	for n < len(s.nacked) && !s.nacked[n].due.After(now) {
		n++
	}
	again = append(again, s.takeNacked(n)...)
	if len(s.nacked) > 0 {
		s.ringBy(s.nacked[0].due)
	}
	sub.recount(s)
	permits := sub.settle()
	sub.mu.Unlock()
	redeliver(again)
	permits.give()
}
