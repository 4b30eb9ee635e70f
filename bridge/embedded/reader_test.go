package embedded

import (
	"context"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

func TestReaderPositions(t *testing.T) {
	at := func(id codec.MessageID, inclusive bool) bridge.ReaderSpec {
		return bridge.ReaderSpec{Start: bridge.StartAtPosition, Position: id, Inclusive: inclusive}
	}
	for name, c := range map[string]struct {
		spec func(ids []codec.MessageID) bridge.ReaderSpec
		want []string
	}{
		"latest":         {func([]codec.MessageID) bridge.ReaderSpec { return bridge.ReaderSpec{} }, nil},
		"earliest":       {func([]codec.MessageID) bridge.ReaderSpec { return bridge.ReaderSpec{Start: bridge.StartEarliest} }, numbers(0, 5)},
		"after":          {func(ids []codec.MessageID) bridge.ReaderSpec { return at(ids[2], false) }, numbers(3, 5)},
		"at":             {func(ids []codec.MessageID) bridge.ReaderSpec { return at(ids[2], true) }, numbers(2, 5)},
		"after the last": {func(ids []codec.MessageID) bridge.ReaderSpec { return at(ids[4], false) }, nil},
		"earlier ledger": {func(ids []codec.MessageID) bridge.ReaderSpec { ids[4].LedgerID = 1; return at(ids[4], false) }, numbers(0, 5)},
		"later ledger":   {func(ids []codec.MessageID) bridge.ReaderSpec { ids[0].LedgerID += 1000; return at(ids[0], true) }, nil},
		"before all":     {func(ids []codec.MessageID) bridge.ReaderSpec { ids[0].EntryID = -1; return at(ids[0], false) }, numbers(0, 5)},
	} {
		t.Run(name, func(t *testing.T) {
			u := start(t, Options{})
			p := produce(t, u, bridge.ProducerSpec{})
			r := read(t, u, c.spec(p.send(numbers(0, 5)...)), 100)
			r.take(c.want...)
			next := p.send("next")
			if m := r.take("next")[0]; m.ID != next[0] {
				t.Errorf("read as %+v, published as %+v", m.ID, next[0])
			}
		})
	}
}

// What was evicted has passed, also where nothing is left behind it.
func TestReaderPassesOver(t *testing.T) {
	u := start(t, Options{MemoryLimit: 1 << 20})
	p := produce(t, u, bridge.ProducerSpec{})
	id := p.send("0")[0]
	r := read(t, u, bridge.ReaderSpec{Start: bridge.StartAtPosition, Position: id, Inclusive: true}, 0)
	passed := func() bool {
		is, err := r.Passed(t.Context(), id.Position())
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if passed() {
		t.Error("it is still to come")
	}
	u.mu.Lock()
	u.evict(0, true)
	u.mu.Unlock()
	if !passed() {
		t.Error("it was evicted, and may come still")
	}
	p.send("1")
	if !passed() {
		t.Error("it comes again")
	}
}

func TestReaderInsideBatch(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{Batching: true, BatchingMaxPending: 4, BatchingMaxDelay: time.Hour})
	answers := make(answerChan, 8)
	for _, s := range numbers(0, 8) {
		p.Send(&bridge.Outgoing{Payload: []byte(s)}, answers)
	}
	var ids []codec.MessageID
	for range 8 {
		ids = append(ids, (<-answers).id)
	}
	at := bridge.ReaderSpec{Start: bridge.StartAtPosition, Position: ids[5]}
	read(t, u, at, 100).take("6", "7")
	at.Inclusive = true
	read(t, u, at, 100).take("5", "6", "7")
	whole := ids[1]
	whole.BatchIndex, whole.BatchSize = -1, 0
	read(t, u, bridge.ReaderSpec{Start: bridge.StartAtPosition, Position: whole}, 100).take("4", "5", "6", "7")
}

func TestReaderFlow(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	r := read(t, u, bridge.ReaderSpec{}, 0)
	p.send(numbers(0, 5)...)
	settle(t, u)
	r.empty()
	r.Permit(2)
	r.take("0", "1")
	settle(t, u)
	r.empty()
	r.Permit(10)
	r.take("2", "3", "4")
	r.Close()
	p.send("after")
	settle(t, u)
	r.empty()
}

// A reader of several partitions gets their messages as they were published.
func TestReaderOfPartitions(t *testing.T) {
	u := start(t, Options{})
	if err := u.CreatePartitionedTopic(testTopic, 3); err != nil {
		t.Fatal(err)
	}
	p := produce(t, u, bridge.ProducerSpec{Routing: bridge.RoundRobinPartition})
	ids := p.send(numbers(0, 10)...)
	read(t, u, bridge.ReaderSpec{Start: bridge.StartEarliest}, 100).take(numbers(0, 10)...)
	at := bridge.ReaderSpec{Topic: testTopic, Start: bridge.StartAtPosition, Position: ids[4]}
	_, err := u.OpenReader(context.Background(), at, newInbox(t))
	wantKind(t, err, bridge.ErrInvalid)
	r := read(t, u, bridge.ReaderSpec{}, 100)
	p.send("x")
	r.take("x")
}

func TestDeleteTopic(t *testing.T) {
	u := start(t, Options{})
	before := u.used
	p := produce(t, u, bridge.ProducerSpec{})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 1)
	r := read(t, u, bridge.ReaderSpec{}, 1)
	p.send("a", "b")
	wantKind(t, u.DeleteTopic(testTopic, false), bridge.ErrBusy)
	if err := u.DeleteTopic(testTopic, true); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []chan error{c.lost, r.lost} {
		select {
		case err := <-lost:
			wantKind(t, err, bridge.ErrNotFound)
		case <-time.After(patience):
			t.Fatal("Lost was not called")
		}
	}
	_, err := p.try(&bridge.Outgoing{})
	wantKind(t, err, bridge.ErrNotFound)
	c.ack(&codec.Message{})
	c.Close()
	r.Close()
	p.Close()
	wantKind(t, u.DeleteTopic(testTopic, true), bridge.ErrNotFound)
	if u.used != before {
		t.Errorf("%d bytes are charged for a topic that is deleted", u.used-before)
	}
	produce(t, u, bridge.ProducerSpec{}).send("again")
}

func TestTopicsList(t *testing.T) {
	u := start(t, Options{})
	a, b := testTopic+"-a", testTopic+"-b"
	if err := u.CreatePartitionedTopic(b, 2); err != nil {
		t.Fatal(err)
	}
	spec := bridge.ConsumerSpec{Topics: a + "," + b + "," + a, Type: bridge.Shared}
	c := subscribe(t, u, spec, 100)
	pa, pb := produce(t, u, bridge.ProducerSpec{Topic: a}), produce(t, u, bridge.ProducerSpec{Topic: b, Routing: bridge.RoundRobinPartition})
	pa.send("a0")
	pb.send("b0", "b1")
	ms := c.takeAny("a0", "b0", "b1")
	for _, m := range ms {
		if want := testTopic + "-" + payload(m)[:1]; m.ID.Topic != want {
			t.Errorf("%s came from topic %q, want %q", payload(m), m.ID.Topic, want)
		}
	}
	c.Close()
	c = subscribe(t, u, spec, 0)
	c.ack(ms...)
	c.Permit(10)
	settle(t, u)
	c.empty()
	for _, topic := range []string{a, b} {
		if n := backlog(t, u, topic, "s"); n != 0 {
			t.Errorf("backlog %d on %s", n, topic)
		}
	}
}

func TestTopicsPattern(t *testing.T) {
	u := start(t, Options{})
	existing := produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-1"})
	c := subscribe(t, u, bridge.ConsumerSpec{TopicsPattern: testTopic + "-[0-9]"}, 100)
	existing.send("a")
	c.take("a")
	produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-2"}).send("new")
	if m := c.take("new")[0]; m.ID.Topic != testTopic+"-2" {
		t.Errorf("topic %q", m.ID.Topic)
	}
	produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-22"}).send("no")
	produce(t, u, bridge.ProducerSpec{Topic: "non-persistent://public/default/t-3"}).send("no")
	if err := u.CreatePartitionedTopic(testTopic+"-4", 2); err != nil {
		t.Fatal(err)
	}
	produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-4"}).send("partition")
	c.take("partition")
	if err := u.DeleteTopic(testTopic+"-1", true); err != nil {
		t.Fatal(err)
	}
	settle(t, u)
	if len(c.lost) > 0 {
		t.Error("a pattern's consumer was lost with one of its topics")
	}
	_, err := u.Subscribe(context.Background(), bridge.ConsumerSpec{TopicsPattern: "persistent://public/default/(", Subscription: "s"}, newInbox(t))
	wantKind(t, err, bridge.ErrInvalid)
	_, err = u.Subscribe(context.Background(), bridge.ConsumerSpec{TopicsPattern: "persistent://public/none/.*", Subscription: "s"}, newInbox(t))
	wantKind(t, err, bridge.ErrNotFound)
}

// TestSinceWhereTheClockWasSet finds the first message of a time though times do not grow.
func TestSinceWhereTheClockWasSet(t *testing.T) {
	u := start(t, Options{})
	produce(t, u, bridge.ProducerSpec{}).send(numbers(0, 6)...)
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, topic := range u.topics {
		for i, second := range []int64{10, 20, 21, 15, 16, 22} {
			(*topic.log.at(i)).published = time.Unix(second, 0)
		}
		for second, want := range map[int64]int64{0: 0, 11: 1, 17: 1, 21: 2, 22: 5, 23: 6} {
			if got := topic.since(second * 1000); got != topic.first+want {
				t.Errorf("since %d: %d, want %d", second, got, want)
			}
		}
	}
}
