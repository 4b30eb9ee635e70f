package read

import (
	"context"
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

const (
	// catchUpShare is the part of Limits.TailBytes that the ring of a catch-up has.
	catchUpShare = 8

	// stallAfter is how long a session in a catch-up may keep others waiting.
	stallAfter = 500 * time.Millisecond
)

// catchUp is a [stream] that began in the past, for all sessions that have read as much. Such a
// session moves to the topic's tail as soon as that has all that follows.
//
// Pace: unlike at the end of a topic, messages come as fast as they are asked
// for. So a frame stays in the ring until each session has taken it, and the ring's bytes
// bound what is fetched ahead of the slowest one. One that keeps others
// waiting for longer than stallAfter falls out and goes on in a catch-up of its own.
type catchUp struct {
	stream

	main  *tail             // constant, as is the next
	start bridge.ReaderSpec // of the upstream reader

	// Guarded by mu.
	cursors int         // that are in the ring, or at its end
	held    int         // index of the first frame in the ring that is not taken by all
	behind  int         // bytes in front of it
	stall   *time.Timer // runs while some wait for others
}

// catchUpFor finds or makes a catch-up, with a spot for one more session in it.
// inside reports that the position is that of a message there, or between two.
func (main *tail) catchUpFor(start *bridge.ReaderSpec) (t *catchUp, c spot, inside bool) {
	rs := main.readers
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, t := range main.catchUps {
		if c, inside, ok := t.tryJoin(start); ok {
			t.lease.Take()
			return t, c, inside
		}
	}
	t = &catchUp{main: main, start: *start}
	c, _, _ = t.tryJoin(start)
	t.lease.Take()
	main.catchUps = append(main.catchUps, t)
	t.begin(rs, main.key, t) // it is granted no permits without a cursor
	return t, c, false
}

// tryJoin places a cursor if the catch-up began at start and has all that came
// since, or its ring has what follows start's position.
func (t *catchUp) tryJoin(start *bridge.ReaderSpec) (c spot, inside, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost != nil {
		return c, false, false
	}
	next := t.ring.first
	if t.ring.first > 0 || !sameStart(&t.start, start) {
		at := start.Position.Position()
		if start.Start != bridge.StartAtPosition || start.Inclusive || !t.ring.spans(at) {
			return c, false, false
		}
		next, inside = t.ring.after(at), true
	}
	t.attach(next)
	return spot{in: &t.stream, skip: inside, next: next}, inside, true
}

func sameStart(a, b *bridge.ReaderSpec) bool {
	return a.Start == b.Start && a.Inclusive == b.Inclusive && (a.Start != bridge.StartAtPosition || a.Position == b.Position) && (a.Start != bridge.StartAtTime || a.Since == b.Since)
}

// open implements [streamKind].
func (t *catchUp) open(ctx context.Context) error {
	release, err := t.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	t.up, err = t.readers.up.OpenReader(ctx, t.start, t)
	return err
}

func (t *catchUp) count(int64) {}

func (t *catchUp) findable() bool { return slices.Contains(t.main.catchUps, t) && t.main.findable() }

func (t *catchUp) retire() []*catchUp {
	t.main.catchUps = slices.DeleteFunc(t.main.catchUps, func(o *catchUp) bool { return o == t })
	return nil
}

func (t *catchUp) worthKeeping() bool { return t.ring.first == 0 }
func (t *catchUp) bound(tail int) int { return tail / catchUpShare }

func (t *catchUp) arrived(f *frame) (droppable int) {
	f.left = int32(t.cursors)
	return t.held
}

func (t *catchUp) dropped(frames, bytes int) {
	t.held -= frames
	t.behind -= bytes
}

func (t *catchUp) taken(from, to uint64) (grant int) {
	for seq := from; seq < to; seq++ {
		t.ring.at(seq).left--
	}
	t.pass()
	return t.topUp()
}

func (t *catchUp) closed() {
	if t.stall != nil {
		t.stall.Stop()
	}
}

// attach counts a cursor that will take the frames from next on. mu is held.
func (t *catchUp) attach(next uint64) {
	t.cursors++
	for seq := next; seq < t.ring.end(); seq++ {
		t.ring.at(seq).left++
	}
	for t.ring.first+uint64(t.held) > next {
		t.held--
		t.behind -= t.ring.frames[t.held].ws.Len()
	}
}

// detach counts a cursor less, which was to take next, unless it had fallen out.
func (t *catchUp) detach(next uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if next < t.ring.first {
		return
	}
	t.cursors--
	for seq := next; seq < t.ring.end(); seq++ {
		t.ring.at(seq).left--
	}
	t.pass()
}

// pass moves on over the frames that all have taken. mu is held.
func (t *catchUp) pass() {
	frames := t.ring.frames
	for t.held < len(frames) && frames[t.held].left == 0 {
		t.behind += frames[t.held].ws.Len()
		t.held++
	}
}

// mayFetch reports that the ring may take more. If it may not while some
// sessions wait for more, the slow ones have until stallAfter.
func (t *catchUp) mayFetch() bool {
	if t.cursors == 0 {
		return false
	}
	if t.ring.bytes-t.behind <= t.bytesBound()*3/4 {
		return true
	}
	if len(t.parked) > 0 && t.stall == nil {
		front := t.ring.first + uint64(t.held)
		t.stall = time.AfterFunc(stallAfter, func() { t.leaveBehind(front) })
	}
	return false
}

// leaveBehind lets fall out who has still not taken the frame front while
// others wait.
func (t *catchUp) leaveBehind(front uint64) {
	t.mu.Lock()
	t.stall = nil
	frames := t.ring.frames
	if len(t.parked) > 0 && t.held < len(frames) && t.ring.first+uint64(t.held) == front {
		drop, slow := t.held, int32(0)
		for drop < len(frames) && t.ring.bytes-t.behind > t.bytesBound()/2 {
			slow = frames[drop].left // who has not taken this one has not taken any before
			t.behind += frames[drop].ws.Len()
			drop++
		}
		t.held = drop
		t.cursors -= int(slow)
		for k := drop; k < len(frames); k++ {
			frames[k].left -= slow
		}
		t.pass()
		t.drop(drop)
	}
	grant := t.topUp()
	t.mu.Unlock()
	t.permit(grant)
}
