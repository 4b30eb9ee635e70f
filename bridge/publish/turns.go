package publish

import (
	"sync"
	"sync/atomic"
)

// turnPlaces and batchPlaces are how many publishes a session that has waited for
// places sends in its turn. One by one, the answers of all sessions would come
// mixed, and each would leave in a write of its own; and batches, which end with
// the turn, would hold few messages.
const (
	turnPlaces  = 16
	batchPlaces = 64
)

// outbox is what a session has received and not handed to the upstream, in
// order. It has at most one owner, who alone takes publishes out: a goroutine in
// handOver, or the queue of [turns] while the session waits for a place. The session's mutex guards it.
type outbox struct {
	publishes []*message
	owned     bool
}

// put adds a publish and reports that the caller is the owner now.
func (o *outbox) put(p *message) (own bool) {
	o.publishes = append(o.publishes, p)
	own = !o.owned
	o.owned = true
	return own
}

// pending reports that there is something to take. If there is nothing, the
// outbox has no owner any more, and keeps room for one publish, as most are handed over at once.
func (o *outbox) pending() bool {
	if len(o.publishes) > 0 {
		return true
	}
	if o.owned = false; cap(o.publishes) > 1 {
		o.publishes = nil
	}
	return false
}

// pop takes the next publish. It is for the owner, after pending.
func (o *outbox) pop() *message {
	p := o.publishes[0]
	o.publishes[0] = nil
	if len(o.publishes) > 1 {
		o.publishes = o.publishes[1:]
	} else {
		o.publishes = o.publishes[:0]
	}
	return p
}

// turns are the places in an upstream producer's queue, and the sessions that
// wait for one, first come first. Who takes a place gives it back when the publish is answered.
// The queue has at most one owner, a goroutine in handOut. It is another goroutine's as soon as
// that one finds it without, so whoever changes free or waiting calls handOut afterwards.
type turns struct {
	free    atomic.Int64
	atOnce  int64    // so many are free before a session that waits has its turn; constant
	renewal *renewal // while it is active nobody gets any; constant

	waits atomic.Int32 // len(waiting): seen without mu, mostly to be 0

	mu      sync.Mutex
	waiting []*session // whose outboxes the queue owns
	owned   bool
}

// init makes so many places.
func (t *turns) init(places int, batching bool, r *renewal) {
	t.renewal = r
	t.free.Store(int64(places))
	atOnce := int64(turnPlaces)
	if batching {
		atOnce = batchPlaces
	}
	t.atOnce = max(1, min(int64(places)/4, atOnce))
}

// take reserves a place.
func (t *turns) take() bool {
	for {
		n := t.free.Load()
		if n <= 0 || t.renewal.active() {
			return false
		}
		if t.free.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// wait makes the queue the owner of the session's outbox.
func (t *turns) wait(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, s)
	t.waits.Add(1)
}

// own makes the caller the owner of the queue if somebody's turn has come and it has none.
func (t *turns) own() bool {
	if t.waits.Load() == 0 {
		return false // who begins to wait looks again afterwards
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	own := !t.owned && t.due()
	t.owned = t.owned || own
	return own
}

// due reports that the session that waits longest has its turn. mu is held.
func (t *turns) due() bool {
	return len(t.waiting) > 0 && t.free.Load() >= t.atOnce && !t.renewal.active()
}

// next takes the session whose turn it is out of the queue, and makes the caller the owner
// of its outbox. nil: nobody's, and the queue has no owner any more.
func (t *turns) next() *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.due() {
		t.owned = false
		return nil
	}
	s := t.waiting[0]
	t.waiting[0] = nil
	t.waits.Add(-1)
	if t.waiting = t.waiting[1:]; len(t.waiting) == 0 {
		t.waiting = nil
	}
	return s
}

// handOver hands a session's publishes to the upstream while there are places. It reports
// that the session waits for its turn then, as there is none; handOut is to follow. The caller owns the session's
// outbox and holds the session's mutex, which handOver releases: the upstream may answer on this
// very goroutine, so no lock is held across Send. late says that the session has waited.
func (e *entry) handOver(s *session, late bool) (waits bool) {
	for s.outbox.pending() {
		if !e.turns.take() {
			s.mu.Unlock()
			e.turns.wait(s)
			return true
		}
		p := s.outbox.pop()
		s.mu.Unlock()
		e.send(p, late)
		s.mu.Lock()
	}
	s.mu.Unlock()
	return false
}

// handOut lets the sessions that wait have their turns. An upstream that answers at once calls
// it from within itself, which does not nest: the queue has an owner then.
func (e *entry) handOut() {
	if !e.turns.own() {
		return
	}
	for s := e.turns.next(); s != nil; s = e.turns.next() {
		s.mu.Lock()
		e.handOver(s, true)
	}
}
