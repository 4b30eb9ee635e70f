package upstreamtest

import (
	"errors"
	"slices"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

var subscriptionCases = []testCase{
	{"exclusive means one", nil, func(s *suite) {
		spec := bridge.ConsumerSpec{Topic: s.topic(), Subscription: "s"}
		in := s.subscribe(spec, 0)
		if _, err := s.trySubscribe(spec); !errors.Is(err, bridge.ErrBusy) {
			s.Errorf("the second consumer: %v", err)
		}
		in.leave()
		s.subscribe(spec, 0)
	}},
	{"shared means each message once", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 1}
		texts := numbers(10)
		feed := make(chan arrival, 2*len(texts))
		for range 2 {
			in := s.subscribe(spec, 0)
			in.feed = feed
			in.grant(len(texts))
		}
		s.producer(topic).publish(texts...)
		var got []string
		for range texts {
			select {
			case m := <-feed:
				got = append(got, string(m.Payload))
			case <-s.ctx.Done():
				s.Fatalf("only %q came", got)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, texts) {
			s.Errorf("got %q", got)
		}
	}},
	{"a consumer without permits does not hold the others up", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 1}
		s.subscribe(spec, 0)
		in := s.subscribe(spec, 100)
		const n = 20
		s.producer(topic).publish(numbers(n)...)
		for range n - 1 { // the other may have prefetched one
			in.next()
		}
	}},
	{"shared gives what one leaves to the other", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		one := s.subscribe(spec, 10)
		s.producer(topic).publish("a", "b")
		one.expect("a", "b")
		two := s.subscribe(spec, 10)
		one.leave()
		got := []string{string(two.next().Payload), string(two.next().Payload)}
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "b"}) {
			s.Errorf("got %q", got)
		}
	}},
	{"shared gives to a lower priority level what the others have no room for", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10, PriorityLevel: 7}
		low := s.subscribe(spec, 100)
		spec.PriorityLevel = 0
		high := s.subscribe(spec, 100)
		p := s.producer(topic)
		for _, text := range numbers(30) {
			p.publish(text)
			high.ack(high.expect(text)...)
		}
		high.leave()
		p.publish("rest")
		low.expect("rest")
	}},
	{"failover takes over", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Failover}
		one := s.subscribe(spec, 10)
		p := s.producer(topic)
		p.publish("a")
		one.ack(one.expect("a")...)
		two := s.subscribe(spec, 10)
		one.leave()
		p.publish("b")
		two.expect("b")
	}},
	{"key shared keeps a key together", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.KeyShared}
		const keys, rounds = 10, 3
		feed := make(chan arrival, keys*rounds)
		for i := range 2 {
			in := s.subscribe(spec, 0)
			in.feed, in.index = feed, i
			in.grant(keys * rounds)
		}
		p := s.producer(topic)
		for range rounds {
			for k := range keys {
				p.send(&bridge.Outgoing{Payload: []byte("x"), Key: string(rune('a' + k)), HasKey: true})
			}
		}
		owner := map[string]int{}
		for range keys * rounds {
			select {
			case m := <-feed:
				if before, ok := owner[m.Key]; ok && before != m.index {
					s.Errorf("key %q went to both consumers", m.Key)
				}
				owner[m.Key] = m.index
			case <-s.ctx.Done():
				s.Fatal("no message came to any consumer")
			}
		}
	}},
	{"unsubscribe deletes", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s"}
		in := s.subscribe(spec, 0)
		p := s.producer(topic)
		p.publish("a")
		s.check(in.Unsubscribe(s.ctx), "unsubscribe")
		in.leave()
		again := s.subscribe(spec, 10)
		p.publish("b")
		again.expect("b")
	}},
	{"unsubscribe needs to be alone", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		one, two := s.subscribe(spec, 1), s.subscribe(spec, 1)
		if err := one.Unsubscribe(s.ctx); !errors.Is(err, bridge.ErrSubscriptions) {
			s.Errorf("unsubscribe beside another: %v", err)
		}
		// Both go on. One of them may be sent more than it has permits for, so there
		// are enough for both.
		s.producer(topic).publish(numbers(100)...)
		one.next()
		two.next()
	}},
	{"not durable is gone with its last consumer", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", NonDurable: true}
		in := s.subscribe(spec, 10)
		p := s.producer(topic)
		p.publish("a")
		in.expect("a")
		in.leave()
		if s.env.AwaitGone != nil {
			s.env.AwaitGone(s.ctx, s, topic, "s")
		}
		p.publish("b")
		again := s.subscribe(spec, 10)
		p.publish("c")
		again.expect("c")
	}},
	{"not durable keeps its place over a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("before")
		fresh := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "fresh", NonDurable: true}, 10)
		used := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "used", NonDurable: true, Earliest: true}, 10)
		used.ack(used.expect("before")...)
		s.env.Disconnect(s, topic)
		p.publish("a")
		fresh.expect("a")
		used.expect("a")
	}},
	{"partitions", needsPartitions, func(s *suite) {
		topic := s.env.Partitioned(s, 3)
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 100)
		p := s.producerOf(bridge.ProducerSpec{Topic: topic, Routing: bridge.RoundRobinPartition, SendTimeout: patience})
		ids := p.publish(numbers(9)...)
		for range ids {
			m := in.next()
			if !slices.Contains(ids, m.ID) {
				s.Errorf("id %+v was not published", m.ID)
			}
			in.ack(m)
		}
		in.leave()
		s.marker(spec)
	}},
	{"partitions on an exclusive subscription", needsPartitions, func(s *suite) {
		spec := bridge.ConsumerSpec{Topic: s.env.Partitioned(s, 2), Subscription: "s"}
		s.subscribe(spec, 0)
		if _, err := s.trySubscribe(spec); !errors.Is(err, bridge.ErrBusy) {
			s.Errorf("the second consumer: %v", err)
		}
	}},
	{"many topics", nil, func(s *suite) {
		topics := []string{s.topic(), s.topic()}
		if s.env.Partitioned != nil {
			topics = append(topics, s.env.Partitioned(s, 2))
		}
		spec := bridge.ConsumerSpec{Topics: strings.Join(topics, ","), Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 100)
		for _, topic := range topics {
			s.producer(topic).publish(topic)
		}
		var ids []codec.MessageID
		for range topics {
			m := in.next()
			if m.ID.Topic != string(m.Payload) {
				s.Errorf("a message of %q has the topic %q", m.Payload, m.ID.Topic)
			}
			ids = append(ids, m.ID)
		}
		in.leave()
		again := s.subscribe(spec, 0)
		for _, id := range ids {
			again.Ack(id)
		}
		again.leave()
		last := s.subscribe(spec, 100)
		for _, topic := range topics {
			s.producer(topic).publish("marker")
		}
		for range topics {
			last.expect("marker")
		}
	}},
	{"topics by pattern", nil, func(s *suite) {
		base := s.topic()
		p, q := s.producer(base+"-x1"), s.producer(base+"-x2")
		other := s.producer(base + "-y")
		spec := bridge.ConsumerSpec{TopicsPattern: base + "-x.*", Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 100)
		other.publish("other")
		p.publish("one")
		one := in.expect("one")[0]
		q.publish("two")
		two := in.expect("two")[0]
		if one.ID.Topic != base+"-x1" || two.ID.Topic != base+"-x2" {
			s.Errorf("topics %q and %q", one.ID.Topic, two.ID.Topic)
		}
		in.ack(one, two)
		in.leave()
		again := s.subscribe(spec, 100)
		p.publish("three")
		again.expect("three")
	}},
	{name: "as many topics as there may be", run: func(s *suite) {
		base := s.topic()
		spec := bridge.ConsumerSpec{Topics: base + "-1," + base + "-2", Subscription: "s", Type: bridge.Shared, MaxTopics: 2}
		in := s.subscribe(spec, 100)
		s.producer(base + "-2").publish("one")
		in.ack(in.expect("one")...)
		in.leave()
		s.refuseTopics(spec, base+"-1,"+base+"-2,"+base+"-3")
		spec.Topics, spec.TopicsPattern = "", base+"-.*"
		in = s.subscribe(spec, 100)
		s.producer(base + "-1").publish("two")
		in.ack(in.expect("two")...)
		in.leave()
		s.producer(base + "-3").publish("three")
		s.refuseTopics(spec, "")
	}},
	{name: "partitions count among the topics", needs: needsPartitions, run: func(s *suite) {
		topics := s.env.Partitioned(s, 3) + "," + s.topic()
		s.refuseTopics(bridge.ConsumerSpec{Subscription: "s", Type: bridge.Shared, MaxTopics: 3}, topics)
		s.subscribe(bridge.ConsumerSpec{Topics: topics, Subscription: "s", Type: bridge.Shared, MaxTopics: 4}, 1).leave()
	}},
}

// refuseTopics checks that a subscription is refused for the number of its topics.
func (s *suite) refuseTopics(spec bridge.ConsumerSpec, topics string) {
	s.Helper()
	spec.Topics = topics
	if _, err := s.trySubscribe(spec); !errors.Is(err, bridge.ErrInvalid) || !strings.Contains(err.Error(), "maxTopicsPerSession") {
		s.Errorf("%s%s: %v", spec.Topics, spec.TopicsPattern, err)
	}
}
