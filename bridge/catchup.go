package bridge

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

const (
	// backlogShare is the part of Options.TailBytes that a backlog's ring has.
	backlogShare = 8

	// stallAfter is how long a member of a backlog may keep others waiting.
	stallAfter = 500 * time.Millisecond
)

// backlog makes a [tail] one that is not at the topic's end: an upstream reader
// that began in the past, for all sessions that have read as much. Such a
// session moves to the topic's own tail as soon as that has all that follows.
//
// Pace: unlike at the end of a topic, messages come as fast as they are asked
// for. So a frame stays in the ring until each member has taken it, and the ring's bytes
// bound what is fetched ahead of the slowest member. One that keeps others
// waiting for longer than stallAfter falls out and goes on in a backlog of its own.
//
// The tail's mutex guards all but main and start, which are constant.
type backlog struct {
	main  *tail
	start ReaderSpec // of the upstream reader

	cursors int         // members whose cursor is in the ring, or at its end
	held    int         // index of the first frame in the ring that is not taken by all
	passed  int         // bytes in front of it
	stall   *time.Timer // runs while some wait for others
}

// bytesBound is how many bytes of frames the ring is to hold.
func (t *tail) bytesBound() int {
	bound := t.b.limits.Load().TailBytes
	if t.backlog != nil {
		bound /= backlogShare
	}
	return min(bound, t.b.opts.Memory.Allowance())
}

// startBacklog takes p to a backlog: one that has what follows p.last, or the
// start, or a new one.
func (p *place) startBacklog(ctx context.Context, start ReaderSpec) error {
	start.Name = ""
	start.Queue = min(max(start.Queue, 1), aheadMessages)
	t, cur, inside := p.t.backlogFor(&start)
	p.s.mu.Lock()
	p.cur = cur
	if inside {
		p.last, p.hasLast = start.Position, true
	}
	p.s.mu.Unlock()
	err := t.await(ctx)
	if err == nil {
		err = t.enter(p)
	}
	if err != nil {
		p.leaveBacklog()
	}
	return err
}

// backlogFor finds or makes a backlog with a cursor for one more session in it.
// inside reports that the position is that of a message there, or between two.
func (main *tail) backlogFor(start *ReaderSpec) (t *tail, c cursor, inside bool) {
	b := main.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range main.backlogs {
		if c, inside, ok := t.admit(start); ok {
			t.lease.take()
			return t, c, inside
		}
	}
	t = &tail{
		b: b, key: main.key, opened: make(chan struct{}), members: map[*place]struct{}{},
		backlog: &backlog{main: main, start: *start},
	}
	c, _, _ = t.admit(start)
	t.lease.take()
	main.backlogs = append(main.backlogs, t)
	b.work.Add(1)
	go t.create()
	return t, c, false
}

// admit places a cursor in a backlog that began at start and has all that came
// since, or whose ring has what follows start's position.
func (t *tail) admit(start *ReaderSpec) (c cursor, inside, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost != nil {
		return c, false, false
	}
	i := 0
	if t.first > 0 || !sameStart(&t.backlog.start, start) {
		n := len(t.ring)
		if start.Start != StartAtPosition || start.Inclusive || n == 0 ||
			isAfter(&t.ring[0].id, &start.Position) || !isAfter(&t.ring[n-1].id, &start.Position) {
			return c, false, false
		}
		for isAfter(&start.Position, &t.ring[i].id) {
			i++
		}
		inside = true
	}
	t.attach(i)
	return cursor{in: t, skip: inside, next: t.first + uint64(i)}, inside, true
}

func sameStart(a, b *ReaderSpec) bool {
	return a.Start == b.Start && a.Inclusive == b.Inclusive && (a.Start != StartAtPosition || a.Position == b.Position)
}

// leaveBacklog gives up p's cursor in a backlog, if it has one.
func (p *place) leaveBacklog() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.moveTo(cursor{})
}

// moveTo takes p's cursor elsewhere. Called with the session's mutex held.
func (p *place) moveTo(c cursor) {
	before := p.cur
	p.cur = c
	if t := before.in; t != nil && t.backlog != nil {
		t.detach(before.next)
		t.exit(p)
		t.release()
	}
}

// joinTail moves p to the topic's own tail if that has all that follows what it
// has read. Called with the session's mutex held.
func (p *place) joinTail() {
	var c cursor
	if p.hasLast && p.t.seek(&c, &p.last, true) {
		p.moveTo(c)
	}
}

// attach counts a cursor that will take the frames from index i on. Called with mu held.
func (t *tail) attach(i int) {
	g := t.backlog
	g.cursors++
	for k := i; k < len(t.ring); k++ {
		t.ring[k].left++
	}
	for g.held > i {
		g.held--
		g.passed -= t.ring[g.held].frame.Len()
	}
}

// detach counts a cursor less, which was to take next, unless it had fallen out.
func (t *tail) detach(next uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if next < t.first {
		return
	}
	t.backlog.cursors--
	for k := int(next - t.first); k < len(t.ring); k++ {
		t.ring[k].left--
	}
	t.pass()
}

// pass moves on over the frames that all have taken. Called with mu held.
func (t *tail) pass() {
	g := t.backlog
	for g.held < len(t.ring) && t.ring[g.held].left == 0 {
		g.passed += t.ring[g.held].frame.Len()
		g.held++
	}
}

// backlogRoom reports that the ring may take more. If it may not while some
// members wait for more, the slow ones have until stallAfter. Called with mu held.
func (t *tail) backlogRoom() bool {
	g := t.backlog
	if g.cursors == 0 {
		return false
	}
	if t.bytes-g.passed <= t.bytesBound()*3/4 {
		return true
	}
	if len(t.parked) > 0 && g.stall == nil {
		front := t.first + uint64(g.held)
		g.stall = time.AfterFunc(stallAfter, func() { t.leaveBehind(front) })
	}
	return false
}

// leaveBehind lets fall out who has still not taken the frame front while
// others wait.
func (t *tail) leaveBehind(front uint64) {
	t.mu.Lock()
	g := t.backlog
	g.stall = nil
	if len(t.parked) > 0 && g.held < len(t.ring) && t.first+uint64(g.held) == front {
		drop, slow := g.held, int32(0)
		for drop < len(t.ring) && t.bytes-g.passed > t.bytesBound()/2 {
			slow = t.ring[drop].left // who has not taken this one has not taken any before
			g.passed += t.ring[drop].frame.Len()
			drop++
		}
		g.held = drop
		g.cursors -= int(slow)
		for k := drop; k < len(t.ring); k++ {
			t.ring[k].left -= slow
		}
		t.pass()
		t.dropOldest(drop)
	}
	grant := t.topUp()
	t.mu.Unlock()
	if grant > 0 {
		t.up.Permit(grant)
	}
}

// fallBack leaves a ring that has gone on without p, and reads on from the last
// message fetched. Called with the session's mutex held.
func (p *place) fallBack() {
	p.moveTo(cursor{})
	start := *p.spec
	switch {
	case p.hasLast:
		start.Start, start.Position = StartAtPosition, p.last
	case p.from != nil:
		start = *p.from
	default:
		start.Start = StartEarliest
	}
	p.s.b.start(func() {
		if err := p.reopen(start); err != nil {
			p.s.out.End(codec.CodeUnknown, err.Error())
		}
	})
}

// reopenDelays are the pauses before a session that fell out of a ring gives up.
var reopenDelays = [...]time.Duration{0, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}

func (p *place) reopen(start ReaderSpec) (err error) {
	s := p.s
	for _, pause := range reopenDelays {
		select {
		case <-time.After(pause):
		case <-s.b.ctx.Done():
			return nil
		}
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return nil
		}
		ctx, stop := context.WithTimeout(s.b.ctx, s.b.opts.OpenTimeout)
		err = p.startBacklog(ctx, start)
		stop()
		if err == nil {
			s.mu.Lock()
			if s.closed {
				p.moveTo(cursor{})
			}
			s.mu.Unlock()
			s.out.Wake()
			return nil
		}
	}
	return err
}
