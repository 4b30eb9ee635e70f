package bridge

import (
	"context"
	"strconv"

	"github.com/pulsegate/pulsegate/codec"
)

// partitions is a topic with partitions that has readers. The bridge's mutex
// guards readers and count.
type partitions struct {
	topic   string
	readers int
	count   int // as far as is known
	ends    positionQuery
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
		known.ends.ask = func(ctx context.Context) ([]codec.MessageID, error) { return b.up.LastPosition(ctx, topic) }
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

// start finds the session's places.
func (s *readerSession) start(ctx context.Context, spec *ReaderSpec) error {
	known := s.b.knownPartitions(spec.Topic)
	if known == nil {
		ends, err := s.startWhole(ctx, spec)
		if !partitioned(spec.Topic, ends) {
			return err
		}
		known = s.b.splitInto(spec.Topic, len(ends))
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
// returns their ends.
func (s *readerSession) startWhole(ctx context.Context, spec *ReaderSpec) ([]codec.MessageID, error) {
	p := &s.first
	p.s, p.t = s, s.b.tailFor(s.tailKey(spec, spec.Topic))
	err := p.t.await(ctx)
	if err == nil && p.t.partitioned() {
		ends := p.t.origin
		p.t.release()
		return ends, nil
	}
	edge, end := p.t.edge(), codec.MessageID{EntryID: -1}
	if err == nil && spec.Start == StartLatest && p.t.ordered() {
		var ends []codec.MessageID
		if ends, err = p.t.last.get(ctx, s.b); len(ends) > 0 {
			end = ends[0]
		}
	}
	if err == nil {
		err = p.start(ctx, spec, &end, edge)
	}
	if err != nil {
		p.t.release()
	}
	return nil, err
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
			tails[i] = s.b.tailFor(s.tailKey(spec, spec.Topic+PartitionSuffix+strconv.Itoa(i)))
		}
		ends, err := s.startOnTails(ctx, spec, known, tails)
		switch {
		case err != nil || len(ends) == count:
			return err
		case !partitioned(spec.Topic, ends):
			return &Error{Kind: ErrUnavailable, Detail: "the topic " + spec.Topic + " has been made anew"}
		}
		count = len(ends) // there are more than was known
		s.b.mu.Lock()
		known.count = count
		s.b.mu.Unlock()
	}
}

// startOnTails starts on the tails of the partitions, unless there are not as
// many as ends, the partitions' last messages, which it returns.
func (s *readerSession) startOnTails(ctx context.Context, spec *ReaderSpec, known *partitions, tails []*tail) ([]codec.MessageID, error) {
	var err error
	edges := make([]uint64, len(tails))
	for i, t := range tails {
		if err == nil {
			err = t.await(ctx)
		}
		edges[i] = t.edge()
	}
	var ends []codec.MessageID
	if err == nil {
		ends, err = known.ends.get(ctx, s.b)
	}
	started := 0
	if err == nil && len(ends) == len(tails) {
		if len(tails) > 1 {
			s.more = make([]place, len(tails)-1)
		}
		for i, t := range tails {
			p := s.place(i)
			p.s, p.t = s, t
			if err = p.start(ctx, spec, &ends[i], edges[i]); err != nil {
				break
			}
			started++
		}
	}
	if started == len(tails) {
		return ends, nil
	}
	for i, t := range tails {
		if i < started {
			s.place(i).leave()
		} else {
			t.release()
		}
	}
	s.first, s.more = place{}, nil
	return ends, err
}

func (s *readerSession) tailKey(spec *ReaderSpec, topic string) tailKey {
	return tailKey{topic, s.opts.Format.LegacyTime, spec.CryptoFailure}
}
