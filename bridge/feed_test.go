package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// twoFeeds is a Shared subscription of whose first upstream consumer so much is
// unacknowledged that a second one was opened: messages 0 to 4 are held, by o.
func twoFeeds(t *testing.T) (u *fakeUpstream, o *fakeOutlet) {
	t.Helper()
	u = &fakeUpstream{}
	b := newBridge(t, u, Options{UnackedPerConsumer: 10})
	window := ConsumeOptions{Window: 1000, NackDelay: time.Millisecond}
	o = consume(t, b, sharedSpec, window)
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 10 })
	for i := range int64(5) {
		if len(u.all()) != 1 {
			t.Fatalf("%d upstream consumers with %d messages out", len(u.all()), i)
		}
		up.deliver(t, i)
	}
	waitFor(t, "another upstream consumer with permits", func() bool { return len(u.all()) == 2 && u.all()[1].allowed() == 10 })
	if n := up.allowed(); n != 5 {
		t.Fatalf("%d permits left for the first upstream consumer", n)
	}
	o.fill(100)
	return u, o
}

func TestManyUnackedMessagesOpenAnotherUpstream(t *testing.T) {
	u, o := twoFeeds(t)
	first, second := u.all()[0], u.all()[1]
	second.deliver(t, 100)
	o.fill(1)

	// Each is told of its own, and is granted what that makes free.
	o.ack(t, 0)
	o.ack(t, 100)
	waitFor(t, "permits again", func() bool { return first.allowed() == 6 && second.allowed() == 10 })
	if a, b := first.acked(), second.acked(); !slices.Equal(a, []int64{0}) || !slices.Equal(b, []int64{100}) {
		t.Errorf("acknowledged %d and %d", a, b)
	}
	// What the broker moved to another consumer is asked for there.
	second.deliver(t, 1)
	o.nack(t, 1)
	waitFor(t, "the redelivery", func() bool { return len(second.redelivered()) == 1 })
	if again := first.redelivered(); len(again) != 0 {
		t.Errorf("%d is asked for where it is not any more", again)
	}
	o.s.Close()
	waitFor(t, "the upstream consumers to close", func() bool { return first.isClosed() && second.isClosed() })
}

func TestAllUpstreamsLearnOfABatch(t *testing.T) {
	u, o := twoFeeds(t)
	first, second := u.all()[0], u.all()[1]
	id := codec.MessageID{LedgerID: 1, EntryID: 50, Partition: -1, BatchIndex: 1, BatchSize: 3}
	second.permit(-1)
	second.r.Deliver(&codec.Message{ID: id})
	o.handle(t, `{`, id)
	if a, b := first.acked(), second.acked(); !slices.Equal(a, []int64{50}) || !slices.Equal(b, []int64{50}) {
		t.Errorf("acknowledged %d and %d", a, b)
	}
}

func TestUnsubscribeWithManyUpstreams(t *testing.T) {
	u, o := twoFeeds(t)
	first, second := u.all()[0], u.all()[1]
	if err := o.s.Handle([]byte(`{"type":"unsubscribe"}`)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the subscription to be deleted", first.hasUnsubscribed)
	if !second.isClosed() {
		t.Error("it was deleted while another upstream consumer was there")
	}
	o.ack(t, 0)
	o.nack(t, 1)
	waitFor(t, "the redelivery", func() bool { return len(first.redelivered()) == 1 })
}

// What an upstream has prefetched for a feed comes through no other: each has a
// permit while a session has room, also if others hold as many as there is room for.
func TestNoFeedStarves(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{UnackedPerConsumer: 10})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 12})
	first := u.consumers[0]
	waitFor(t, "permits", func() bool { return first.allowed() == 10 })
	for i := range int64(5) {
		first.deliver(t, i)
	}
	waitFor(t, "another upstream consumer with permits", func() bool { return len(u.all()) == 2 && u.all()[1].allowed() == 2 })
	second := u.all()[1]
	second.deliver(t, 100)
	second.deliver(t, 101)
	waitFor(t, "a permit though the first holds one for each place", func() bool { return second.allowed() == 1 && first.allowed() == 5 })
	second.deliver(t, 102)
	waitFor(t, "the next one", func() bool { return second.allowed() == 1 })
	o.fill(100)
}
