package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// sessionsOf counts the sessions of the upstream consumers of a bridge's Shared subscription.
func sessionsOf(b *Bridge, spec ConsumerSpec) (members []int) {
	spec.RedeliveryTick = redeliveryTick
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[spec]; g != nil {
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
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{SharedConsumers: 3})
	expect := func(when string, want ...int) {
		t.Helper()
		if got := sessionsOf(b, sharedSpec); !slices.Equal(got, want) {
			t.Errorf("%s: sessions of the upstream consumers %v, want %v", when, got, want)
		}
	}
	var all []*fakeOutlet
	more := func(n int) {
		for range n {
			all = append(all, consume(t, b, sharedSpec, minute))
		}
	}
	more(3)
	expect("three", 1, 1, 1)
	more(5)
	expect("eight", 2, 3, 3)
	if n := len(u.all()); n != 3 {
		t.Errorf("%d upstream consumers were opened", n)
	}
	first := all[0].s.(*consumerSession).sub
	for _, o := range all {
		if o.s.(*consumerSession).sub == first {
			o.s.Close()
		}
	}
	waitFor(t, "the first upstream consumer to close", u.all()[0].isClosed)
	more(1)
	expect("with one of its own instead of that", 1, 2, 3)
	more(1)
	expect("with one more where there are fewest", 2, 2, 3)

	low := sharedSpec
	low.PriorityLevel = 1
	consume(t, b, low, minute)
	expect("with one of another level, which the broker has to know", 2, 2, 3)
	if n := len(u.all()); n != 5 {
		t.Errorf("%d upstream consumers were opened", n)
	}
}

// What one session of a Shared subscription leaves lying is in nobody's way.
func TestLazySharedSessionHoldsNobodyUp(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{SharedConsumers: 2})
	consume(t, b, sharedSpec, minute)
	good := consume(t, b, sharedSpec, minute)
	own := u.all()[1]
	waitFor(t, "permits for each", func() bool { return u.all()[0].allowed() == 2 && own.allowed() == 2 })
	u.all()[0].deliver(t, 0)
	u.all()[0].deliver(t, 1) // and the broker stops sending to that one
	for i := int64(2); i < 20; i++ {
		own.deliver(t, i)
		if got := entries(t, good.fill(9)); !slices.Equal(got, []int64{i}) {
			t.Fatalf("got %v, want %d", got, i)
		}
		good.ack(t, i)
	}
	if a, b := u.all()[0].acked(), own.acked(); len(a) != 0 || len(b) != 18 {
		t.Errorf("acknowledged %v and %v", a, b)
	}
}

// A session does not join upstream consumers that wait for their broker: it gets
// what a consumer of its own gets.
func TestNobodyJoinsWhatIsNotConnected(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{SharedConsumers: 2})
	consume(t, b, sharedSpec, minute)
	consume(t, b, sharedSpec, minute)
	down := func(c *fakeConsumer, is bool) { c.mu.Lock(); c.down = is; c.mu.Unlock() }
	down(u.all()[0], true)
	consume(t, b, sharedSpec, minute)
	consume(t, b, sharedSpec, minute)
	if got := sessionsOf(b, sharedSpec); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("sessions of the upstream consumers %v: want none more at the one that is down", got)
	}

	down(u.all()[1], true)
	refused := &Error{Kind: ErrUnavailable, Detail: "no broker"}
	u.mu.Lock()
	u.openErr = refused
	u.mu.Unlock()
	outcome := make(chan error, 1)
	b.Consume(sharedSpec, minute, &fakeOutlet{}, func(_ Session, err error) { outcome <- err })
	if err := <-outcome; !errors.Is(err, ErrUnavailable) {
		t.Errorf("with no broker a session is opened with %v", err)
	}
	u.mu.Lock()
	u.openErr = nil
	u.mu.Unlock()
	consume(t, b, sharedSpec, minute)
	down(u.all()[0], false)
	consume(t, b, sharedSpec, minute)
	if got := sessionsOf(b, sharedSpec); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("sessions of the upstream consumers %v: want one of its own for who came while all were down", got)
	}
}

// heldUpstream answers Subscribe once release is closed.
type heldUpstream struct {
	*fakeUpstream
	asked   chan struct{}
	release chan struct{}
	err     error
}

func (u *heldUpstream) Subscribe(context.Context, ConsumerSpec, Receiver) (Consumer, error) {
	u.asked <- struct{}{}
	<-u.release
	return nil, u.err
}

// Sessions that come while one is being opened for them get its outcome.
func TestJoinersShareTheOutcome(t *testing.T) {
	u := &heldUpstream{&fakeUpstream{}, make(chan struct{}, 9), make(chan struct{}), &Error{Kind: ErrForbidden}}
	b := New(u, Options{SharedConsumers: 1})
	t.Cleanup(b.Close)
	release := sync.OnceFunc(func() { close(u.release) })
	t.Cleanup(release)
	const sessions = 5
	outcomes := make(chan error, sessions)
	for range sessions {
		b.Consume(sharedSpec, minute, &fakeOutlet{}, func(_ Session, err error) { outcomes <- err })
	}
	<-u.asked
	waitFor(t, "all to have joined", func() bool { return slices.Equal(sessionsOf(b, sharedSpec), []int{sessions}) })
	release()
	for range sessions {
		if err := <-outcomes; !errors.Is(err, ErrForbidden) {
			t.Errorf("opened with %v", err)
		}
	}
	waitFor(t, "nothing to be left", func() bool { return len(sessionsOf(b, sharedSpec)) == 0 })
	if len(u.asked) != 0 {
		t.Errorf("subscribed %d times more", len(u.asked))
	}
}

// The last session of an upstream consumer asks for what its client has seen
// again before that ends: at the end a broker gives it back uncounted.
func TestLastSessionAsksAgain(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{SharedConsumers: 2})
	consume(t, b, sharedSpec, minute)
	leaver := consume(t, b, sharedSpec, minute)
	up := u.all()[1]
	waitFor(t, "permits", func() bool { return up.allowed() == 2 })
	up.deliver(t, 0)
	up.deliver(t, 1)
	leaver.fill(9)
	leaver.nack(t, 1)
	leaver.s.Close()
	waitFor(t, "the upstream consumer to close", up.isClosed)
	again := up.redelivered()
	if slices.Sort(again); !slices.Equal(again, []int64{0, 1}) {
		t.Errorf("asked for %v again", again)
	}
	if n := b.Gauges().Unacked; n != 0 {
		t.Errorf("%d messages count as not acknowledged", n)
	}
}
