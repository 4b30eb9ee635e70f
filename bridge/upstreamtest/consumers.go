package upstreamtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// redeliveryTick is how soon the cases want messages again.
const redeliveryTick = 50 * time.Millisecond

var consumerCases = []testCase{
	{"permits bound what is delivered", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 2}, 0)
		texts := numbers(20)
		s.producer(topic).publish(texts...)
		in.grant(3)
		in.expect(texts[:3]...)
		in.grant(1)
		in.grant(4)
		in.expect(texts[3:8]...)
		in.grant(100)
		in.expect(texts[8:]...)
	}},
	{"permits in a batch", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 1}, 0)
		s.batch(topic, numbers(10)...)
		for _, text := range numbers(10) {
			in.grant(1)
			in.expect(text)
		}
	}},
	{"latest and earliest", nil, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a")
		latest := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "latest"}, 10)
		earliest := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "earliest", Earliest: true}, 10)
		p.publish("b")
		latest.expect("b")
		earliest.expect("a", "b")
	}},
	{"what is acknowledged does not come again, the rest does", nil, func(s *suite) {
		for _, kind := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.Failover, bridge.KeyShared} {
			topic := s.topic()
			spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: kind}
			in := s.subscribe(spec, 10)
			s.producer(topic).publish("a", "b", "c")
			got := in.expect("a", "b", "c")
			in.ack(got[0], got[2])
			in.leave()
			again := s.subscribe(spec, 10)
			again.expect("b")
			again.leave()
			s.marker(spec, "b")
		}
	}},
	{"acknowledging twice and nonsense is harmless", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s"}
		in := s.subscribe(spec, 10)
		p := s.producer(topic)
		p.publish("a")
		got := in.expect("a")
		in.ack(got[0], got[0])
		for _, id := range []codec.MessageID{
			{LedgerID: -1, EntryID: -1, Partition: -1, BatchIndex: -1},
			{LedgerID: 1 << 60, EntryID: 7, Partition: 5, BatchIndex: 3, BatchSize: 2},
			{LedgerID: 3, EntryID: 1, Partition: -1, BatchIndex: 1 << 30, BatchSize: 1 << 30},
			{LedgerID: 3, EntryID: 1, Partition: -7, BatchIndex: -5, BatchSize: -1, Topic: "persistent://x/y/z"},
		} {
			in.Ack(id)
			in.Redeliver([]codec.MessageID{id})
		}
		p.publish("b")
		in.ack(in.expect("b")...)
		in.leave()
		s.marker(spec)
	}},
	{"acknowledged by an id from before", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Earliest: true}
		ids := s.producer(topic).publish("a", "b", "c")
		in := s.subscribe(spec, 0)
		in.Ack(ids[0])
		in.Ack(ids[1])
		in.leave()
		s.subscribe(spec, 10).expect("c")
	}},
	{"redelivered with a count", nil, func(s *suite) {
		for _, kind := range []bridge.SubscriptionType{bridge.Shared, bridge.KeyShared} {
			topic := s.topic()
			in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: kind}, 10)
			s.producer(topic).publish("a", "b")
			got := in.expect("a", "b")
			in.ack(got[1])
			for n := uint32(1); n <= 3; n++ {
				in.Redeliver([]codec.MessageID{got[0].ID})
				m := in.expect("a")[0]
				if m.RedeliveryCount != n || m.ID != got[0].ID {
					s.Errorf("%v: redelivery %d: count %d, id %+v", kind, n, m.RedeliveryCount, m.ID)
				}
			}
		}
	}},
	{"redelivered on an ordered subscription", nil, func(s *suite) {
		for _, kind := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Failover} {
			topic := s.topic()
			in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: kind}, 100)
			s.producer(topic).publish("a", "b")
			got := in.expect("a", "b")
			in.Redeliver([]codec.MessageID{got[0].ID})
			for string(in.next().Payload) != "a" { // a broker may repeat more than was asked for
			}
		}
	}},
	{"redelivered on an ordered subscription, nothing acknowledged comes again", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 1)
		texts := numbers(30)
		s.producer(topic).publish(texts...)
		first := in.expect(texts[0])[0]
		in.Redeliver([]codec.MessageID{first.ID})
		acked := map[string]bool{}
		for again := 0; again == 0 || len(acked) < len(texts); {
			in.grant(1) // after what came is acknowledged: with more, both copies may be here before the first is
			m := in.next()
			text := string(m.Payload)
			if acked[text] {
				s.Fatalf("%q came again after it was acknowledged", text)
			}
			if text == texts[0] {
				again++
			}
			acked[text] = true
			in.ack(m)
		}
	}},
	{"several at once", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}, 100)
		texts := numbers(10)
		s.producer(topic).publish(texts...)
		var ids []codec.MessageID
		for _, m := range in.expect(texts...) {
			ids = append(ids, m.ID)
		}
		in.Redeliver(ids)
		var again []string
		for range texts {
			again = append(again, string(in.next().Payload))
		}
		slices.Sort(again)
		if !slices.Equal(again, texts) {
			s.Errorf("redelivered: %q", again)
		}
	}},
	{"a lost connection loses and forgets nothing", needsReconnect, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 3}
		in := s.subscribe(spec, 2)
		p := s.producer(topic)
		texts := numbers(10)
		p.publish(texts...)
		in.ack(in.expect(texts[:2]...)...)
		s.env.Disconnect(s, topic)
		in.grant(1000)
		seen := map[string]*codec.Message{}
		for len(seen) < 8 {
			m := in.next()
			if t := string(m.Payload); t > texts[1] {
				seen[t] = m
			}
		}
		for _, m := range seen {
			in.Ack(m.ID)
		}
		in.leave()
		s.marker(spec, texts...)
	}},
	{"the end of a topic", needsTerminate, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 0)
		s.producer(topic).publish("a")
		s.batch(topic, "b", "c")
		s.notAtEnd(in, "before it is terminated")
		s.env.Terminate(s, topic)
		in.grant(2)
		in.ack(in.expect("a", "b")...)
		s.notAtEnd(in, "before the last message")
		in.grant(1)
		c := in.expect("c")
		s.notAtEnd(in, "before the last message is acknowledged")
		in.ack(c...)
		s.atEnd(in)
	}},
	{"the end of a topic that others have read", func(e *Env) bool { return e.Terminate != nil && e.Admin }, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 1)
		s.producer(topic).publish("a")
		a := in.expect("a")
		s.env.Terminate(s, topic)
		in.leave()
		in = s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 1)
		s.notAtEnd(in, "before the last message is acknowledged")
		in.ack(a...)
		s.atEnd(in)
		in.leave()
		s.atEnd(s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 1))
	}},
	{"the end of a topic that is terminated last", needsTerminate, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}, 10)
		s.producer(topic).publish("a")
		in.ack(in.expect("a")...)
		s.notAtEnd(in, "before it is terminated")
		s.env.Terminate(s, topic)
		s.atEnd(in)
	}},
	{"the end of partitions", func(e *Env) bool { return e.Partitioned != nil && e.Terminate != nil }, func(s *suite) {
		topic := s.env.Partitioned(s, 2)
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}, 10)
		r := s.read(bridge.ReaderSpec{Topic: topic}, 10)
		p := s.producerOf(bridge.ProducerSpec{Topic: topic, Routing: bridge.RoundRobinPartition, SendTimeout: patience})
		p.publish("a", "b")
		in.Ack(in.next().ID)
		in.Ack(in.next().ID)
		r.next()
		r.next()
		s.env.Terminate(s, names.PartitionName(topic, 0))
		s.notAtEnd(in, "before both partitions are terminated")
		s.notAtEnd(r, "before both partitions are terminated")
		s.env.Terminate(s, names.PartitionName(topic, 1))
		s.atEnd(in)
		s.atEnd(r)
	}},
	{"dead letters", nil, func(s *suite) {
		topic := s.topic()
		const limit = 2
		dead := s.subscribe(bridge.ConsumerSpec{Topic: topic + "-s-DLQ", Subscription: "dead"}, 10)
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, MaxRedeliver: limit}
		in := s.subscribe(spec, 100)
		p := s.producer(topic)
		p.send(&bridge.Outgoing{Payload: []byte("bad"), Key: "k", HasKey: true, Properties: map[string]string{"a": "b"}})
		for n := range uint32(limit + 1) {
			m := in.expect("bad")[0]
			if m.RedeliveryCount != n {
				s.Errorf("delivery %d has count %d", n, m.RedeliveryCount)
			}
			in.Redeliver([]codec.MessageID{m.ID})
		}
		m := dead.expect("bad")[0]
		if m.Key != "k" || m.Properties["a"] != "b" {
			s.Errorf("dead letter: %+v", m)
		}
		p.publish("good")
		in.ack(in.expect("good")...)
		in.leave()
		s.marker(spec)
	}},
	{"a dead letter topic by name", nil, func(s *suite) {
		topic, graveyard := s.topic(), s.topic()
		dead := s.subscribe(bridge.ConsumerSpec{Topic: graveyard, Subscription: "dead"}, 10)
		in := s.subscribe(bridge.ConsumerSpec{
			Topic: topic, Subscription: "s", Type: bridge.Shared, MaxRedeliver: 1, DeadLetterTopic: graveyard,
		}, 100)
		s.producer(topic).publish("bad")
		for range 2 {
			in.Redeliver([]codec.MessageID{in.expect("bad")[0].ID})
		}
		dead.expect("bad")
	}},
	{"a namespace that does not exist", needsMissing, func(s *suite) {
		_, err := s.trySubscribe(bridge.ConsumerSpec{Topic: s.env.Missing(s), Subscription: "s"})
		if !errors.Is(err, bridge.ErrNotFound) {
			s.Errorf("subscribe: %v", err)
		}
	}},
}

// marker checks that nothing is left on a subscription but what is in may, by
// publishing one more message.
func (s *suite) marker(spec bridge.ConsumerSpec, may ...string) {
	s.Helper()
	s.producer(spec.Topic).publish("marker")
	in := s.subscribe(spec, 1000)
	defer in.leave()
	for {
		m := in.next()
		if string(m.Payload) == "marker" {
			in.ack(m)
			return
		}
		if !slices.Contains(may, string(m.Payload)) {
			s.Errorf("%q was acknowledged and came again", m.Payload)
		}
	}
}

// numbers makes n texts in order.
func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%04d", i)
	}
	return out
}
