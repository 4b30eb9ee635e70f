package subscribe

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

var (
	sharedSpec = bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10}
	minute     = bridge.ConsumeOptions{Window: 2, NackDelay: time.Minute}
)

func TestSharedSessionsTakeTurns(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	one, two := consume(t, cs, sharedSpec, minute), consume(t, cs, sharedSpec, minute)
	up := u.Consumers[0]
	waitFor(t, "permits for both windows", func() bool { return up.Allowed() == 4 })
	for i := range int64(4) {
		up.Deliver(t, i)
	}
	got1, got2 := entries(t, one.Fill(9)), entries(t, two.Fill(9))
	if len(got1) != 2 || len(got2) != 2 {
		t.Fatalf("spread %v and %v", got1, got2)
	}
	if up.Allowed() != 0 {
		t.Fatalf("%d permits while every window is full", up.Allowed())
	}
	one.Ack(t, got1[0])
	if up.Allowed() != 1 || !slices.Equal(up.Acked(), []int64{got1[0]}) {
		t.Fatalf("after an ack: %d permits, acks %v", up.Allowed(), up.Acked())
	}
	one.Ack(t, got1[0])
	if up.Allowed() != 1 {
		t.Fatal("acking twice freed two places")
	}
}

// Messages that come before a session has run leave together, up to a turn's bound.
func TestTurnLastsUntilTheSessionRuns(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	wide := bridge.ConsumeOptions{Window: 100, NackDelay: time.Minute}
	one, two := consume(t, cs, sharedSpec, wide), consume(t, cs, sharedSpec, wide)
	up := u.Consumers[0]
	waitFor(t, "permits for both", func() bool { return up.Allowed() == 2*aheadMessages/8 })
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	first, second := one, two
	got := entries(t, first.Fill(9))
	if len(got) == 0 {
		first, second = two, one
		got = entries(t, first.Fill(9))
	}
	if !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("the first turn was %v", got)
	}
	for i := int64(2); i < 2+maxTurn+1; i++ {
		up.Deliver(t, i)
	}
	if got := entries(t, second.Fill(99)); len(got) != maxTurn || got[0] != 2 {
		t.Fatalf("after the first session had run the other one got %v", got)
	}
	if got := entries(t, first.Fill(9)); !slices.Equal(got, []int64{2 + maxTurn}) {
		t.Fatalf("after a full turn the first one got %v", got)
	}
}

func TestPrefetchIsShared(t *testing.T) {
	cs := newConsumers(t, &bridgetest.Upstream{}, options{})
	for _, c := range []struct{ consumers, asked, want int }{
		{0, 1000, 1000}, {30, 1000, 1000}, {400, 1000, 81}, {15_000, 1000, leastPrefetch}, {15_000, 5, 5}, {0, 1, 1},
	} {
		cs.upstream.Store(int64(c.consumers))
		if got := cs.prefetch(c.asked); got != c.want {
			t.Errorf("beside %d consumers, of %d: %d, want %d", c.consumers, c.asked, got, c.want)
		}
	}
	cs.upstream.Store(0)
}

func TestLeavingSessionGivesBack(t *testing.T) {
	cs, one, up := consumeOne(t)
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	if got := entries(t, one.Fill(1)); !slices.Equal(got, []int64{0}) {
		t.Fatalf("wrote %v", got)
	}
	two := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 5, NackDelay: time.Minute})
	waitFor(t, "permits for the second", func() bool { return up.Allowed() == 5 })
	one.Session.Close()
	// Both were taken from the queue together; the client may have seen both.
	if got := up.Redelivered(); !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("asked for %v again", got)
	}
	up.Deliver(t, 1)
	up.Deliver(t, 0)
	if got := entries(t, two.Fill(9)); !slices.Equal(got, []int64{1, 0}) {
		t.Fatalf("the other session got %v", got)
	}
	two.Session.Close()
	waitFor(t, "the upstream consumer to close", up.IsClosed)
}

// A broker keeps the order of what a consumer has that ends, and not that of what it was asked for before.
func TestEndOfAnOrderedSessionAsksForNothing(t *testing.T) {
	for _, kind := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Failover, bridge.KeyShared} {
		u := &bridgetest.Upstream{}
		cs := newConsumers(t, u, options{})
		spec := sharedSpec
		spec.Type = kind
		o := consume(t, cs, spec, bridge.ConsumeOptions{Window: 5, NackDelay: time.Minute})
		up := u.Consumers[0]
		waitFor(t, "permits", func() bool { return up.Allowed() == 5 })
		for i := range int64(4) {
			up.Deliver(t, i)
		}
		if got := entries(t, o.Fill(9)); len(got) != 4 {
			t.Fatalf("wrote %v", got)
		}
		o.Ack(t, 0)
		o.Nack(t, 1)
		o.Session.Close()
		waitFor(t, "the upstream consumer to close", up.IsClosed)
		if got := up.Redelivered(); len(got) > 0 {
			t.Errorf("type %v: the broker was asked for %v", kind, got)
		}
	}
}

func TestUnwrittenMessagesMoveToAnotherSession(t *testing.T) {
	cs, one, up := consumeOne(t)
	up.Deliver(t, 7)
	two := consume(t, cs, sharedSpec, minute)
	waitFor(t, "permits for the second", func() bool { return up.Allowed() == 3 })
	one.Session.Close()
	if got := entries(t, two.Fill(9)); !slices.Equal(got, []int64{7}) {
		t.Fatalf("the other session got %v", got)
	}
	if got := up.Redelivered(); len(got) != 0 {
		t.Errorf("the broker was asked for %v, which no client had seen", got)
	}
}

func TestRepeatedMessageIsNotPushedTwice(t *testing.T) {
	_, o, up := consumeOne(t)
	up.Deliver(t, 0)
	up.Deliver(t, 0) // as after a reconnect
	if got := entries(t, o.Fill(9)); !slices.Equal(got, []int64{0}) {
		t.Fatalf("pushed %v", got)
	}
	if up.Allowed() != 1 {
		t.Fatalf("%d permits, want the place of one", up.Allowed())
	}
}

func TestNackComesAgainAfterItsDelay(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 1, NackDelay: 30 * time.Millisecond})
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 1 })
	up.Deliver(t, 3)
	o.Fill(9)
	o.Nack(t, 3)
	if up.Allowed() != 1 {
		t.Fatal("a nack frees the place at once")
	}
	waitFor(t, "the redelivery", func() bool { return slices.Equal(up.Redelivered(), []int64{3}) })
}

func TestAckTimeoutFreesThePlace(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 2, NackDelay: time.Minute, AckTimeout: 40 * time.Millisecond})
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	o.Fill(9)
	waitFor(t, "the redelivery", func() bool { return slices.Equal(up.Redelivered(), []int64{0, 1}) })
	waitFor(t, "both places", func() bool { return up.Allowed() == 2 })
}

// What is acknowledged in time is not asked for again with the rest.
func TestAckTimeoutSparesWhatIsAcknowledged(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 3, NackDelay: time.Minute, AckTimeout: time.Hour})
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 3 })
	for i := range int64(3) {
		up.Deliver(t, i)
	}
	o.Fill(9)
	o.Ack(t, 0)
	s := o.Session.(*session)
	s.sub.mu.Lock()
	s.oldest.at -= time.Hour // of the second one the hour is over
	s.sub.mu.Unlock()
	s.ring()
	if got := up.Redelivered(); !slices.Equal(got, []int64{1}) {
		t.Errorf("asked for %v again", got)
	}
	if up.Allowed() != 2 {
		t.Errorf("%d permits, want those of one that is acknowledged and one that is late", up.Allowed())
	}
}

func TestPullModeSendsWhatIsPermitted(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 9, Pull: true, NackDelay: time.Minute})
	up := u.Consumers[0]
	for _, n := range []string{"2", "1"} {
		if err := o.Session.Handle([]byte(`{"type":"permit","permitMessages":` + n + `}`)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "permits that add up", func() bool { return up.Allowed() == 3 })
	up.Deliver(t, 0)
	o.Fill(9)
	o.Ack(t, 0)
	if up.Allowed() != 2 {
		t.Fatalf("%d permits: an ack is no permit", up.Allowed())
	}
}

func TestExclusiveSessionsHaveTheirOwnUpstream(t *testing.T) {
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Failover, bridge.KeyShared} {
		u := &bridgetest.Upstream{}
		cs := newConsumers(t, u, options{})
		spec := sharedSpec
		spec.Type = typ
		consume(t, cs, spec, minute)
		consume(t, cs, spec, minute)
		if len(u.Consumers) != 2 {
			t.Errorf("%s: %d upstream consumers for two sessions", typ, len(u.Consumers))
		}
	}
}

func TestForeignIDsAreRefused(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, minute)
	id := message(0).ID
	id.Topic = "persistent://public/default/other"
	frame := append(id.AppendText([]byte(`{"messageId":"`)), `"}`...)
	var fault *codec.Error
	if err := o.Session.Handle(frame); !errors.As(err, &fault) || fault.Code != codec.CodeDeserialize {
		t.Fatalf("an id of another topic: %v", err)
	}
	many := consume(t, cs, bridge.ConsumerSpec{Topics: topic + ",persistent://public/default/u", Subscription: "s", Queue: 1}, minute)
	id.Topic = "persistent://public/default/v"
	frame = append(id.AppendText([]byte(`{"messageId":"`)), `"}`...)
	if err := many.Session.Handle(frame); !errors.As(err, &fault) || fault.Code != codec.CodeDeserialize {
		t.Fatalf("an id of none of the topics: %v", err)
	}
}

func TestEndOfTopicIsAnsweredBehindTheMessages(t *testing.T) {
	_, o, up := consumeOne(t)
	up.Deliver(t, 0)
	if err := o.Session.Handle([]byte(`{"type":"isEndOfTopic"}`)); err != nil {
		t.Fatal(err)
	}
	var got []string
	waitFor(t, "the answer", func() bool {
		got = append(got, o.Fill(9)...)
		return len(got) == 2
	})
	if got[1] != `{"endOfTopic":true}` {
		t.Fatalf("wrote %q", got)
	}
}

func TestLostConsumerEndsItsSessions(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, minute)
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	up.Receiver.Lost(errors.New("topic was deleted"))
	if o.Ended != "topic was deleted" {
		t.Fatalf("ended with %q", o.Ended)
	}
	consume(t, cs, sharedSpec, minute)
	if len(u.Consumers) != 2 {
		t.Error("a new session joined a lost consumer")
	}
}
