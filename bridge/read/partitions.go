package read

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// partitions is a topic with partitions that has readers. It looks for partitions that are added. The mutex of [Readers]
// guards what is not constant.
type partitions struct {
	key    splitKey
	counts query[int] // asks how many there are

	readers int                   // those that begin, too
	members map[*session]struct{} // of those, what has begun
	count   int                   // as far as is known
	look    *time.Timer           // for what was added
}

// splitKey is a topic, and on whose behalf it was asked about.
type splitKey struct{ topic, principal string }

// knownPartitions returns what is known of a topic's partitions, nil if it has none, or
// nobody reads it. The caller gives it back.
func (rs *Readers) knownPartitions(key splitKey) *partitions {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	known := rs.split[key]
	if known != nil {
		known.readers++
	}
	return known
}

// splitInto notes that a topic has so many partitions. The caller gives back what it gets.
func (rs *Readers) splitInto(key splitKey, count int) *partitions {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	known := rs.split[key]
	if known == nil {
		known = &partitions{key: key, members: map[*session]struct{}{}}
		known.counts.what = "the partitions of " + key.topic
		known.counts.ask = func(ctx context.Context) (int, error) { return rs.up.Partitions(ctx, key.topic, key.principal) }
		known.look = time.AfterFunc(partitionsEvery, func() { rs.pool.Start(func() { known.search(rs) }) })
		rs.split[key] = known
	}
	known.count = count
	known.readers++
	return known
}

// number is how many partitions there are, as far as is known.
func (known *partitions) number(rs *Readers) int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return known.count
}

// learn notes how many there are.
func (known *partitions) learn(rs *Readers, count int) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	known.count = count
}

// giveBack counts a reader less. s is its session; nil: it did not begin.
func (rs *Readers) giveBack(known *partitions, s *session) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(known.members, s)
	if known.readers--; known.readers == 0 {
		known.look.Stop()
		delete(rs.split, known.key)
	}
}

// start places the session's cursors.
func (s *session) start(ctx context.Context, spec *bridge.ReaderSpec) error {
	key := splitKey{spec.Topic, spec.Principal}
	known := s.readers.knownPartitions(key)
	if known == nil {
		count, err := s.startWhole(ctx, spec)
		if count == 0 {
			return err
		}
		known = s.readers.splitInto(key, count)
	}
	err := s.startPartitions(ctx, spec, known)
	if err != nil {
		s.readers.giveBack(known, nil)
		return err
	}
	s.partitions = known
	s.readers.mu.Lock()
	known.members[s] = struct{}{}
	s.readers.mu.Unlock()
	return nil
}

// startWhole starts on a topic without partitions. If it turns out to have some, it
// returns their number.
func (s *session) startWhole(ctx context.Context, spec *bridge.ReaderSpec) (count int, err error) {
	p := &s.first
	p.s, p.tail = s, s.readers.tailFor(s.tailKey(spec, spec.Topic))
	err = p.tail.await(ctx)
	if err == nil && p.tail.partitions > 0 {
		count = p.tail.partitions
		p.tail.release()
		return count, nil
	}
	if err == nil {
		err = p.startAtEdge(ctx, spec)
	}
	if err != nil {
		p.tail.release()
	}
	return 0, err
}

// startAtEdge starts a cursor whose tail is open.
func (p *cursor) startAtEdge(ctx context.Context, spec *bridge.ReaderSpec) error {
	edge, end := p.tail.edge(), codec.MessageID{EntryID: -1}
	if spec.Start == bridge.StartLatest && p.tail.key.persistent() {
		var err error
		if end, err = p.tail.last.get(ctx, p.s.readers.pool); err != nil {
			return err
		}
	}
	return p.start(ctx, spec, &end, edge)
}

// startPartitions starts on each partition.
func (s *session) startPartitions(ctx context.Context, spec *bridge.ReaderSpec, known *partitions) error {
	others := spec
	if spec.Start == bridge.StartAtPosition {
		at, release, err := s.othersOf(ctx, spec, known)
		if err != nil {
			return err
		}
		defer release()
		others = at
	}
	count := known.number(s.readers)
	for {
		tails := make([]*tail, count)
		for i := range tails {
			tails[i] = s.readers.tailFor(s.tailKey(spec, names.PartitionName(spec.Topic, i)))
		}
		now, err := s.startOnTails(ctx, spec, others, known, tails)
		switch {
		case err != nil || now == count:
			return err
		case now == 0:
			return &bridge.Error{Kind: bridge.ErrUnavailable, Detail: "the topic " + spec.Topic + " has been deleted and created again"}
		}
		count = now // there are more than was known
		known.learn(s.readers, count)
	}
}

// startOnTails starts on the tails of the partitions, as others says but in the partition of spec's position, unless there are not
// as many as the topic has partitions now, which it returns.
func (s *session) startOnTails(ctx context.Context, spec, others *bridge.ReaderSpec, known *partitions, tails []*tail) (count int, err error) {
	for _, t := range tails {
		if err == nil {
			err = t.await(ctx)
		}
	}
	if err == nil {
		count, err = known.counts.get(ctx, s.readers.pool)
	}
	started := 0
	if err == nil && count == len(tails) {
		if len(tails) > 1 {
			more := make([]cursor, len(tails)-1)
			s.more = make([]*cursor, len(more))
			for i := range more {
				s.more[i] = &more[i]
			}
		}
		origins, stop := context.WithTimeout(ctx, originWithin)
		defer stop()
		for i, t := range tails {
			p := s.cursor(i)
			p.s, p.tail = s, t
			from := others
			if spec.Start == bridge.StartAtPosition && int(spec.Position.Partition) == i {
				from = spec
			}
			if from.Start == bridge.StartAtTime {
				t.learnOrigin(origins, from.Since)
			}
			if err = p.startAtEdge(ctx, from); err != nil {
				break
			}
			started++
		}
	}
	if started == len(tails) {
		return count, nil
	}
	for i, t := range tails {
		if i < started {
			s.cursor(i).leave()
		} else {
			t.release()
		}
	}
	s.first, s.more = cursor{}, nil
	return count, err
}

func (s *session) tailKey(spec *bridge.ReaderSpec, topic string) tailKey {
	return tailKey{topic, spec.Principal, s.legacyTime, spec.CryptoFailure}
}
