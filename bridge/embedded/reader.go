package embedded

import (
	"context"
	"slices"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// reader is a [bridge.Reader]: a cursor on one topic or on each partition of
// one. It takes the partitions' messages in the order in which they were
// published to the topic as a whole. Everything is guarded by Upstream.mu.
type reader struct {
	outlet
	cursors []*cursor
}

// cursor is a reader's place in one topic: next is the seq it reads next.
type cursor struct {
	r    *reader
	t    *topic
	next int64
}

// OpenReader is as [bridge.Upstream] says. A reader of several partitions cannot
// start at a position: [bridge.ErrInvalid].
func (u *Upstream) OpenReader(ctx context.Context, spec bridge.ReaderSpec, recv bridge.Receiver) (bridge.Reader, error) {
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	defer u.handOver()
	topics, err := u.resolve(spec.Topic)
	if err != nil {
		return nil, err
	}
	if (spec.Start == bridge.StartAtPosition || spec.Start == bridge.StartAtTime) && len(topics) > 1 {
		return nil, errorf(bridge.ErrInvalid, "one reader on all partitions of %s can start at latest or earliest only", spec.Topic)
	}
	r := &reader{}
	r.outlet = outlet{u: u, recv: recv}
	for _, t := range topics {
		c := &cursor{r: r, t: t, next: t.end()}
		switch spec.Start {
		case bridge.StartEarliest:
			c.next = t.first
		case bridge.StartAtPosition:
			c.next = t.startAt(&spec)
		case bridge.StartAtTime:
			c.next = t.since(spec.Since)
		}
		r.cursors = append(r.cursors, c)
		t.readers = append(t.readers, c)
	}
	u.readers[r] = struct{}{}
	return r, nil
}

// startAt returns where a reader with a position begins. A position of an
// earlier ledger is before everything, one of a later ledger behind it.
func (t *topic) startAt(spec *bridge.ReaderSpec) int64 {
	id := spec.Position
	switch {
	case id.LedgerID < t.ledger:
		return t.first
	case id.LedgerID > t.ledger:
		return t.end()
	}
	if from, to := t.rangeOf(&id); from < to {
		if spec.Inclusive {
			return from
		}
		return to
	}
	return t.after(id.Position())
}

// advance delivers while there are permits.
func (r *reader) advance() {
	for r.permits > 0 {
		var from *cursor
		for _, c := range r.cursors {
			if c.next < c.t.end() && (from == nil || c.t.message(c.next).stamp < from.t.message(from.next).stamp) {
				from = c
			}
		}
		if from == nil {
			return
		}
		m := from.t.message(from.next)
		from.next++
		r.take(delivery{t: from.t, m: m})
	}
}

// Permit allows n more calls of Deliver.
func (r *reader) Permit(n int) {
	if n <= 0 {
		return
	}
	r.u.mu.Lock()
	if !r.closing.Load() {
		r.permits += n
		r.advance()
	}
	r.u.handOver()
}

// LastPosition is as [bridge.Reader] says.
func (r *reader) LastPosition(ctx context.Context) ([]codec.MessageID, error) {
	if err := r.u.begin(ctx); err != nil {
		return nil, err
	}
	defer r.u.mu.Unlock()
	ids := make([]codec.MessageID, len(r.cursors))
	for i, c := range r.cursors {
		ids[i] = c.t.lastID()
	}
	return ids, nil
}

// Passed is as [bridge.Reader] says.
func (r *reader) Passed(ctx context.Context, at codec.Position) (bool, error) {
	if err := r.u.begin(ctx); err != nil {
		return false, err
	}
	defer r.u.mu.Unlock()
	if r.busy || len(r.cursors) != 1 || !r.cursors[0].t.Persistent() {
		return false, nil
	}
	c := r.cursors[0]
	next := codec.Position{Ledger: c.t.ledger, Entry: c.t.nextEntry, Batch: -1}
	if c.next < c.t.end() {
		id := c.t.id(c.t.message(c.next))
		next = id.Position()
	}
	return next.After(at), nil
}

// EndOfTopic is as [bridge.Reader] says.
func (r *reader) EndOfTopic(ctx context.Context) (bool, error) {
	if err := r.u.begin(ctx); err != nil {
		return false, err
	}
	defer r.u.mu.Unlock()
	if r.waiting.Load() > 0 {
		return false, nil
	}
	for _, c := range r.cursors {
		if !c.t.terminated || c.next < c.t.end() {
			return false, nil
		}
	}
	return true, nil
}

// end stops deliveries; with an error the receiver is told. Called with mu held.
func (r *reader) end(err error) {
	delete(r.u.readers, r)
	for _, c := range r.cursors {
		c.t.readers = slices.DeleteFunc(c.t.readers, func(other *cursor) bool { return other == c })
	}
	r.permits = 0
	r.u.stuck = false
	if err != nil {
		r.lose(err)
		return
	}
	r.closing.Store(true)
}

// Close ends the reader.
func (r *reader) Close() {
	u := r.u
	u.mu.Lock()
	r.end(nil)
	if r.busy {
		ch := r.idleChan()
		u.mu.Unlock()
		<-ch
		u.mu.Lock()
	}
	r.discard()
	u.handOver()
}
