package subscribe

import (
	"time"
	"unique"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// maxNacked bounds the messages of one session that wait for their redelivery.
// A broker stops sending to a consumer that leaves too many unsettled.
const maxNacked = 10_000

// maxRefused bounds the same where the client names messages that it does not
// have; at the bound its socket is not read until some are due.
const maxRefused = 50_000

// maxPulled bounds what is remembered of a pull session, whose permits know no
// bound. Of what is forgotten acknowledgements and refusals are passed on as they come.
const maxPulled = 100_000

// maxPermits bounds the permits of a pull session, which add up: a sum that could
// overflow is no bound any more.
const maxPermits = 1 << 30

// member is one session in a [ledger], which alone changes it.
//
// queue is bounded by ledger.ahead, what was granted before it filled up, and
// bridge.MaxQuestions; recalls.nacked by maxRefused.
type member struct {
	opts   unique.Handle[bridge.ConsumeOptions] // constant, as are the next three
	out    bridge.Outlet                        // named in effects, never called by the ledger
	window int32                                // of opts, as is pull
	pull   bool

	ready    bool // in ledger.ready
	asleep   bool // in ledger.asleep
	attached bool
	closed   bool
	strays   bool  // the client names messages that nobody here has
	stalled  bool  // it is full, and Resume is owed
	filled   bool  // its window is full, and counted as such
	room     int32 // as it was last counted
	unused   int32 // likewise
	owned    int32 // messages that it has
	permits  int32 // pull mode

	before, after  *member   // in ledger.sessions
	oldest, newest *delivery // the messages that it has, in the order they were given
	queue          []pushed  // to be written
	recalls        *recalls  // nil: nothing of it has ever waited to be asked for again
}

// recalls are what of a member is to be asked for again at some time.
type recalls struct {
	nacked []nack        // waiting for their delay, soonest first
	alarm  time.Duration // when ring is to be called, see clock; 0: not at all
	timer  *time.Timer   // calls ring; the session's, not the ledger's
}

func newMember(o bridge.ConsumeOptions, out bridge.Outlet) member {
	return member{opts: unique.Make(o), out: out, window: int32(o.Window), pull: o.Pull}
}

// pushed is one thing to write: a message or, without one, the answer to isEndOfTopic.
type pushed struct {
	parcel
	end bool
}

// nack is a message to be asked for again when it is due.
type nack struct {
	returned
	due time.Duration // see clock
}

// nacked are the messages that wait for their delay, soonest first.
func (s *member) nacked() []nack {
	if s.recalls == nil {
		return nil
	}
	return s.recalls.nacked
}

// due is when ring is to be called, see clock; 0: not at all.
func (s *member) due() time.Duration {
	if s.recalls == nil {
		return 0
	}
	return s.recalls.alarm
}

// recalling is recalls, made if need be.
func (s *member) recalling() *recalls {
	if s.recalls == nil {
		s.recalls = &recalls{}
	}
	return s.recalls
}

// left is what is left of the window or of the permits.
func (s *member) left() int {
	if s.pull {
		return int(s.permits)
	}
	return int(s.window - s.owned)
}

// roomOf is how many more messages s takes now.
func (l *ledger) roomOf(s *member) int {
	if s.closed || !s.attached || len(s.nacked()) >= maxNacked {
		return 0
	}
	return max(0, min(s.left(), l.ahead.count(l.budget.Allowance())-len(s.queue)))
}

// recount follows a change of what s has room for.
func (l *ledger) recount(s *member) {
	room, unused := l.roomOf(s), 0
	if s.attached && !s.closed {
		unused = max(0, s.left())
	}
	l.room += room - int(s.room)
	l.unused += unused - int(s.unused)
	s.room, s.unused = int32(room), int32(unused)
	if filled := unused == 0 && s.attached && !s.closed && !s.pull; filled != s.filled {
		s.filled = filled
		l.full.Count(filled)
	}
	if room > 0 {
		l.ready.push(s)
	}
}

// attach adds a session: messages may flow to it. It reports false if it is closed.
func (l *ledger) attach(e *effects, s *member) bool {
	if s.closed {
		return false
	}
	s.attached = true
	l.sessions.add(s)
	l.recount(s)
	l.settle(e)
	l.returnSurplus(e)
	return true
}

// detach removes a session. What was never written to its client goes to the others
// as it is; what its client has seen is asked for again, its count raised. It
// reports false if the session was closed before.
func (l *ledger) detach(e *effects, s *member) bool {
	if s.closed {
		return false
	}
	s.closed = true
	l.recount(s)
	l.sessions.remove(s)
	l.ready.remove(s)
	if l.turn == s {
		l.turn = nil
	}
	var front []parcel
	for _, p := range s.queue {
		if p.m != nil && p.d.owner == s {
			l.disown(p.d)
			front = append(front, p.parcel)
		} else if p.m != nil {
			l.holdBytes(-p.m.Memory())
		}
	}
	s.queue = nil
	l.waiting = append(front, l.waiting...)
	l.askAgain(e, s, len(s.nacked()))
	for d := s.oldest; d != nil; d = s.oldest {
		l.giveUp(d)
		e.again = append(e.again, returned{d.feed, d.id})
	}
	l.settle(e)
	return true
}

// own makes s the owner of d.
func (l *ledger) own(s *member, d *delivery) {
	d.owner, d.at = s, 0
	d.prev = s.newest
	if s.newest != nil {
		s.newest.next = d
	} else {
		s.oldest = d
	}
	s.newest = d
	s.owned++
	if s.pull {
		s.permits--
		if s.owned > maxPulled {
			l.giveUp(s.oldest)
		}
	}
}

// disown ends the ownership of d.
func (l *ledger) disown(d *delivery) {
	s := d.owner
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
	s.owned--
}

// giveUp ends the ownership of d and the delivery with it.
func (l *ledger) giveUp(d *delivery) {
	l.disown(d)
	l.forget(d)
}

// free gives up d, which leaves room for another message except in pull mode. settle is to follow.
func (l *ledger) free(d *delivery) {
	s := d.owner
	l.giveUp(d)
	l.recount(s)
}

// permit adds to what a pull session may be sent. In push mode it means nothing.
func (l *ledger) permit(e *effects, s *member, n int) {
	if !s.pull || n <= 0 {
		return
	}
	s.permits += int32(min(n, maxPermits-int(s.permits)))
	l.recount(s)
	l.settle(e)
}

// take moves the next part of the session's queue to dst. What was acknowledged
// or asked for again while it waited is left out. The acknowledgement timeouts begin.
func (l *ledger) take(e *effects, s *member, dst []pushed, now time.Duration) []pushed {
	n, bytes := 0, 0
	timeout := s.opts.Value().AckTimeout
	for _, p := range s.queue {
		if len(dst) == fillBatch || bytes >= fillBytes {
			break
		}
		n++
		if p.m != nil {
			bytes += p.m.Memory()
			if p.d.owner != s {
				continue
			}
			p.d.at = now
			if timeout > 0 {
				s.ringBy(e, now+timeout)
			}
		}
		dst = append(dst, p)
	}
	l.holdBytes(-bytes)
	clear(s.queue[:n])
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	l.recount(s)
	l.settle(e)
	return dst
}

// answerEnd puts the answer to isEndOfTopic behind what is queued. What waits here has not been sent.
func (l *ledger) answerEnd(e *effects, s *member, end bool) {
	if !s.closed {
		s.queue = append(s.queue, pushed{end: end && len(l.waiting) == 0})
	}
	e.wake(s)
}

// refuse frees the room that a message takes now and has it asked for again after the delay.
func (l *ledger) refuse(e *effects, s *member, id *codec.MessageID, now time.Duration) {
	d := l.find(s, id)
	if s.closed || d == nil && !s.pull || d != nil && d.owner == nil {
		return // acknowledged, or on its way back already
	}
	n := nack{returned{l.feeds[0], *id}, now + s.opts.Value().NackDelay}
	s.strays = s.strays || d == nil
	if d != nil {
		n.returned = returned{d.feed, d.id}
		l.free(d)
	}
	n.feed.out++ // the broker has not got it back yet
	r := s.recalling()
	r.nacked = append(r.nacked, n)
	s.ringBy(e, n.due)
	l.recount(s) // it may have as many as it may have
	l.settle(e)
}

// askAgain asks for the n messages that have waited longest for their delay.
func (l *ledger) askAgain(e *effects, s *member, n int) {
	if n == 0 {
		return
	}
	r := s.recalls
	for i := range r.nacked[:n] {
		r.nacked[i].feed.out--
		e.again = append(e.again, r.nacked[i].returned)
	}
	if r.nacked = r.nacked[n:]; len(r.nacked) == 0 {
		r.nacked = nil
	}
	l.unstall(e, s)
}

// ringBy makes the alarm ring at t or before.
func (s *member) ringBy(e *effects, t time.Duration) {
	if s.closed {
		return
	}
	if at := s.due(); at == 0 || t < at {
		s.recalling().alarm, e.alarm = t, t
	}
}

// ring asks for what is due again: refused messages, and those
// whose acknowledgement did not come in time.
func (l *ledger) ring(e *effects, s *member, now time.Duration) {
	if s.closed {
		return
	}
	s.recalling().alarm = 0
	if timeout := s.opts.Value().AckTimeout; timeout > 0 {
		d := s.oldest
		for ; d != nil && d.at != 0 && now-d.at >= timeout; d = s.oldest {
			e.again = append(e.again, returned{d.feed, d.id})
			l.free(d)
		}
		if d != nil && d.at != 0 {
			s.ringBy(e, d.at+timeout)
		}
	}
	n := 0
	for n < len(s.nacked()) && s.nacked()[n].due <= now {
		n++
	}
	l.askAgain(e, s, n)
	if rest := s.nacked(); len(rest) > 0 {
		s.ringBy(e, rest[0].due)
	}
	l.recount(s)
	l.settle(e)
}

// unstall resumes a session that has stalled, which then asks again whether it is full.
func (l *ledger) unstall(e *effects, s *member) {
	if s.stalled {
		s.stalled = false
		e.resume = append(e.resume, s)
	}
}

// unstallAll does so for all sessions.
func (l *ledger) unstallAll(e *effects) {
	for s := range l.sessions.all() {
		l.unstall(e, s)
	}
}
