package subscribe

import (
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

// twoFeeds is a Shared subscription of whose first upstream consumer so much is
// unacknowledged that a second one was opened: messages 0 to 4 are held, by o.
func twoFeeds(t *testing.T) (u *bridgetest.Upstream, o *bridgetest.Outlet) {
	t.Helper()
	u = &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{UnackedPerConsumer: 10})
	window := bridge.ConsumeOptions{Window: 1000, NackDelay: time.Millisecond}
	o = consume(t, cs, sharedSpec, window)
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 10 })
	for i := range int64(5) {
		if len(u.All()) != 1 {
			t.Fatalf("%d upstream consumers with %d messages out", len(u.All()), i)
		}
		up.Deliver(t, i)
	}
	waitFor(t, "another upstream consumer with permits", func() bool { return len(u.All()) == 2 && u.All()[1].Allowed() == 10 })
	if n := up.Allowed(); n != 5 {
		t.Fatalf("%d permits left for the first upstream consumer", n)
	}
	o.Fill(100)
	return u, o
}

func TestManyUnackedMessagesOpenAnotherUpstream(t *testing.T) {
	u, o := twoFeeds(t)
	first, second := u.All()[0], u.All()[1]
	second.Deliver(t, 100)
	o.Fill(1)

	// Each is told of its own, and is granted what that makes free.
	o.Ack(t, 0)
	o.Ack(t, 100)
	waitFor(t, "permits again", func() bool { return first.Allowed() == 6 && second.Allowed() == 10 })
	if a, b := first.Acked(), second.Acked(); !slices.Equal(a, []int64{0}) || !slices.Equal(b, []int64{100}) {
		t.Errorf("acknowledged %d and %d", a, b)
	}
	// What the broker moved to another consumer is asked for there.
	second.Deliver(t, 1)
	o.Nack(t, 1)
	waitFor(t, "the redelivery", func() bool { return len(second.Redelivered()) == 1 })
	if again := first.Redelivered(); len(again) != 0 {
		t.Errorf("%d is asked for where it is not any more", again)
	}
	o.Session.Close()
	waitFor(t, "the upstream consumers to close", func() bool { return first.IsClosed() && second.IsClosed() })
}

func TestAllUpstreamsLearnOfABatch(t *testing.T) {
	u, o := twoFeeds(t)
	first, second := u.All()[0], u.All()[1]
	id := codec.MessageID{LedgerID: 1, EntryID: 50, Partition: -1, BatchIndex: 1, BatchSize: 3}
	second.Permit(-1)
	second.Receiver.Deliver(&codec.Message{ID: id})
	o.Handle(t, `{`, id)
	if a, b := first.Acked(), second.Acked(); !slices.Equal(a, []int64{50}) || !slices.Equal(b, []int64{50}) {
		t.Errorf("acknowledged %d and %d", a, b)
	}
}

func TestUnsubscribeWithManyUpstreams(t *testing.T) {
	u, o := twoFeeds(t)
	first, second := u.All()[0], u.All()[1]
	if err := o.Session.Handle([]byte(`{"type":"unsubscribe"}`)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the subscription to be deleted", first.HasUnsubscribed)
	if !second.IsClosed() {
		t.Error("it was deleted while another upstream consumer was there")
	}
	o.Ack(t, 0)
	o.Nack(t, 1)
	waitFor(t, "the redelivery", func() bool { return len(first.Redelivered()) == 1 })
}

// What an upstream has prefetched for a feed comes through no other: each has a
// permit while a session has room, also if others hold as many as there is room for.
func TestNoFeedStarves(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{UnackedPerConsumer: 10})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 12})
	first := u.Consumers[0]
	waitFor(t, "permits", func() bool { return first.Allowed() == 10 })
	for i := range int64(5) {
		first.Deliver(t, i)
	}
	waitFor(t, "another upstream consumer with permits", func() bool { return len(u.All()) == 2 && u.All()[1].Allowed() == 2 })
	second := u.All()[1]
	second.Deliver(t, 100)
	second.Deliver(t, 101)
	waitFor(t, "a permit though the first holds one for each place", func() bool { return second.Allowed() == 1 && first.Allowed() == 5 })
	second.Deliver(t, 102)
	waitFor(t, "the next one", func() bool { return second.Allowed() == 1 })
	o.Fill(100)
}
