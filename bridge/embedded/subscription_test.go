package embedded

import (
	"context"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

func TestExclusiveInOrderWithinPermits(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 3)
	p := produce(t, u, bridge.ProducerSpec{})
	ids := p.send(numbers(0, 5)...)
	ms := c.take("0", "1", "2")
	settle(t, u)
	c.empty()
	for i, m := range ms {
		if m.ID != ids[i] || m.RedeliveryCount != 0 || m.PublishTime.IsZero() {
			t.Errorf("message %d is %+v, published as %+v", i, m, ids[i])
		}
	}
	c.Permit(1)
	c.take("3")
	_, err := trySubscribe(t, u, bridge.ConsumerSpec{}, 0)
	wantKind(t, err, bridge.ErrBusy)
	_, err = trySubscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared}, 0)
	wantKind(t, err, bridge.ErrBusy)
}

func TestPositionsIncrease(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	ids := p.send(numbers(0, 20)...)
	for i := 1; i < len(ids); i++ {
		if ids[i-1].Compare(ids[i]) >= 0 {
			t.Fatalf("%+v is not before %+v", ids[i-1], ids[i])
		}
	}
	last, err := read(t, u, bridge.ReaderSpec{}, 0).LastPosition(context.Background())
	if err != nil || len(last) != 1 || last[0] != ids[19] {
		t.Fatalf("last position %+v, %v, want %+v", last, err, ids[19])
	}
}

func TestInitialPosition(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	p.send("a")
	late := subscribe(t, u, bridge.ConsumerSpec{Subscription: "latest"}, 10)
	early := subscribe(t, u, bridge.ConsumerSpec{Subscription: "earliest", Earliest: true}, 10)
	p.send("b")
	late.take("b")
	early.take("a", "b")
}

func TestDurableOutlivesItsConsumers(t *testing.T) {
	u := start(t, Options{})
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.Failover, bridge.KeyShared} {
		t.Run(typ.String(), func(t *testing.T) {
			topic := testTopic + typ.String()
			spec := bridge.ConsumerSpec{Topic: topic, Type: typ}
			c := subscribe(t, u, spec, 10)
			p := produce(t, u, bridge.ProducerSpec{Topic: topic})
			for _, s := range numbers(0, 6) {
				p.sendKeyed("k", s)
			}
			ms := c.take(numbers(0, 6)...)
			c.ack(ms[0], ms[3])
			c.Close()
			if n := backlog(t, u, topic, "s"); n != 4 {
				t.Errorf("backlog %d, want 4", n)
			}
			p.sendKeyed("k", "6")
			c = subscribe(t, u, spec, 10)
			ms = c.take("1", "2", "4", "5", "6")
			for i, m := range ms {
				if want := uint32(1); i < 4 && m.RedeliveryCount != want || i == 4 && m.RedeliveryCount != 0 {
					t.Errorf("%s has redelivery count %d", payload(m), m.RedeliveryCount)
				}
			}
			c.ack(ms...)
			if n := backlog(t, u, topic, "s"); n != 0 {
				t.Errorf("backlog %d after all is acknowledged", n)
			}
		})
	}
}

func TestNonDurableGoesWithItsConsumer(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	spec := bridge.ConsumerSpec{NonDurable: true}
	c := subscribe(t, u, spec, 10)
	p.send("a")
	c.take("a")
	c.Close()
	if st, _ := u.TopicStats(testTopic); len(st.Subscriptions) != 0 {
		t.Errorf("subscriptions left: %v", st.Subscriptions)
	}
	p.send("b")
	c = subscribe(t, u, spec, 10)
	p.send("c")
	c.take("c")
}

func TestUndeliveredKeepsItsCount(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	in := newInbox(t)
	in.deliver = func(*codec.Message) { held <- struct{}{}; <-hold }
	spec := bridge.ConsumerSpec{Topic: testTopic, Subscription: "s", Type: bridge.Shared, Earliest: true}
	c, err := u.Subscribe(context.Background(), spec, in)
	if err != nil {
		t.Fatal(err)
	}
	p.send("a", "b", "c")
	c.Permit(10)
	<-held
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	for !c.(*consumer).closing.Load() {
	}
	close(hold)
	<-closed
	ms := subscribe(t, u, spec, 10).takeAny("a", "b", "c")
	for _, m := range ms {
		if want := map[string]uint32{"a": 1}[payload(m)]; m.RedeliveryCount != want {
			t.Errorf("%s has redelivery count %d, want %d", payload(m), m.RedeliveryCount, want)
		}
	}
}

func TestRedeliverRaisesCount(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared}, 100)
	produce(t, u, bridge.ProducerSpec{}).send("0", "1")
	ms := c.take("0", "1")
	for want := uint32(1); want <= 3; want++ {
		c.nack(ms[0])
		again := c.take("0")[0]
		if again.RedeliveryCount != want || again.ID != ms[0].ID {
			t.Fatalf("came as %+v, want redelivery count %d of %+v", again, want, ms[0].ID)
		}
	}
	c.ack(ms[0])
	c.nack(ms[0])
	settle(t, u)
	c.empty()
}

func TestRedeliverExclusiveInOrder(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 5)
	p := produce(t, u, bridge.ProducerSpec{})
	p.send(numbers(0, 6)...)
	ms := c.take(numbers(0, 5)...)
	c.ack(ms[1])
	c.nack(ms[3], ms[2], ms[1])
	c.Permit(10)
	again := c.take("2", "3", "5")
	for i, want := range []uint32{1, 1, 0} {
		if again[i].RedeliveryCount != want {
			t.Errorf("%s has redelivery count %d, want %d", payload(again[i]), again[i].RedeliveryCount, want)
		}
	}
}

// What one who had it before acknowledges is not delivered any more, even if
// it is under way; its permit counts for another message.
func TestAckOfWhatIsUnderWay(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.Failover, PriorityLevel: 1}
	a := subscribe(t, u, spec, 2)
	p := produce(t, u, bridge.ProducerSpec{})
	p.send("0", "1")
	ms := a.take("0", "1")
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	in := newInbox(t)
	in.deliver = func(*codec.Message) { held <- struct{}{}; <-hold }
	c, err := u.Subscribe(context.Background(), bridge.ConsumerSpec{Topic: testTopic, Subscription: "s", Type: bridge.Failover}, in)
	if err != nil {
		t.Fatal(err)
	}
	c.Permit(1)
	<-held // "0" is being delivered again
	c.Permit(1)
	a.ack(ms[1])
	p.send("2")
	close(hold)
	in.take("0", "2")
	settle(t, u)
	in.empty()
}

func TestUnsubscribe(t *testing.T) {
	u := start(t, Options{})
	ctx := context.Background()
	spec := bridge.ConsumerSpec{Type: bridge.Shared}
	a, b := subscribe(t, u, spec, 10), subscribe(t, u, spec, 10)
	wantKind(t, a.Unsubscribe(ctx), bridge.ErrSubscriptions)
	b.Close()
	p := produce(t, u, bridge.ProducerSpec{})
	p.send("a")
	a.take("a")
	if err := a.Unsubscribe(ctx); err != nil {
		t.Fatal(err)
	}
	if st, _ := u.TopicStats(testTopic); len(st.Subscriptions) != 0 {
		t.Errorf("subscriptions left: %v", st.Subscriptions)
	}
	p.send("b")
	settle(t, u)
	a.empty()
	a.Close()
	c := subscribe(t, u, spec, 10)
	p.send("c")
	c.take("c")
}

func TestAckOfForeignIDs(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{}
	c := subscribe(t, u, spec, 10)
	p := produce(t, u, bridge.ProducerSpec{})
	ids := p.send("a", "b", "c")
	c.take("a", "b", "c")
	for _, id := range []codec.MessageID{
		{LedgerID: 1, EntryID: 0, Partition: -1, BatchIndex: -1},
		{LedgerID: ids[0].LedgerID, EntryID: 99, Partition: -1, BatchIndex: -1},
		{LedgerID: ids[0].LedgerID, EntryID: -5, Partition: -1, BatchIndex: -1},
		{LedgerID: ids[0].LedgerID, EntryID: 1, Partition: -1, BatchIndex: 7},
	} {
		c.Ack(id)
	}
	if n := backlog(t, u, testTopic, "s"); n != 3 {
		t.Errorf("backlog %d after acks of ids that are none, want 3", n)
	}
	c.Close()
	c = subscribe(t, u, spec, 0)
	c.Ack(ids[1]) // of a former connection; not delivered to this one
	c.Permit(10)
	c.take("a", "c")
	settle(t, u)
	c.empty()
}

// Receivers may call their consumer from Deliver.
func TestCallsFromDeliver(t *testing.T) {
	u := start(t, Options{})
	in := newInbox(t)
	var c bridge.Consumer
	redelivered := false
	in.deliver = func(m *codec.Message) {
		if payload(m) == "7" && !redelivered {
			redelivered = true
			c.Redeliver([]codec.MessageID{m.ID})
		} else {
			c.Ack(m.ID)
		}
		c.Permit(1)
	}
	c, err := u.Subscribe(context.Background(), bridge.ConsumerSpec{Topic: testTopic, Subscription: "s", Type: bridge.Shared}, in)
	if err != nil {
		t.Fatal(err)
	}
	c.Permit(1)
	produce(t, u, bridge.ProducerSpec{}).send(numbers(0, 50)...)
	in.takeAny(append(numbers(0, 50), "7")...)
	settle(t, u)
	if n := backlog(t, u, testTopic, "s"); n != 0 {
		t.Errorf("backlog %d, want 0", n)
	}
}
