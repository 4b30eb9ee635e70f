package upstreamtest

import (
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

var batchCases = []testCase{
	{"ids of a batch", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 10)
		ids := s.batch(topic, "a", "b", "c")
		for i, m := range in.expect("a", "b", "c") {
			if m.ID != ids[i] {
				s.Errorf("message %d was published as %+v and delivered as %+v", i, ids[i], m.ID)
			}
		}
	}},
	{"gone when all are acknowledged", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 10)
		s.batch(topic, "a", "b", "c")
		got := in.expect("a", "b", "c")
		in.ack(got[1], got[0], got[2])
		in.leave()
		s.marker(spec)
	}},
	{"kept while one is not", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 10)
		s.batch(topic, "a", "b", "c")
		got := in.expect("a", "b", "c")
		in.ack(got[0], got[2])
		in.leave()
		again := s.subscribe(spec, 10)
		for string(again.next().Payload) != "b" {
		}
	}},
	{"all acknowledged by ids from before", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		s.subscribe(spec, 0).leave()
		ids := s.batch(topic, "a", "b", "c")
		in := s.subscribe(spec, 0)
		for _, id := range ids {
			in.Ack(id)
		}
		in.leave()
		s.marker(spec)
	}},
	{"some acknowledged by ids from before", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		s.subscribe(spec, 0).leave()
		ids := s.batch(topic, "a", "b", "c", "d")
		in := s.subscribe(spec, 0)
		in.Ack(ids[0])
		in.Ack(ids[2])
		in.grant(10)
		in.ack(in.expect("b", "d")...)
		in.leave()
		s.marker(spec)
	}},
	{"redelivered without what is acknowledged", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 100)
		s.batch(topic, "a", "b", "c", "d")
		got := in.expect("a", "b", "c", "d")
		in.ack(got[0], got[2])
		in.Redeliver([]codec.MessageID{got[1].ID, got[3].ID})
		again := in.expect("b", "d")
		if again[0].RedeliveryCount != 1 {
			s.Errorf("count %d", again[0].RedeliveryCount)
		}
		in.ack(again...)
		in.leave()
		s.marker(spec)
	}},
	{"acknowledged after its neighbour was asked for again", nil, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 100)
		s.batch(topic, "a", "b", "c")
		got := in.expect("a", "b", "c")
		in.Redeliver([]codec.MessageID{got[1].ID})
		in.ack(got[0], got[2])
		var b *codec.Message
		for b == nil || string(b.Payload) != "b" {
			b = in.next()
		}
		in.ack(b)
		in.leave()
		s.marker(spec)
	}},
	{"half acknowledged over a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		spec := bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}
		in := s.subscribe(spec, 100)
		s.batch(topic, "a", "b", "c")
		got := in.expect("a", "b", "c")
		in.ack(got[0])
		p := s.producer(topic)
		s.env.Disconnect(s, topic)
		p.publish("d")
		again := in.expect("b", "c", "d")
		in.ack(again[0], got[2], again[2])
		in.leave()
		s.marker(spec)
	}},
}
