package read

import (
	"context"
	"fmt"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// An id names a place in one partition. A reader that is to begin there on the whole topic begins behind it in that partition, and
// in the others with what was published when that message was, or later.

// goneAfter is how long a broker may take to hand over the message at a position that it has by its own word. If
// nothing comes, that was deleted.
const goneAfter = 5 * time.Second

// othersOf is where a reader on so many partitions begins in those that its position is not of. If neither
// the message there is left nor one behind it, that is the first message: nothing is to be missed.
func (s *session) othersOf(ctx context.Context, spec *bridge.ReaderSpec, count int) (*bridge.ReaderSpec, error) {
	if spec.Start != bridge.StartAtPosition {
		return spec, nil
	}
	if i := int(spec.Position.Partition); i < 0 || i >= count {
		return nil, &bridge.Error{Kind: bridge.ErrInvalid, Detail: fmt.Sprintf(
			"messageId is of no partition of %s, which has %d: give the id of a message from there, earliest or latest", spec.Topic, count)}
	}
	at, known, err := s.publishedAt(ctx, spec)
	if err != nil {
		return nil, err
	}
	others := *spec
	others.Position, others.Inclusive = codec.MessageID{}, false
	if others.Start = bridge.StartEarliest; known {
		others.Start, others.Since = bridge.StartAtTime, at
	}
	return &others, nil
}

// publishedAt tells when the message at spec's position was published, or the first one that is left behind it, in ms
// since 1970. known is false if there is none.
func (s *session) publishedAt(ctx context.Context, spec *bridge.ReaderSpec) (at int64, known bool, err error) {
	rs := s.readers
	t := rs.tailFor(s.tailKey(spec, names.PartitionName(spec.Topic, int(spec.Position.Partition))))
	defer t.release()
	if err = t.await(ctx); err != nil {
		return 0, false, err
	}
	if at, known = t.published(spec.Position.Position()); known {
		return at, true, nil
	}
	last, err := t.last.get(ctx, rs.pool)
	if err != nil || last.EntryID < 0 || spec.Position.Position().After(last.Position()) {
		return 0, false, err
	}
	release, err := t.slot(ctx)
	if err != nil {
		return 0, false, err
	}
	defer release()
	first := &firstTime{came: make(chan int64, 1), lost: make(chan error, 1)}
	up, err := rs.up.OpenReader(ctx, bridge.ReaderSpec{Topic: t.key.topic, Principal: spec.Principal, Start: bridge.StartAtPosition, Position: spec.Position,
		Inclusive: true, Queue: 1, CryptoFailure: bridge.CryptoConsume}, first)
	if err != nil {
		return 0, false, err
	}
	defer up.Close()
	up.Permit(1)
	gone := time.NewTimer(goneAfter)
	defer gone.Stop()
	select {
	case at = <-first.came:
		return at, at > 0, nil
	case err = <-first.lost:
		return 0, false, err
	case <-gone.C:
		return 0, false, nil
	case <-ctx.Done():
		return 0, false, pool.OpenError(ctx, "reading a message of "+t.key.topic)
	}
}

// firstTime is a [bridge.Receiver] of one message, of which it keeps the time of publishing.
type firstTime struct {
	came chan int64 // holds one, in ms since 1970; 0: there is none
	lost chan error // holds one
}

// Deliver implements [bridge.Receiver].
func (r *firstTime) Deliver(m *codec.Message) {
	at := int64(0)
	if !m.PublishTime.IsZero() {
		at = m.PublishTime.UnixMilli()
	}
	r.came <- at
}

// Lost implements [bridge.Receiver].
func (r *firstTime) Lost(err error) { r.lost <- err }
