package read

import (
	"context"
	"fmt"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// An id names a place in one partition. A reader that is to begin there on the whole topic begins behind it in that partition, and
// in the others with what was published when that message was, or later.

// othersOf is where a reader at a position begins in the partitions that its position is not of. If the message there is gone,
// that is the first message: those that were published since may all be there still, and nothing is to be missed. release is to be called once
// the tail of the position's partition is no longer needed for that.
func (s *session) othersOf(ctx context.Context, spec *bridge.ReaderSpec, known *partitions) (others *bridge.ReaderSpec, release func(), err error) {
	i := int(spec.Position.Partition)
	count := known.number(s.readers)
	if i >= count { // it may have been added
		if count, err = known.counts.get(ctx, s.readers.pool); err != nil {
			return nil, nil, err
		}
		if i < count {
			known.learn(s.readers, count)
		}
	}
	if i < 0 || i >= count {
		return nil, nil, &bridge.Error{Kind: bridge.ErrInvalid, Detail: fmt.Sprintf(
			"messageId is of no partition of %s, which has %d: give the id of a message from there, earliest or latest", spec.Topic, count)}
	}
	t := s.readers.tailFor(s.tailKey(spec, names.PartitionName(spec.Topic, i)))
	at, err := t.publishedAt(ctx, spec.Position)
	if err != nil {
		t.release()
		return nil, nil, err
	}
	copied := *spec
	copied.Position, copied.Inclusive = codec.MessageID{}, false
	if copied.Start = bridge.StartEarliest; at > 0 {
		copied.Start, copied.Since = bridge.StartAtTime, min(at, time.Now().UnixMilli()) // a producer's clock may be fast
	}
	return &copied, t.release, nil
}

// publishedAt tells when the message at an id was published, in ms since 1970; 0: it is gone, or does not say.
func (t *tail) publishedAt(ctx context.Context, id codec.MessageID) (ms int64, err error) {
	if err := t.await(ctx); err != nil {
		return 0, err
	}
	if at, ok := t.published(id.Position()); ok {
		return at, nil
	}
	last, err := t.last.get(ctx, t.readers.pool)
	if err != nil || last.EntryID < 0 || id.Position().After(last.Position()) {
		return 0, err
	}
	return t.lookUp(ctx, id)
}
