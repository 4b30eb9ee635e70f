package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// A session is woken once for what an upstream delivers in a run: at its end, or when it has become long.
func TestRunWakesOnce(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 1000, NackDelay: time.Minute})
	up := u.consumers[0]
	r := up.r.(RunReceiver)
	next := int64(0)
	more := func(n int) {
		t.Helper()
		for range n {
			waitFor(t, "a permit", func() bool { return up.allowed() > 0 })
			up.permit(-1)
			r.DeliverMore(message(next))
			next++
		}
	}
	woken := func(want int, when string) {
		t.Helper()
		if got := o.woken(); got != want {
			t.Fatalf("woken %d times %s, want %d", got, when, want)
		}
	}
	first := o.woken()
	more(3)
	woken(first, "within a run")
	r.Rest()
	woken(first+1, "after the first run")
	if got := entries(t, o.fill(99)); !slices.Equal(got, []int64{0, 1, 2}) {
		t.Fatalf("got %v", got)
	}
	r.Rest()
	woken(first+1, "although nothing came")
	more(maxRun - 1)
	woken(first+1, "within a long run")
	more(1)
	woken(first+2, "in a very long run")
	more(1)
	up.permit(-1)
	r.Deliver(message(next))
	woken(first+3, "by one message")
	r.Rest()
	woken(first+4, "after the last run")
}

// Answers that come in a run are written together.
func TestRunOfAnswersWakesOnce(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := produce(t, b, ProducerSpec{Topic: topic})
	for range 4 {
		send(t, o, "YQ==", "1")
	}
	up := u.producers[0]
	before := o.woken()
	for i := range 3 {
		up.done[i].(RunSendDone).SentMore(codec.MessageID{LedgerID: 1, EntryID: int64(i), Partition: -1, BatchIndex: -1}, nil)
	}
	if n := o.woken(); n != before {
		t.Fatal("woken within a run")
	}
	up.done[2].(RunSendDone).Rest()
	if n := o.woken(); n != before+1 {
		t.Fatalf("woken %d times by a run", n-before)
	}
	up.confirm(3, nil)
	if n := o.woken(); n != before+2 {
		t.Fatal("not woken by one answer")
	}
	if got := len(o.fill(9)); got != 4 {
		t.Fatalf("%d answers", got)
	}
}
