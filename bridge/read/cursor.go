package read

import (
	"context"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// cursor is how far a reader has read a topic that has no partitions, or one
// partition. It is in the topic's tail, or in a catch-up until it has
// caught up with the tail.
//
// The session's mutex guards what follows spec, except parked, parkedAt and
// woken, which the mutex of the stream guards in which spot is.
type cursor struct {
	s    *session
	tail *tail              // the topic's own; holds one lease on it
	spec *bridge.ReaderSpec // without a start; often shared by many

	parked, woken bool
	hasLast       bool
	parkedAt      int32 // index in the stream's parked, if parked

	spot spot
	last codec.MessageID    // the last message fetched, valid if hasLast
	from *bridge.ReaderSpec // where it begins in a catch-up, or would, but for the topic; nil: it has. Never changed
}

// start places p where spec says. edge was the tail's before the topic was asked for
// its end.
func (p *cursor) start(ctx context.Context, spec *bridge.ReaderSpec, end *codec.MessageID, edge uint64) error {
	p.spec = p.tail.commonSpec(spec)
	err := p.startOnTail(ctx, spec, end, edge)
	if err == nil {
		err = p.tail.enter(p)
	}
	if err != nil {
		p.leaveCatchUp()
	}
	return err
}

func (p *cursor) startOnTail(ctx context.Context, spec *bridge.ReaderSpec, end *codec.MessageID, edge uint64) error {
	t := p.tail
	if !t.key.persistent() {
		t.join(&p.spot, &codec.MessageID{}, false, edge)
		return nil
	}
	switch spec.Start {
	case bridge.StartLatest:
		if p.hasLast = end.EntryID >= 0; p.hasLast {
			p.last = *end
		}
		t.join(&p.spot, end, p.hasLast, edge)
		return nil
	case bridge.StartAtPosition:
		// A position beyond the end is for the broker to judge.
		if !spec.Inclusive && t.reaches(spec.Position.Position()) {
			p.last, p.hasLast = spec.Position, true
			if t.seek(&p.spot, p.last.Position(), true) {
				return nil
			}
			p.last, p.hasLast = codec.MessageID{}, false
		}
	case bridge.StartAtTime:
		p.from = spec // it has no last message to go on behind
		if t.seekTime(&p.spot, spec.Since) {
			return nil
		}
	case bridge.StartEarliest:
		if t.seek(&p.spot, codec.Position{}, false) {
			return nil
		}
	}
	p.from = spec
	return p.startCatchUp(ctx, *spec)
}

// upstream adds the streams that p has a lease on to a list, by their ids; to no list the one of most, which is not copied. The session's mutex is held.
func (p *cursor) upstream(ids []uint64) []uint64 {
	if ids == nil {
		ids = p.tail.id[:]
	} else {
		ids = append(ids, p.tail.id[0])
	}
	if in := p.spot.in; in != nil && in != &p.tail.stream {
		ids = append(ids, in.id[0])
	}
	return ids
}

// leave gives up the tail and the catch-up. The session is closed, or never came to be.
func (p *cursor) leave() {
	p.leaveCatchUp()
	p.tail.exit(p)
	p.tail.release()
}

// ended reports that the topic is terminated and everything in it was fetched.
func (p *cursor) ended(ctx context.Context) (bool, error) {
	p.s.mu.Lock()
	t := p.spot.in
	p.s.mu.Unlock()
	if t == nil {
		return false, nil // between two upstream readers: there is something left to read
	}
	select {
	case <-t.opened:
	default:
		return false, nil
	}
	if t.err != nil {
		return false, nil // a catch-up that could not be opened, which the session is about to leave
	}
	end, err := t.up.EndOfTopic(ctx)
	if err != nil || !end {
		return false, err
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.spot.in == t && t.passed(&p.spot), nil
}
