package subscribe

import (
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// A session is woken once for what an upstream delivers in a run: at its end, or when it has become long.
func TestRunWakesOnce(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 1000, NackDelay: time.Minute})
	up := u.Consumers[0]
	r := up.Receiver.(bridge.RunReceiver)
	next := int64(0)
	more := func(n int) {
		t.Helper()
		for range n {
			waitFor(t, "a permit", func() bool { return up.Allowed() > 0 })
			up.Permit(-1)
			r.DeliverMore(message(next))
			next++
		}
	}
	woken := func(want int, when string) {
		t.Helper()
		if got := o.Woken(); got != want {
			t.Fatalf("woken %d times %s, want %d", got, when, want)
		}
	}
	first := o.Woken()
	more(3)
	woken(first, "within a run")
	r.Rest()
	woken(first+1, "after the first run")
	if got := entries(t, o.Fill(99)); !slices.Equal(got, []int64{0, 1, 2}) {
		t.Fatalf("got %v", got)
	}
	r.Rest()
	woken(first+1, "although nothing came")
	more(maxRun - 1)
	woken(first+1, "within a long run")
	more(1)
	woken(first+2, "in a very long run")
	more(1)
	up.Permit(-1)
	r.Deliver(message(next))
	woken(first+3, "by one message")
	r.Rest()
	woken(first+4, "after the last run")
}
