package read

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// mostQueued bounds what the reader of a catch-up may prefetch, in messages, whatever its first session asks for.
const mostQueued = 128

// startCatchUp takes p to a catch-up: one that has what follows p.last, or the
// start, or a new one.
func (p *cursor) startCatchUp(ctx context.Context, start bridge.ReaderSpec) error {
	start.Topic, start.Name = p.tail.key.topic, ""
	start.Queue = min(max(start.Queue, 1), mostQueued)
	t, spot, inside := p.tail.catchUpFor(&start)
	p.s.mu.Lock()
	p.spot = spot
	if inside {
		p.last, p.hasLast = start.Position, true
	}
	p.s.mu.Unlock()
	err := t.await(ctx)
	if err == nil {
		err = t.enter(p)
	}
	if err != nil {
		p.leaveCatchUp()
	}
	return err
}

// leaveCatchUp gives up p's spot in a catch-up, if it has one.
func (p *cursor) leaveCatchUp() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.moveTo(spot{})
}

// moveTo takes p elsewhere. The session's mutex is held.
func (p *cursor) moveTo(to spot) {
	before := p.spot
	p.spot = to
	if before.in == nil {
		return
	}
	if t, ok := before.in.kind.(*catchUp); ok {
		t.detach(before.next)
		t.exit(p)
		t.release()
	}
}

// joinTail moves p to the topic's tail if that has all that follows what it
// has read. The session's mutex is held.
func (p *cursor) joinTail() {
	var to spot
	if p.hasLast && p.tail.seek(&to, p.last.Position(), true) {
		p.moveTo(to)
	}
}

// fallBack leaves a ring that has gone on without p, and reads on from the last
// message fetched. The session's mutex is held.
func (p *cursor) fallBack() {
	p.moveTo(spot{})
	start := *p.spec
	switch {
	case p.hasLast:
		start.Start, start.Position = bridge.StartAtPosition, p.last
	case p.from != nil:
		start = *p.from
	default:
		start.Start = bridge.StartEarliest
	}
	p.s.readers.pool.Start(func() {
		if err := p.reopen(start); err != nil {
			p.s.out.End(bridge.CodeOf(err), err.Error())
		}
	})
}

// reopenDelays are the pauses before a session that fell out of a ring gives up.
var reopenDelays = [...]time.Duration{0, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}

func (p *cursor) reopen(start bridge.ReaderSpec) (err error) {
	s := p.s
	for _, pause := range reopenDelays {
		select {
		case <-time.After(pause):
		case <-s.readers.pool.Context().Done():
			return nil
		}
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return nil
		}
		ctx, stop := s.readers.pool.Limited()
		err = p.startCatchUp(ctx, start)
		stop()
		if err == nil {
			s.mu.Lock()
			if s.closed {
				p.moveTo(spot{})
			}
			s.mu.Unlock()
			s.out.Wake()
			return nil
		}
	}
	return err
}
