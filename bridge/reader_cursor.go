package bridge

import (
	"context"

	"github.com/pulsegate/pulsegate/codec"
)

// place is how far a reader has read a topic that has no partitions, or one
// partition. It is a cursor on the topic's tail, or in a backlog until it has
// caught up with the tail.
//
// The session's mutex guards what follows spec, except parked, parkedAt and
// woken, which the mutex of the tail guards in which cur is.
type place struct {
	s    *readerSession
	t    *tail       // the topic's own; holds one lease on it
	spec *ReaderSpec // without a start; often shared by many

	parked, woken bool
	parkedAt      int // index in the tail's parked, if parked

	hasLast bool
	cur     cursor
	last    codec.MessageID // the last message fetched, valid if hasLast
	from    *ReaderSpec     // where it begins in a backlog; nil: it has
}

// start places p where spec says. edge was the tail's before the topic was asked for
// its end.
func (p *place) start(ctx context.Context, spec *ReaderSpec, end *codec.MessageID, edge uint64) error {
	p.spec = p.t.commonSpec(spec)
	err := p.startOnTail(ctx, spec, end, edge)
	if err == nil {
		err = p.t.enter(p)
	}
	if err != nil {
		p.leaveBacklog()
	}
	return err
}

func (p *place) startOnTail(ctx context.Context, spec *ReaderSpec, end *codec.MessageID, edge uint64) error {
	t := p.t
	if !t.ordered() {
		t.join(&p.cur, &codec.MessageID{}, false, edge)
		return nil
	}
	switch spec.Start {
	case StartLatest:
		if p.hasLast = end.EntryID >= 0; p.hasLast {
			p.last = *end
		}
		t.join(&p.cur, end, p.hasLast, edge)
		return nil
	case StartAtPosition:
		// A position beyond the end is for the broker to judge.
		if !spec.Inclusive && t.reaches(&spec.Position) {
			p.last, p.hasLast = spec.Position, true
			if t.seek(&p.cur, &p.last, true) {
				return nil
			}
			p.last, p.hasLast = codec.MessageID{}, false
		}
	case StartEarliest:
		if t.seek(&p.cur, &p.last, false) {
			return nil
		}
	}
	from := *spec
	from.Topic = t.key.topic
	p.from = &from
	return p.startBacklog(ctx, from)
}

// leave gives up the tail and the backlog. The session is closed, or never came to be.
func (p *place) leave() {
	p.leaveBacklog()
	p.t.exit(p)
	p.t.release()
}

// ended reports that the topic is terminated and everything in it was fetched.
func (p *place) ended(ctx context.Context) (bool, error) {
	p.s.mu.Lock()
	t := p.cur.in
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
		return false, nil // a backlog that could not be opened, which the session is about to leave
	}
	end, err := t.up.EndOfTopic(ctx)
	if err != nil || !end {
		return false, err
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.cur.in == t && t.atEnd(&p.cur), nil
}
