package bridge

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

var (
	sharedSpec = ConsumerSpec{Topic: topic, Subscription: "s", Type: Shared, Queue: 10}
	minute     = ConsumeOptions{Window: 2, NackDelay: time.Minute}
)

func TestSharedSessionsTakeTurns(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	one, two := consume(t, b, sharedSpec, minute), consume(t, b, sharedSpec, minute)
	up := u.consumers[0]
	waitFor(t, "permits for both windows", func() bool { return up.allowed() == 4 })
	for i := range int64(4) {
		up.deliver(t, i)
	}
	got1, got2 := entries(t, one.fill(9)), entries(t, two.fill(9))
	if len(got1) != 2 || len(got2) != 2 {
		t.Fatalf("spread %v and %v", got1, got2)
	}
	if up.allowed() != 0 {
		t.Fatalf("%d permits while every window is full", up.allowed())
	}
	one.ack(t, got1[0])
	if up.allowed() != 1 || !slices.Equal(up.acks, []int64{got1[0]}) {
		t.Fatalf("after an ack: %d permits, acks %v", up.allowed(), up.acks)
	}
	one.ack(t, got1[0])
	if up.allowed() != 1 {
		t.Fatal("acking twice freed two places")
	}
}

// Messages that come before a session has run leave together, up to a turn's bound.
func TestTurnLastsUntilTheSessionRuns(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	wide := ConsumeOptions{Window: 100, NackDelay: time.Minute}
	one, two := consume(t, b, sharedSpec, wide), consume(t, b, sharedSpec, wide)
	up := u.consumers[0]
	waitFor(t, "permits for both", func() bool { return up.allowed() == 2*aheadMessages/8 })
	up.deliver(t, 0)
	up.deliver(t, 1)
	first, second := one, two
	got := entries(t, first.fill(9))
	if len(got) == 0 {
		first, second = two, one
		got = entries(t, first.fill(9))
	}
	if !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("the first turn was %v", got)
	}
	for i := int64(2); i < 2+maxTurn+1; i++ {
		up.deliver(t, i)
	}
	if got := entries(t, second.fill(99)); len(got) != maxTurn || got[0] != 2 {
		t.Fatalf("after the first session had run the other one got %v", got)
	}
	if got := entries(t, first.fill(9)); !slices.Equal(got, []int64{2 + maxTurn}) {
		t.Fatalf("after a full turn the first one got %v", got)
	}
}

func TestPrefetchIsShared(t *testing.T) {
	b := newBridge(t, &fakeUpstream{}, Options{})
	for _, c := range []struct{ consumers, asked, want int }{
		{0, 1000, 1000}, {30, 1000, 1000}, {400, 1000, 81}, {15_000, 1000, leastPrefetch}, {15_000, 5, 5}, {0, 1, 1},
	} {
		b.stats.upstreamConsumers.Store(int64(c.consumers))
		if got := b.prefetch(c.asked); got != c.want {
			t.Errorf("beside %d consumers, of %d: %d, want %d", c.consumers, c.asked, got, c.want)
		}
	}
	b.stats.upstreamConsumers.Store(0)
}

func TestLeavingSessionGivesBack(t *testing.T) {
	b, one, up := consumeOne(t)
	up.deliver(t, 0)
	up.deliver(t, 1)
	if got := entries(t, one.fill(1)); !slices.Equal(got, []int64{0}) {
		t.Fatalf("wrote %v", got)
	}
	two := consume(t, b, sharedSpec, ConsumeOptions{Window: 5, NackDelay: time.Minute})
	waitFor(t, "permits for the second", func() bool { return up.allowed() == 5 })
	one.s.Close()
	// Both were taken from the queue together; the client may have seen both.
	if got := up.redelivered(); !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("asked for %v again", got)
	}
	up.deliver(t, 1)
	up.deliver(t, 0)
	if got := entries(t, two.fill(9)); !slices.Equal(got, []int64{1, 0}) {
		t.Fatalf("the other session got %v", got)
	}
	two.s.Close()
	waitFor(t, "the upstream consumer to close", up.isClosed)
}

func TestUnwrittenMessagesMoveToAnotherSession(t *testing.T) {
	b, one, up := consumeOne(t)
	up.deliver(t, 7)
	two := consume(t, b, sharedSpec, minute)
	waitFor(t, "permits for the second", func() bool { return up.allowed() == 3 })
	one.s.Close()
	if got := entries(t, two.fill(9)); !slices.Equal(got, []int64{7}) {
		t.Fatalf("the other session got %v", got)
	}
	if got := up.redelivered(); len(got) != 0 {
		t.Errorf("the broker was asked for %v, which no client had seen", got)
	}
}

func TestRepeatedMessageIsNotPushedTwice(t *testing.T) {
	_, o, up := consumeOne(t)
	up.deliver(t, 0)
	up.deliver(t, 0) // as after a reconnect
	if got := entries(t, o.fill(9)); !slices.Equal(got, []int64{0}) {
		t.Fatalf("pushed %v", got)
	}
	if up.allowed() != 1 {
		t.Fatalf("%d permits, want the place of one", up.allowed())
	}
}

func TestNackComesAgainAfterItsDelay(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 1, NackDelay: 30 * time.Millisecond})
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 1 })
	up.deliver(t, 3)
	o.fill(9)
	o.nack(t, 3)
	if up.allowed() != 1 {
		t.Fatal("a nack frees the place at once")
	}
	waitFor(t, "the redelivery", func() bool { return slices.Equal(up.redelivered(), []int64{3}) })
}

func TestAckTimeoutFreesThePlace(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 2, NackDelay: time.Minute, AckTimeout: 40 * time.Millisecond})
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 2 })
	up.deliver(t, 0)
	up.deliver(t, 1)
	o.fill(9)
	o.ack(t, 0)
	waitFor(t, "the redelivery", func() bool { return slices.Equal(up.redelivered(), []int64{1}) })
	waitFor(t, "both places", func() bool { return up.allowed() == 2 })
}

func TestPullModeSendsWhatIsPermitted(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 9, Pull: true, NackDelay: time.Minute})
	up := u.consumers[0]
	for _, n := range []string{"2", "1"} {
		if err := o.s.Handle([]byte(`{"type":"permit","permitMessages":` + n + `}`)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "permits that add up", func() bool { return up.allowed() == 3 })
	up.deliver(t, 0)
	o.fill(9)
	o.ack(t, 0)
	if up.allowed() != 2 {
		t.Fatalf("%d permits: an ack is no permit", up.allowed())
	}
}

func TestExclusiveSessionsHaveTheirOwnUpstream(t *testing.T) {
	for _, typ := range []SubscriptionType{Exclusive, Failover, KeyShared} {
		u := &fakeUpstream{}
		b := newBridge(t, u, Options{})
		spec := sharedSpec
		spec.Type = typ
		consume(t, b, spec, minute)
		consume(t, b, spec, minute)
		if len(u.consumers) != 2 {
			t.Errorf("%s: %d upstream consumers for two sessions", typ, len(u.consumers))
		}
	}
}

func TestForeignIDsAreRefused(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, minute)
	id := message(0).ID
	id.Topic = "persistent://public/default/other"
	frame := append(id.AppendText([]byte(`{"messageId":"`)), `"}`...)
	var fault *codec.Error
	if err := o.s.Handle(frame); !errors.As(err, &fault) || fault.Code != codec.CodeDeserialize {
		t.Fatalf("an id of another topic: %v", err)
	}
	many := consume(t, b, ConsumerSpec{Topics: topic + ",persistent://public/default/u", Subscription: "s", Queue: 1}, minute)
	id.Topic = "persistent://public/default/v"
	frame = append(id.AppendText([]byte(`{"messageId":"`)), `"}`...)
	if err := many.s.Handle(frame); !errors.As(err, &fault) || fault.Code != codec.CodeDeserialize {
		t.Fatalf("an id of none of the topics: %v", err)
	}
}

func TestEndOfTopicIsAnsweredBehindTheMessages(t *testing.T) {
	_, o, up := consumeOne(t)
	up.deliver(t, 0)
	if err := o.s.Handle([]byte(`{"type":"isEndOfTopic"}`)); err != nil {
		t.Fatal(err)
	}
	var got []string
	waitFor(t, "the answer", func() bool {
		got = append(got, o.fill(9)...)
		return len(got) == 2
	})
	if got[1] != `{"endOfTopic":true}` {
		t.Fatalf("wrote %q", got)
	}
}

func TestLostConsumerEndsItsSessions(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, minute)
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 2 })
	up.r.Lost(errors.New("topic was deleted"))
	if o.ended != "topic was deleted" {
		t.Fatalf("ended with %q", o.ended)
	}
	consume(t, b, sharedSpec, minute)
	if len(u.consumers) != 2 {
		t.Error("a new session joined a lost consumer")
	}
}
