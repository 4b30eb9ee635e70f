package upstreamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

var producerCases = []testCase{
	{"ids grow and name no batch", nil, func(s *suite) {
		ids := s.producer(s.topic()).publish("a", "b", "c")
		for i, id := range ids {
			if id.Partition != -1 || id.BatchIndex != -1 || id.BatchSize != 0 || id.Topic != "" {
				s.Errorf("id %d: %+v", i, id)
			}
			if i > 0 && id.Compare(ids[i-1]) <= 0 {
				s.Errorf("id %d %+v is not after %+v", i, id, ids[i-1])
			}
		}
	}},
	{"a batch is one entry", nil, func(s *suite) {
		ids := s.batch(s.topic(), "a", "b", "c")
		for i, id := range ids {
			if id.BatchIndex != int32(i) || id.BatchSize != 3 || id.EntryID != ids[0].EntryID {
				s.Errorf("id %d: %+v", i, id)
			}
		}
	}},
	{"all of a message arrives", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 10)
		sent := &bridge.Outgoing{
			Payload: []byte{0, 1, 0xff}, Key: "k\u00e9y", HasKey: true,
			Properties: map[string]string{"a": "1", "": "\u00fc"},
			EventTime:  time.Date(2020, 1, 2, 3, 4, 5, 678e6, time.UTC),
		}
		id := s.producer(topic).send(sent)
		got := in.next()
		if string(got.Payload) != string(sent.Payload) || !maps.Equal(got.Properties, sent.Properties) ||
			got.Key != sent.Key || !got.HasKey || !got.EventTime.Equal(sent.EventTime) || got.PublishTime.IsZero() ||
			got.RedeliveryCount != 0 || got.ID != id {
			s.Errorf("sent %+v with id %+v, got %+v", sent, id, got)
		}
	}},
	{"an empty message arrives", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 10)
		s.producer(topic).publish("")
		s.batch(topic, "", "x", "")
		for i, m := range in.expect("", "", "x", "") {
			if m.HasKey || m.Key != "" || len(m.Properties) != 0 || !m.EventTime.IsZero() {
				s.Errorf("message %d: %+v", i, m)
			}
		}
	}},
	{"every compression", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 10)
		for c := bridge.NoCompression; c <= bridge.Snappy; c++ {
			p := s.producerOf(bridge.ProducerSpec{Topic: topic, Compression: c, SendTimeout: patience})
			text := fmt.Sprintf("%01000d", c)
			p.publish(text)
			in.expect(text)
		}
	}},
	{"confirmed in order", nil, func(s *suite) {
		const n = 500
		topic := s.topic()
		p := s.producerOf(bridge.ProducerSpec{Topic: topic, SendTimeout: patience, MaxPending: n})
		out := make(outcomes, n)
		for i := range n {
			p.Send(&bridge.Outgoing{Payload: fmt.Append(nil, i)}, out)
		}
		var last codec.MessageID
		for i := range n {
			r := out.next(s)
			s.check(r.err, "publish")
			if i > 0 && r.id.Compare(last) <= 0 {
				s.Fatalf("confirmation %d: %+v after %+v", i, r.id, last)
			}
			last = r.id
		}
	}},
	{"a full queue is said and does not block", nil, func(s *suite) {
		const n = 2000
		p := s.producerOf(bridge.ProducerSpec{Topic: s.topic(), SendTimeout: patience, MaxPending: 1})
		out := make(outcomes, n)
		for range n {
			p.Send(&bridge.Outgoing{Payload: []byte("x")}, out)
		}
		for range n {
			if r := out.next(s); r.err != nil && !errors.Is(r.err, bridge.ErrQueueFull) {
				s.Fatalf("publish: %v", r.err)
			}
		}
	}},
	{"close answers all and then refuses", nil, func(s *suite) {
		const n = 200
		p := s.producerOf(bridge.ProducerSpec{
			Topic: s.topic(), SendTimeout: patience, MaxPending: n,
			Batching: true, BatchingMaxDelay: patience, BatchingMaxPending: 10 * n,
		})
		out := make(outcomes, n+1)
		for range n {
			p.Send(&bridge.Outgoing{Payload: []byte("x")}, out)
		}
		p.Close()
		if len(out) != n {
			s.Fatalf("%d of %d publishes are answered after Close", len(out), n)
		}
		for range n {
			s.check(out.next(s).err, "publish")
		}
		p.Send(&bridge.Outgoing{Payload: []byte("x")}, out)
		if err := out.next(s).err; !errors.Is(err, bridge.ErrClosed) {
			s.Errorf("publish after Close: %v", err)
		}
	}},
	{"a name is taken once", nil, func(s *suite) {
		spec := bridge.ProducerSpec{Topic: s.topic(), Name: "only", SendTimeout: patience}
		s.producerOf(spec)
		_, err := s.up.CreateProducer(s.ctx, spec)
		if !errors.Is(err, bridge.ErrBusy) {
			s.Errorf("the second producer of the name: %v", err)
		}
	}},
	{"a name is free after close", nil, func(s *suite) {
		spec := bridge.ProducerSpec{Topic: s.topic(), Name: "only", SendTimeout: patience}
		s.producerOf(spec).Close()
		s.producerOf(spec).publish("x")
	}},
	{"initial sequence id", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 10)
		s.producerOf(bridge.ProducerSpec{
			Topic: topic, SendTimeout: patience, InitialSequenceID: 41, HasInitialSequenceID: true,
		}).publish("a", "b")
		in.expect("a", "b")
	}},
	{"a namespace that does not exist", needsMissing, func(s *suite) {
		_, err := s.up.CreateProducer(s.ctx, bridge.ProducerSpec{Topic: s.env.Missing(s)})
		if !errors.Is(err, bridge.ErrNotFound) {
			s.Errorf("create a producer: %v", err)
		}
	}},
	{"a terminated topic", needsTerminate, func(s *suite) {
		topic := s.topic()
		p := s.producer(topic)
		p.publish("a")
		s.env.Terminate(s, topic)
		if _, err := s.up.CreateProducer(s.ctx, bridge.ProducerSpec{Topic: topic}); !errors.Is(err, bridge.ErrTerminated) {
			s.Errorf("create a producer: %v", err)
		}
		out := make(outcomes, 1)
		p.Send(&bridge.Outgoing{Payload: []byte("b")}, out)
		if err := out.next(s).err; err == nil {
			s.Error("a publish to a terminated topic succeeded")
		}
	}},
	{"a backlog quota", needsQuota, func(s *suite) {
		_, err := s.up.CreateProducer(s.ctx, bridge.ProducerSpec{Topic: s.env.Refuse(s)})
		if !errors.Is(err, bridge.ErrBacklogQuota) {
			s.Errorf("create a producer: %v", err)
		}
	}},
	{"delayed messages come later", nil, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared}, 10)
		p := s.producer(topic)
		// Where they come in relation to the one without a delay depends on how fast they are published.
		begun := time.Now()
		p.send(&bridge.Outgoing{Payload: []byte("after"), DeliverAfter: 2 * time.Second})
		p.send(&bridge.Outgoing{Payload: []byte("at"), DeliverAt: time.Now().Add(4 * time.Second)})
		p.publish("now")
		least := map[string]time.Duration{"now": 0, "after": time.Second, "at": 3 * time.Second} // a broker may be a second early
		for len(least) > 0 {
			text := string(in.next().Payload)
			if early, due := least[text]; !due || time.Since(begun) < early {
				s.Fatalf("%q came after %s", text, time.Since(begun))
			}
			delete(least, text)
		}
	}},
	{"partitions are chosen by key", needsPartitions, func(s *suite) {
		topic := s.env.Partitioned(s, 4)
		for _, scheme := range []bridge.HashingScheme{bridge.JavaStringHash, bridge.Murmur3} {
			for _, mode := range []bridge.RoutingMode{bridge.SinglePartition, bridge.RoundRobinPartition} {
				p := s.producerOf(bridge.ProducerSpec{Topic: topic, HashingScheme: scheme, Routing: mode, SendTimeout: patience})
				first := p.send(&bridge.Outgoing{Payload: []byte("x"), Key: "k", HasKey: true})
				second := p.send(&bridge.Outgoing{Payload: []byte("x"), Key: "k", HasKey: true})
				if first.Partition < 0 || first.Partition > 3 || first.Partition != second.Partition {
					s.Errorf("scheme %d mode %d: partitions %d and %d of one key", scheme, mode, first.Partition, second.Partition)
				}
			}
		}
	}},
	{"partitions without a key", needsPartitions, func(s *suite) {
		topic := s.env.Partitioned(s, 3)
		for mode, want := range map[bridge.RoutingMode]int{bridge.SinglePartition: 1, bridge.RoundRobinPartition: 3} {
			p := s.producerOf(bridge.ProducerSpec{Topic: topic, Routing: mode, SendTimeout: patience})
			used := map[int32]bool{}
			for _, id := range p.publish("a", "b", "c", "d", "e", "f") {
				used[id.Partition] = true
			}
			if len(used) != want {
				s.Errorf("routing %d used %d partitions, want %d", mode, len(used), want)
			}
		}
	}},
	{"a batch holds one sender's messages", nil, func(s *suite) {
		const senders, each = 8, 20
		p := s.producerOf(bridge.ProducerSpec{
			Topic: s.topic(), SendTimeout: patience, Batching: true, BatchingMaxDelay: 50 * time.Millisecond, BatchingMaxPending: 7,
		})
		var from [senders]bridge.Sender
		var out [senders]outcomes
		for i := range from {
			from[i], out[i] = p.NewSender(), make(outcomes, each)
		}
		for n := 0; n < each; n += 2 {
			for i := range from {
				for range 2 {
					from[i].Send(&bridge.Outgoing{Payload: fmt.Append(nil, i)}, out[i])
				}
			}
		}
		type entry struct{ ledger, entry int64 }
		owner, together := map[entry]int{}, false
		for i := range from {
			var last codec.MessageID
			for range each {
				r := out[i].next(s)
				s.check(r.err, "publish")
				at := entry{r.id.LedgerID, r.id.EntryID}
				if other, ok := owner[at]; ok && other != i {
					s.Fatalf("messages of senders %d and %d are in one batch, %+v", other, i, r.id)
				}
				owner[at] = i
				if r.id.Compare(last) <= 0 {
					s.Fatalf("sender %d: %+v after %+v", i, r.id, last)
				}
				last, together = r.id, together || r.id.BatchSize > 1
			}
		}
		if !together {
			s.Error("no two messages are in one batch")
		}
	}},
	{"each sender chooses a partition", needsPartitions, func(s *suite) {
		const senders = 24
		p := s.producerOf(bridge.ProducerSpec{Topic: s.env.Partitioned(s, 4), SendTimeout: patience})
		chosen := map[int32]int{}
		for range senders {
			from, out := p.NewSender(), make(outcomes, 1)
			first := int32(-1)
			for range 3 {
				from.Send(&bridge.Outgoing{Payload: []byte("x")}, out)
				r := out.next(s)
				s.check(r.err, "publish")
				if first < 0 {
					first = r.id.Partition
					chosen[first]++
				}
				if r.id.Partition != first {
					s.Errorf("a sender used partitions %d and %d", first, r.id.Partition)
				}
			}
		}
		if len(chosen) < 2 {
			s.Errorf("%d senders chose %v", senders, chosen)
		}
	}},
	{"publishing goes on after a lost connection", needsReconnect, func(s *suite) {
		topic := s.topic()
		in := s.subscribe(bridge.ConsumerSpec{Topic: topic, Subscription: "s"}, 100)
		p := s.producer(topic)
		p.publish("a")
		in.ack(in.expect("a")...)
		s.env.Disconnect(s, topic)
		p.publish("b")
		for string(in.next().Payload) != "b" { // "a" again, if its acknowledgement was lost
		}
	}},
}

// testClose checks that closing the upstream answers what is under way.
func testClose(t *testing.T, up bridge.Upstream, env Env) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &suite{TB: t, up: up, env: env, ctx: ctx}
	topic := s.topic()
	p, err := up.CreateProducer(ctx, bridge.ProducerSpec{
		Topic: topic, SendTimeout: patience, Batching: true, BatchingMaxDelay: patience, BatchingMaxPending: 1000,
	})
	s.check(err, "create a producer")
	in := s.inbox()
	c, err := up.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 10, RedeliveryTick: redeliveryTick}, in)
	s.check(err, "subscribe")
	in.grant(c, 1)
	const n = 50
	out := make(outcomes, n)
	for range n {
		p.Send(&bridge.Outgoing{Payload: []byte("x")}, out)
	}
	up.Close()
	if len(out) != n {
		t.Errorf("%d of %d publishes are answered after Close", len(out), n)
	}
	if _, err := up.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic}); !errors.Is(err, bridge.ErrClosed) {
		t.Errorf("create a producer after Close: %v", err)
	}
	if up.Close(); in.fault != "" {
		t.Error(in.fault)
	}
}
