package bridge

import (
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// delivery is one message that is in a session's hands, or in
// subscription.waiting while owner is nil. It ends when the message is acknowledged, or when the
// broker is asked, or will be asked, to deliver it again.
//
// next and prev link the deliveries of one owner, oldest first.
type delivery struct {
	id         codec.MessageID
	pos        position
	feed       *feed // that delivered it last
	owner      *consumerSession
	at         time.Time // when it was written; zero: it was not
	next, prev *delivery
}

// deliver takes one message from the upstream.
func (sub *subscription) deliver(f *feed, m *codec.Message) {
	sub.mu.Lock()
	sub.granted--
	f.granted--
	pos := positionOf(&m.ID)
	if sub.volatile(&m.ID) {
		sub.serial++
		pos.serial = sub.serial
	}
	// What is held already the broker repeats after a lost connection, or with
	// another message of its batch: a client has it, or is about to.
	if d := sub.held[pos]; d != nil {
		d.feed.out--
		d.feed = f // only that one can ask for it again
		f.out++
	} else if sub.members > 0 {
		d := &delivery{id: m.ID, pos: pos, feed: f}
		f.out++
		sub.held[pos] = d
		sub.b.stats.unacked.Add(1)
		sub.ahead.note(m)
		sub.holdQueued(messageSize(m))
		sub.place(m, d)
	}
	again := sub.surplus()
	permits := sub.topUp()
	sub.mu.Unlock()
	redeliver(again)
	permits.give()
}

// surplus takes out what waits although no window here will have room for it:
// it was fetched for a session that left, and is for others of the
// subscription, elsewhere. Each feed but one may have fetched one too many, see
// topUp. While another session is about to attach, or to leave, nothing is taken
// out: it may have room, and what is asked for again counts as delivered once
// more, though no client has seen it. Called with mu held.
func (sub *subscription) surplus() (again []returned) {
	if sub.members > len(sub.sessions) {
		return nil
	}
	for len(sub.waiting) > sub.places+len(sub.feeds)-1 {
		last := len(sub.waiting) - 1
		d := sub.waiting[last].d
		sub.holdQueued(-messageSize(sub.waiting[last].m))
		sub.waiting[last] = waiting{}
		sub.waiting = sub.waiting[:last]
		sub.forget(d)
		again = append(again, returned{d.feed, d.id})
	}
	return again
}

// endAll ends all sessions: an upstream consumer is gone for good.
func (sub *subscription) endAll(err error) {
	sub.unpool()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.lost = err
	for s := range sub.sessions {
		s.out.End(codec.CodeUnknown, err.Error())
	}
}

// waiting is a message for which no session had room.
type waiting struct {
	m *codec.Message
	d *delivery
}

// holdQueued counts n bytes more, or less, of messages that wait in the subscription or
// in a session's queue.
func (sub *subscription) holdQueued(n int) { sub.b.opts.Memory.Take(memory.Deliveries, n) }

// place gives m to a session with room, or lets it wait. Called with mu held.
func (sub *subscription) place(m *codec.Message, d *delivery) {
	if len(sub.waiting) == 0 {
		if s := sub.nextSession(); s != nil {
			sub.assign(s, m, d)
			return
		}
	}
	sub.waiting = append(sub.waiting, waiting{m, d})
}

// maxTurn is how many messages a session may get before the next one gets any.
// A broker gives each of its consumers up to 20 entries at a time.
const maxTurn = 16

// nextSession is the session with room that gets the next message, nil if
// there is none. Sessions take turns. A session that has not run since its turn
// began keeps it: what it gets leaves in one write. Where messages come one by
// one, each is another's turn. Called with mu held.
func (sub *subscription) nextSession() *consumerSession {
	s := sub.turn
	if s != nil && sub.taken < maxTurn && len(s.queue) > 0 && s.room() > 0 {
		sub.taken++
		return s
	}
	sub.turn, sub.taken = sub.ready.pop(), 1
	return sub.turn
}

// placeWaiting gives waiting messages to sessions with room, oldest first.
// Called with mu held.
func (sub *subscription) placeWaiting() {
	for len(sub.waiting) > 0 {
		s := sub.nextSession()
		if s == nil {
			return
		}
		next := sub.waiting[0]
		sub.waiting[0] = waiting{}
		sub.waiting = sub.waiting[1:]
		sub.assign(s, next.m, next.d)
	}
	sub.waiting = nil
}

// assign makes s, which has room, the owner of d. Called with mu held.
func (sub *subscription) assign(s *consumerSession, m *codec.Message, d *delivery) {
	s.take(d)
	s.queue = append(s.queue, pushed{m: m, d: d})
	sub.recount(s)
	s.out.Wake()
}

// recount follows a change of what s has room for. Called with mu held.
func (sub *subscription) recount(s *consumerSession) {
	room, left := s.room(), 0
	if s.attached && !s.closed {
		left = max(0, s.places())
	}
	sub.free += room - int(s.counted)
	sub.places += left - int(s.left)
	s.counted, s.left = int32(room), int32(left)
	if room > 0 {
		sub.ready.push(s)
	}
}

// settle uses what room there is and returns the permits to be granted. Called with mu held.
func (sub *subscription) settle() permits {
	sub.placeWaiting()
	return sub.topUp()
}

// attach adds a session: messages may flow to it.
func (sub *subscription) attach(s *consumerSession) {
	sub.mu.Lock()
	if s.closed {
		sub.mu.Unlock()
		return
	}
	s.attached = true
	sub.sessions[s] = struct{}{}
	if sub.lost != nil {
		s.out.End(codec.CodeUnknown, sub.lost.Error())
	}
	sub.recount(s)
	permits := sub.settle()
	again := sub.surplus()
	sub.mu.Unlock()
	redeliver(again)
	permits.give()
}

// detach removes a session. What was never written to its client goes to the others
// as it is; what its client has seen is asked for again, its count raised. It
// reports false if the session was closed before.
func (sub *subscription) detach(s *consumerSession) bool {
	sub.mu.Lock()
	if s.closed {
		sub.mu.Unlock()
		return false
	}
	s.closed = true
	sub.recount(s)
	if s.timer != nil {
		s.timer.Stop()
	}
	delete(sub.sessions, s)
	sub.ready.remove(s)
	if sub.turn == s {
		sub.turn = nil
	}

	var front []waiting
	for _, p := range s.queue {
		if p.m != nil && p.d.owner == s {
			s.drop(p.d)
			front = append(front, waiting{p.m, p.d})
		} else if p.m != nil {
			sub.holdQueued(-messageSize(p.m))
		}
	}
	s.queue = nil
	sub.waiting = append(front, sub.waiting...)
	again := s.takeNacked(len(s.nacked))
	for d := s.oldest; d != nil; d = s.oldest {
		s.giveUp(d)
		again = append(again, returned{d.feed, d.id})
	}
	permits := sub.settle()
	sub.mu.Unlock()
	// When the last session leaves, closing the upstream consumer gives
	// everything back without this, too; but a broker counts as delivered once more only
	// what it was asked for, and another may be about to attach. Where the order counts
	// none can, and a broker that is asked for messages again and finds the consumer gone
	// meanwhile may leave some out for the next one.
	if !sub.spec.ordered() {
		redeliver(again)
	}
	permits.give()
	return true
}

// find returns the message that an id from s's client means, nil if nobody has
// it. On a non-persistent topic it is the oldest that s has. Called with mu held.
func (sub *subscription) find(s *consumerSession, id *codec.MessageID) *delivery {
	if sub.volatile(id) {
		return s.oldest
	}
	return sub.held[positionOf(id)]
}

// acknowledge settles one message for good, whoever holds it.
func (sub *subscription) acknowledge(from *consumerSession, id codec.MessageID) {
	var p permits
	sub.mu.Lock()
	d := sub.find(from, &id)
	feeds := sub.ackers(d, &id)
	if d != nil {
		if s := d.owner; s != nil {
			s.freePlace(d)
			p = sub.settle()
		} else {
			sub.dropWaiting(d)
		}
	} else {
		from.strays = true
	}
	sub.mu.Unlock()
	for _, f := range feeds {
		f.up.Ack(id)
	}
	p.give()
}

// dropWaiting forgets a message that waits for a session and was acknowledged
// by one that had it before. Called with mu held.
func (sub *subscription) dropWaiting(d *delivery) {
	for i, w := range sub.waiting {
		if w.d == d {
			sub.holdQueued(-messageSize(w.m))
			sub.waiting = append(sub.waiting[:i:i], sub.waiting[i+1:]...)
			break
		}
	}
	sub.forget(d)
}

// forget ends a delivery. Called with mu held.
func (sub *subscription) forget(d *delivery) {
	delete(sub.held, d.pos)
	d.feed.out--
	sub.b.stats.unacked.Add(-1)
}
