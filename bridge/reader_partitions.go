package bridge

import (
	"context"

	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// partitions is a topic with partitions that has readers. The bridge's mutex
// guards readers and count.
type partitions struct {
	topic   string
	readers int
	count   int        // as far as is known
	counts  query[int] // asks how many there are
}

// knownPartitions returns what is known of a topic's partitions, nil if it has none, or
// nobody reads it. The caller gives it back.
func (b *Bridge) knownPartitions(topic string) *partitions {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.split[topic]
	if known != nil {
		known.readers++
	}
	return known
}

// splitInto notes that a topic has so many partitions. The caller gives back what it gets.
func (b *Bridge) splitInto(topic string, count int) *partitions {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.split[topic]
	if known == nil {
		known = &partitions{topic: topic}
		known.counts.what = "the partitions of " + topic
		known.counts.ask = func(ctx context.Context) (int, error) { return b.up.Partitions(ctx, topic) }
		b.split[topic] = known
	}
	known.count = count
	known.readers++
	return known
}

func (b *Bridge) giveBack(known *partitions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known.readers--; known.readers == 0 {
		delete(b.split, known.topic)
	}
}

// start places the session's cursors.
func (s *readerSession) start(ctx context.Context, spec *ReaderSpec) error {
	known := s.b.knownPartitions(spec.Topic)
	if known == nil {
		count, err := s.startWhole(ctx, spec)
		if count == 0 {
			return err
		}
		known = s.b.splitInto(spec.Topic, count)
	}
	err := s.startPartitions(ctx, spec, known)
	if err != nil {
		s.b.giveBack(known)
		return err
	}
	s.partitions = known
	return nil
}

// startWhole starts on a topic without partitions. If it turns out to have some, it
// returns their number.
func (s *readerSession) startWhole(ctx context.Context, spec *ReaderSpec) (count int, err error) {
	p := &s.first
	p.s, p.tail = s, s.b.tailFor(s.tailKey(spec, spec.Topic))
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
func (p *cursor) startAtEdge(ctx context.Context, spec *ReaderSpec) error {
	edge, end := p.tail.edge(), codec.MessageID{EntryID: -1}
	if spec.Start == StartLatest && p.tail.key.persistent() {
		var err error
		if end, err = p.tail.last.get(ctx, p.s.b); err != nil {
			return err
		}
	}
	return p.start(ctx, spec, &end, edge)
}

// startPartitions starts on each partition.
func (s *readerSession) startPartitions(ctx context.Context, spec *ReaderSpec, known *partitions) error {
	if spec.Start == StartAtPosition {
		return &Error{Kind: ErrInvalid,
			Detail: "a reader on the partitioned topic " + spec.Topic + " can start at latest or earliest only"}
	}
	s.b.mu.Lock()
	count := known.count
	s.b.mu.Unlock()
	for {
		tails := make([]*tail, count)
		for i := range tails {
			tails[i] = s.b.tailFor(s.tailKey(spec, names.PartitionName(spec.Topic, i)))
		}
		now, err := s.startOnTails(ctx, spec, known, tails)
		switch {
		case err != nil || now == count:
			return err
		case now == 0:
			return &Error{Kind: ErrUnavailable, Detail: "the topic " + spec.Topic + " has been made anew"}
		}
		count = now // there are more than was known
		s.b.mu.Lock()
		known.count = count
		s.b.mu.Unlock()
	}
}

// startOnTails starts on the tails of the partitions, unless there are not as
// many as the topic has partitions now, which it returns.
func (s *readerSession) startOnTails(ctx context.Context, spec *ReaderSpec, known *partitions, tails []*tail) (count int, err error) {
	for _, t := range tails {
		if err == nil {
			err = t.await(ctx)
		}
	}
	if err == nil {
		count, err = known.counts.get(ctx, s.b)
	}
	started := 0
	if err == nil && count == len(tails) {
		if len(tails) > 1 {
			s.more = make([]cursor, len(tails)-1)
		}
		for i, t := range tails {
			p := s.cursor(i)
			p.s, p.tail = s, t
			if err = p.startAtEdge(ctx, spec); err != nil {
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

func (s *readerSession) tailKey(spec *ReaderSpec, topic string) tailKey {
	return tailKey{topic, s.opts.Format.LegacyTime, spec.CryptoFailure}
}
