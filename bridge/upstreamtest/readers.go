package upstreamtest

import (
	"context"
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

var readerCases = []testCase{
	{"latest", nil, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a")
		s.batch(topic, "b", "c")
		r := s.read(bridge.ReaderSpec{Topic: topic}, 10)
		ids := p.publish("d", "e")
		for i, m := range r.expect("d", "e") {
			if m.ID != ids[i] {
				s.Errorf("id %+v, published as %+v", m.ID, ids[i])
			}
		}
	}},
	{"latest on an empty topic", nil, func(s *suite) {
		topic := s.topic()
		r := s.read(bridge.ReaderSpec{Topic: topic}, 10)
		s.producer(topic).publish("a")
		r.expect("a")
	}},
	{"earliest", nil, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a")
		s.batch(topic, "b", "c")
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 10)
		p.publish("d")
		r.expect("a", "b", "c", "d")
	}},
	{"after and at a position", nil, func(s *suite) {
		topic := s.topic()
		ids := s.producer(topic).publish("a", "b")
		ids = append(ids, s.batch(topic, "c", "d", "e")...)
		ids = append(ids, s.producer(topic).publish("f", "g")...)
		texts := []string{"a", "b", "c", "d", "e", "f", "g"}
		for i, id := range ids {
			after := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: id}, 10)
			after.expect(texts[i+1:]...)
			at := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: id, Inclusive: true}, 10)
			at.expect(texts[i:]...)
		}
	}},
	{"from a time on", nil, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a", "b")
		nextMillisecond()
		p.publish("c")
		nextMillisecond()
		p.publish("d")
		all := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 10).expect("a", "b", "c", "d")
		since := func(ms int64) *tail {
			return s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtTime, Since: ms}, 10)
		}
		first, third, last := all[0].PublishTime.UnixMilli(), all[2].PublishTime.UnixMilli(), all[3].PublishTime.UnixMilli()
		ever, before, at, behind, end := since(1), since(first), since(third), since(third+1), since(last+1)
		nextMillisecond()
		p.publish("e")
		ever.expect("a", "b", "c", "d", "e")
		before.expect("a", "b", "c", "d", "e")
		at.expect("c", "d", "e")
		behind.expect("d", "e")
		end.expect("e")
	}},
	{"from a time on, on an empty topic", nil, func(s *suite) {
		topic := s.topic()
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtTime, Since: time.Now().Add(-time.Hour).UnixMilli()}, 10)
		s.producer(topic).publish("a")
		r.expect("a")
	}},
	{"what comes before a time takes no permit", nil, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		early, late := numbers(30), []string{"a", "b"}
		p.publish(early[:20]...)
		s.batch(topic, early[20:]...)
		nextMillisecond()
		p.publish(late...)
		all := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 100).expect(append(early, late...)...)
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtTime, Since: all[len(early)].PublishTime.UnixMilli(), Queue: 1}, 1)
		r.expect("a")
		r.grant(1)
		r.expect("b")
	}},
	{"a time is kept over a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a")
		nextMillisecond()
		since := time.Now().UnixMilli()
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtTime, Since: since}, 10)
		s.env.Disconnect(s, topic)
		p.publish("b")
		s.env.Disconnect(s, topic)
		p.publish("c")
		r.expect("b", "c")
	}},
	{"permits bound what is delivered", nil, func(s *suite) {
		topic := s.topic()
		texts := numbers(20)
		s.producer(topic).publish(texts[:10]...)
		s.batch(topic, texts[10:]...)
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 2}, 0)
		r.grant(3)
		r.expect(texts[:3]...)
		r.grant(1)
		r.grant(10)
		r.expect(texts[3:14]...)
		r.grant(100)
		r.expect(texts[14:]...)
	}},
	{"neither gap nor repeat over a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		texts := numbers(40)
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 4}, 0)
		for i := 0; i < 40; i += 10 {
			p.publish(texts[i : i+5]...)
			s.batch(topic, texts[i+5:i+10]...)
			r.grant(7)
			if i > 0 {
				s.env.Disconnect(s, topic)
			}
		}
		r.expect(texts[:28]...)
		r.grant(100)
		r.expect(texts[28:]...)
	}},
	{"latest is kept over a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a")
		r := s.read(bridge.ReaderSpec{Topic: topic}, 10)
		s.env.Disconnect(s, topic)
		p.publish("b")
		s.env.Disconnect(s, topic)
		p.publish("c")
		r.expect("b", "c")
	}},
	{"partitions", needsPartitions, func(s *suite) {
		topic := s.env.Partitioned(s, 3)
		p := s.producerOf(bridge.ProducerSpec{Topic: topic, Routing: bridge.RoundRobinPartition, SendTimeout: patience})
		before := p.publish(numbers(6)...)
		earliest := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 100)
		latest := s.read(bridge.ReaderSpec{Topic: topic}, 100)
		after := p.publish(numbers(6)...)
		s.sameIDs(latest, after)
		s.sameIDs(earliest, append(before, after...))
	}},
	{"what has passed", nil, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		ids := append(p.publish("a", "b"), s.batch(topic, "c", "d")...)
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: ids[1], Inclusive: true, Queue: 1}, 0)
		s.passed(r, ids[0])
		s.notPassed(r, ids[1:]...)
		r.grant(1)
		r.expect("b")
		s.passed(r, ids[1])
		s.notPassed(r, ids[2:]...)
		r.grant(2)
		r.expect("c", "d")
		s.passed(r, ids...)
		beyond := ids[3]
		beyond.EntryID++
		s.notPassed(r, beyond)
		s.notPassed(s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 0), ids...)
	}},
	{"the end of a topic", needsTerminate, func(s *suite) {
		topic := s.topic()
		s.producer(topic).publish("a", "b")
		r := s.read(bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, 1)
		r.expect("a")
		s.env.Terminate(s, topic)
		s.notAtEnd(r, "before the last message")
		r.grant(1)
		r.expect("b")
		s.atEnd(r)
		s.atEnd(s.read(bridge.ReaderSpec{Topic: topic}, 1))
	}},
}

// nextMillisecond lets the next message have a later time.
func nextMillisecond() {
	for now := time.Now().UnixMilli(); time.Now().UnixMilli() == now; {
		time.Sleep(100 * time.Microsecond)
	}
}

// ender is what can be asked for the end of its topic.
type ender interface {
	EndOfTopic(context.Context) (bool, error)
}

func (s *suite) notAtEnd(x ender, when string) {
	s.Helper()
	got, err := x.EndOfTopic(s.ctx)
	s.check(err, "ask for the end of the topic")
	if got {
		s.Errorf("%s it is at the end of the topic", when)
	}
}

// atEnd waits until the answer is that the topic has ended.
func (s *suite) atEnd(x ender) {
	s.Helper()
	for {
		got, err := x.EndOfTopic(s.ctx)
		s.check(err, "ask for the end of the topic")
		if got {
			return
		}
		select {
		case <-s.ctx.Done():
			s.Fatal("the topic does not come to its end")
		case <-time.After(time.Millisecond): // there is no event for it
		}
	}
}

// passed waits until the places of ids are behind a reader.
func (s *suite) passed(r *tail, ids ...codec.MessageID) {
	s.Helper()
	for _, id := range ids {
		for is := false; !is; {
			var err error
			is, err = r.Passed(s.ctx, id.Position())
			s.check(err, "ask what has passed")
		}
	}
}

func (s *suite) notPassed(r *tail, ids ...codec.MessageID) {
	s.Helper()
	for _, id := range ids {
		is, err := r.Passed(s.ctx, id.Position())
		s.check(err, "ask what has passed")
		if is {
			s.Errorf("%+v has passed", id)
		}
	}
}

// sameIDs waits for messages of exactly these ids, in any order.
func (s *suite) sameIDs(r *tail, want []codec.MessageID) {
	s.Helper()
	got := make([]codec.MessageID, 0, len(want))
	for range want {
		got = append(got, r.next().ID)
	}
	slices.SortFunc(got, codec.MessageID.Compare)
	want = slices.Clone(want)
	slices.SortFunc(want, codec.MessageID.Compare)
	if !slices.Equal(got, want) {
		s.Errorf("got ids %+v, want %+v", got, want)
	}
}

var positionCases = []testCase{
	{"an empty topic", nil, func(s *suite) {
		s.lastIs(s.anyReader(s.topic()), codec.MessageID{LedgerID: -1, EntryID: -1, Partition: -1, BatchIndex: -1})
	}},
	{"the last message", nil, func(s *suite) {
		topic := s.topic()
		p, r := s.producer(topic), s.anyReader(topic)
		for range 5 {
			s.lastIs(r, p.publish("a")...)
			s.lastIs(r, s.batch(topic, "b", "c", "d")[2])
		}
		s.lastIs(s.anyReader(topic), s.batch(topic, "e", "f")[1])
	}},
	{"after a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		p, r := s.producer(topic), s.anyReader(topic)
		s.lastIs(r, p.publish("a")...)
		for range 3 {
			s.env.Disconnect(s, topic)
			s.lastIs(r, p.publish("b")...)
		}
	}},
	{"each partition", needsPartitions, func(s *suite) {
		topic := s.env.Partitioned(s, 3)
		p := s.producerOf(bridge.ProducerSpec{Topic: topic, Routing: bridge.RoundRobinPartition, SendTimeout: patience})
		ids := p.publish("a", "b", "c", "d", "e", "f")[3:]
		slices.SortFunc(ids, func(a, b codec.MessageID) int { return int(a.Partition - b.Partition) })
		s.lastIs(s.anyReader(topic), ids...)
	}},
	{"the number of partitions", needsPartitions, func(s *suite) {
		topic := s.env.Partitioned(s, 3)
		for of, want := range map[string]int{
			topic: 3, s.env.Partitioned(s, 1): 1, names.PartitionName(topic, 1): 0, s.topic(): 0,
		} {
			got, err := s.up.Partitions(s.ctx, of, "")
			s.check(err, "ask for the partitions")
			if got != want {
				s.Errorf("%s has %d partitions, want %d", of, got, want)
			}
		}
	}},
	{"ready", nil, func(s *suite) { s.check(s.up.Ready(s.ctx), "ready") }},
}

// anyReader opens a reader that gets no permit.
func (s *suite) anyReader(topic string) *tail {
	s.Helper()
	return s.read(bridge.ReaderSpec{Topic: topic}, 0)
}

// lastIs checks the last position of a reader's topic, partition by partition. Of
// empty ones only the entry counts.
func (s *suite) lastIs(r *tail, want ...codec.MessageID) {
	s.Helper()
	got, err := r.LastPosition(s.ctx)
	s.check(err, "last position")
	for i := range got {
		if got[i].EntryID == -1 {
			got[i].LedgerID = -1
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("last position %+v, want %+v", got, want)
	}
}
