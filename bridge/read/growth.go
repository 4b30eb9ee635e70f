package read

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// partitionsEvery is how often it is looked for partitions that were added.
const partitionsEvery = time.Minute

// search has the readers read what partitions were added, from the first message on: they were there before it. It runs on a goroutine of its own,
// one a topic.
func (known *partitions) search(rs *Readers) {
	ctx, stop := rs.pool.Limited()
	defer stop()
	count, err := known.counts.get(ctx, rs.pool)
	if err != nil {
		rs.log.Debug("look for new partitions", "topic", known.key.topic, "error", err)
	}
	rs.mu.Lock()
	known.count = max(known.count, count)
	members := make([]*session, 0, len(known.members))
	for s := range known.members {
		members = append(members, s)
	}
	rs.mu.Unlock()
	for _, s := range members {
		if err := s.grow(ctx, known.key.topic, count); err != nil {
			rs.log.Warn("a partition that was added is not read yet", "topic", known.key.topic, "error", err)
			break // the next search tries again
		}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if known.readers > 0 {
		known.look.Reset(partitionsEvery)
	}
}

// grow gives the session a cursor in each partition of so many in which it has none. Only [partitions.search] calls it.
func (s *session) grow(ctx context.Context, topic string, count int) error {
	s.mu.Lock()
	i := s.cursors()
	s.mu.Unlock()
	for ; i < count; i++ {
		spec := *s.first.spec
		spec.Topic, spec.Start = names.PartitionName(topic, i), bridge.StartEarliest
		p := &cursor{s: s, tail: s.readers.tailFor(s.tailKey(&spec, spec.Topic))}
		err := p.tail.await(ctx)
		if err == nil {
			err = p.start(ctx, &spec, &codec.MessageID{EntryID: -1}, p.tail.edge())
		}
		if err != nil {
			p.tail.release()
			return err
		}
		s.mu.Lock()
		closed := s.closed
		if !closed {
			s.more = append(s.more, p)
		}
		s.mu.Unlock()
		if closed {
			p.leave()
			return nil
		}
		s.out.Wake() // it may look for messages now
	}
	return nil
}
