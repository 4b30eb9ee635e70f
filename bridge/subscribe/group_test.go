package subscribe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// sessionsOf counts the sessions of the upstream consumers of a bridge's Shared subscription.
func sessionsOf(cs *Consumers, spec bridge.ConsumerSpec) (members []int) {
	spec.RedeliveryTick = redeliveryTick
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if g := cs.groups[spec]; g != nil {
		for _, sub := range g.entries {
			n, _ := sub.load()
			members = append(members, n)
		}
	}
	slices.Sort(members)
	return members
}

// Sessions have an upstream consumer each while they are few; then those there
// are take them evenly, also after some have left.
func TestFewSharedSessionsHaveAnUpstreamEach(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{SharedConsumers: 3})
	expect := func(when string, want ...int) {
		t.Helper()
		if got := sessionsOf(cs, sharedSpec); !slices.Equal(got, want) {
			t.Errorf("%s: sessions of the upstream consumers %v, want %v", when, got, want)
		}
	}
	var all []*bridgetest.Outlet
	more := func(n int) {
		for range n {
			all = append(all, consume(t, cs, sharedSpec, minute))
		}
	}
	more(3)
	expect("three", 1, 1, 1)
	more(5)
	expect("eight", 2, 3, 3)
	if n := len(u.All()); n != 3 {
		t.Errorf("%d upstream consumers were opened", n)
	}
	first := all[0].Session.(*session).sub
	for _, o := range all {
		if o.Session.(*session).sub == first {
			o.Session.Close()
		}
	}
	waitFor(t, "the first upstream consumer to close", u.All()[0].IsClosed)
	more(1)
	expect("with one of its own instead of that", 1, 2, 3)
	more(1)
	expect("with one more where there are fewest", 2, 2, 3)

	low := sharedSpec
	low.PriorityLevel = 1
	consume(t, cs, low, minute)
	expect("with one of another level, which the broker has to know", 2, 2, 3)
	if n := len(u.All()); n != 5 {
		t.Errorf("%d upstream consumers were opened", n)
	}
}

// What one session of a Shared subscription leaves lying is in nobody's way.
func TestLazySharedSessionHoldsNobodyUp(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{SharedConsumers: 2})
	consume(t, cs, sharedSpec, minute)
	good := consume(t, cs, sharedSpec, minute)
	own := u.All()[1]
	waitFor(t, "permits for each", func() bool { return u.All()[0].Allowed() == 2 && own.Allowed() == 2 })
	u.All()[0].Deliver(t, 0)
	u.All()[0].Deliver(t, 1) // and the broker stops sending to that one
	for i := int64(2); i < 20; i++ {
		own.Deliver(t, i)
		if got := entries(t, good.Fill(9)); !slices.Equal(got, []int64{i}) {
			t.Fatalf("got %v, want %d", got, i)
		}
		good.Ack(t, i)
	}
	if a, b := u.All()[0].Acked(), own.Acked(); len(a) != 0 || len(b) != 18 {
		t.Errorf("acknowledged %v and %v", a, b)
	}
}

// A session does not join upstream consumers that wait for their broker: it gets
// what a consumer of its own gets.
func TestNobodyJoinsWhatIsNotConnected(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{SharedConsumers: 2})
	consume(t, cs, sharedSpec, minute)
	consume(t, cs, sharedSpec, minute)
	down := func(c *bridgetest.Consumer, is bool) { c.Mu.Lock(); c.Down = is; c.Mu.Unlock() }
	down(u.All()[0], true)
	consume(t, cs, sharedSpec, minute)
	consume(t, cs, sharedSpec, minute)
	if got := sessionsOf(cs, sharedSpec); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("sessions of the upstream consumers %v: want none more at the one that is down", got)
	}

	down(u.All()[1], true)
	refused := &bridge.Error{Kind: bridge.ErrUnavailable, Detail: "no broker"}
	u.Mu.Lock()
	u.OpenErr = refused
	u.Mu.Unlock()
	outcome := make(chan error, 1)
	cs.Attach(sharedSpec, minute, &bridgetest.Outlet{}, func(_ bridge.Session, err error) { outcome <- err })
	if err := <-outcome; !errors.Is(err, bridge.ErrUnavailable) {
		t.Errorf("with no broker a session is opened with %v", err)
	}
	u.Mu.Lock()
	u.OpenErr = nil
	u.Mu.Unlock()
	consume(t, cs, sharedSpec, minute)
	down(u.All()[0], false)
	consume(t, cs, sharedSpec, minute)
	if got := sessionsOf(cs, sharedSpec); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("sessions of the upstream consumers %v: want one of its own for who came while all were down", got)
	}
}

// heldUpstream answers Subscribe once release is closed.
type heldUpstream struct {
	*bridgetest.Upstream
	asked   chan struct{}
	release chan struct{}
	err     error
}

func (u *heldUpstream) Subscribe(context.Context, bridge.ConsumerSpec, bridge.Receiver) (bridge.Consumer, error) {
	u.asked <- struct{}{}
	<-u.release
	return nil, u.err
}

// Sessions that come while one is being opened for them get its outcome.
func TestJoinersShareTheOutcome(t *testing.T) {
	u := &heldUpstream{&bridgetest.Upstream{}, make(chan struct{}, 9), make(chan struct{}), &bridge.Error{Kind: bridge.ErrForbidden}}
	cs := newConsumers(t, u, options{SharedConsumers: 1})
	release := sync.OnceFunc(func() { close(u.release) })
	t.Cleanup(release)
	const sessions = 5
	outcomes := make(chan error, sessions)
	for range sessions {
		cs.Attach(sharedSpec, minute, &bridgetest.Outlet{}, func(_ bridge.Session, err error) { outcomes <- err })
	}
	<-u.asked
	waitFor(t, "all to have joined", func() bool { return slices.Equal(sessionsOf(cs, sharedSpec), []int{sessions}) })
	release()
	for range sessions {
		if err := <-outcomes; !errors.Is(err, bridge.ErrForbidden) {
			t.Errorf("opened with %v", err)
		}
	}
	waitFor(t, "nothing to be left", func() bool { return len(sessionsOf(cs, sharedSpec)) == 0 })
	if len(u.asked) != 0 {
		t.Errorf("subscribed %d times more", len(u.asked))
	}
}

// The last session of an upstream consumer asks for what its client has seen
// again before that ends: at the end a broker gives it back uncounted.
func TestLastSessionAsksAgain(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{SharedConsumers: 2})
	consume(t, cs, sharedSpec, minute)
	leaver := consume(t, cs, sharedSpec, minute)
	up := u.All()[1]
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	leaver.Fill(9)
	leaver.Nack(t, 1)
	leaver.Session.Close()
	waitFor(t, "the upstream consumer to close", up.IsClosed)
	again := up.Redelivered()
	if slices.Sort(again); !slices.Equal(again, []int64{0, 1}) {
		t.Errorf("asked for %v again", again)
	}
	if n := cs.Unacked(); n != 0 {
		t.Errorf("%d messages count as not acknowledged", n)
	}
}
