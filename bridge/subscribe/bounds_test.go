package subscribe

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/seldom"
	"github.com/pulsegate/pulsegate/test/logs"
)

// A pull session may have any number of messages out; what is known of them is bounded.
func TestPulledMessagesAreForgotten(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 9, Pull: true})
	if err := o.Session.Handle([]byte(`{"type":"permit","permitMessages":1000000}`)); err != nil {
		t.Fatal(err)
	}
	up := u.Consumers[0]
	const total = maxPulled + 1000
	for n := int64(0); n < total; {
		for ; n < total && up.Allowed() > 0; n++ {
			up.Deliver(t, n)
		}
		if len(o.Fill(1000)) == 0 {
			t.Fatalf("stopped after %d messages", n)
		}
		o.Frames = nil
	}
	if n := cs.Unacked(); n != maxPulled {
		t.Errorf("%d messages are remembered, want %d", n, maxPulled)
	}
	o.Nack(t, 0)
	waitFor(t, "the broker to be asked for one that was forgotten", func() bool { return slices.Contains(up.Redelivered(), 0) })
}

// Large messages are fetched few at a time for a client that does not read,
// wherever their bytes are.
func TestQueuedBytesAreBounded(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for where, enlarge := range map[string]func(*codec.Message){
		"payload":    func(m *codec.Message) { m.Payload = []byte(large) },
		"key":        func(m *codec.Message) { m.Key, m.HasKey = large, true },
		"properties": func(m *codec.Message) { m.Properties = map[string]string{"p": large} },
	} {
		u := &bridgetest.Upstream{}
		cs := newConsumers(t, u, options{})
		consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 1000, NackDelay: time.Minute})
		up := u.Consumers[0]
		waitFor(t, "permits", func() bool { return up.Allowed() > 0 })
		n := int64(0)
		for ; up.Allowed() > 0 && n < 1000; n++ {
			up.Permit(-1)
			m := message(n)
			enlarge(m)
			up.Receiver.Deliver(m)
		}
		if n > 20 {
			t.Errorf("%d messages with 1 MiB of %s queued for a client that reads nothing", n, where)
		}
	}
}

// What was acknowledged while it waited to be written is not written.
func TestAcknowledgedMessagesAreNotWritten(t *testing.T) {
	_, o, up := consumeOne(t)
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	o.Ack(t, 0)
	if got := entries(t, o.Fill(9)); len(got) != 1 || got[0] != 1 {
		t.Errorf("wrote %v", got)
	}
}

// slowConsumer lets a test hold an Unsubscribe.
type slowConsumer struct {
	*bridgetest.Consumer
	hold   chan struct{}
	result chan error
}

func (c *slowConsumer) Unsubscribe(context.Context) error {
	<-c.hold
	if c.IsClosed() {
		c.result <- bridge.ErrClosed
		return &bridge.Error{Kind: bridge.ErrClosed}
	}
	c.result <- nil
	return nil
}

type slowUpstream struct {
	*bridgetest.Upstream
	hold   chan struct{}
	result chan error
}

func (u *slowUpstream) Subscribe(_ context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error) {
	return &slowConsumer{&bridgetest.Consumer{Spec: spec, Receiver: r}, u.hold, u.result}, nil
}

// A client that unsubscribes and hangs up has unsubscribed.
func TestUnsubscribeIsFinishedAfterTheClientLeft(t *testing.T) {
	u := &slowUpstream{&bridgetest.Upstream{}, make(chan struct{}), make(chan error, 9)}
	cs := newConsumers(t, u, options{})
	o := bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return cs.Attach(sharedSpec, minute, o, done) })
	for range 3 {
		if err := o.Session.Handle([]byte(`{"type":"unsubscribe"}`)); err != nil {
			t.Fatal(err)
		}
	}
	o.Session.Close()
	close(u.hold)
	if err := <-u.result; err != nil {
		t.Errorf("unsubscribed after the consumer was closed: %v", err)
	}
	waitFor(t, "the upstream consumer to close", func() bool { return cs.Open() == 0 })
	if len(u.result) != 0 {
		t.Errorf("unsubscribed %d times more", len(u.result))
	}
}

// A client that unsubscribes again and again where others consume does not fill the log.
func TestRefusedUnsubscribesAreToldSeldom(t *testing.T) {
	var log logs.Buffer
	cs := newConsumers(t, &bridgetest.Upstream{}, options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	consume(t, cs, sharedSpec, minute)
	o := consume(t, cs, sharedSpec, minute)
	s := o.Session.(*session)
	for range 100 {
		if err := s.Handle([]byte(`{"type":"unsubscribe"}`)); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "an outcome", func() bool {
			s.sub.mu.Lock()
			defer s.sub.mu.Unlock()
			return !s.unsubscribing
		})
	}
	if n := strings.Count(log.String(), "unsubscribe failed"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := cs.refused.Add(time.Now().Add(seldom.Every + time.Second)); n != 100 {
		t.Errorf("%d are told later", n)
	}
}

// A session that opens while its upstream ends hears of it.
func TestLostBeforeTheSessionIsThere(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := &bridgetest.Outlet{}
	opened := make(chan bridge.Session, 1)
	cs.Attach(sharedSpec, minute, o, func(s bridge.Session, err error) {
		u.Consumers[0].Receiver.Lost(errors.New("topic was deleted"))
		opened <- s
	})
	defer (<-opened).Close()
	waitFor(t, "the end of the session", func() bool {
		o.Mu.Lock()
		defer o.Mu.Unlock()
		return o.Ended == "topic was deleted"
	})
}

// A session that refused as much as it may gets messages again once these are due.
func TestRefusedMessagesAreBounded(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 10, NackDelay: time.Hour})
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 10 })
	n := int64(0)
	for ; n < 2*maxNacked && up.Allowed() > 0; n++ {
		up.Deliver(t, n)
		o.Fill(9)
		o.Nack(t, n)
	}
	if n < maxNacked || n > maxNacked+10 {
		t.Fatalf("%d messages refused, want about %d", n, maxNacked)
	}
	theHourIsOver(o)
	waitFor(t, "permits after the redelivery", func() bool { return up.Allowed() > 0 })
}

// What a session leaves behind while no other has room goes back to the broker.
func TestLeftMessagesGoBackWhenNobodyHasRoom(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	stuck := consume(t, cs, sharedSpec, minute)
	leaver := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 20, NackDelay: time.Minute})
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 18 })
	for i := range int64(4) {
		up.Deliver(t, i)
	}
	stuck.Fill(9)
	leaver.Session.Close()
	if got := up.Redelivered(); len(got) != 2 {
		t.Fatalf("%v went back, want the leaver's two", got)
	}
	// So does what was granted for it and arrives now.
	up.Deliver(t, 9)
	if got := up.Redelivered(); len(got) != 3 || got[2] != 9 {
		t.Fatalf("%v went back", got)
	}
}

// What a session leaves behind while another is about to attach waits for that one:
// what goes back to the broker counts as delivered once more.
func TestLeftMessagesWaitForWhoIsComing(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	leaver := consume(t, cs, sharedSpec, minute)
	up := u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	sub := leaver.Session.(*session).sub
	coming := func(n int) { // what is done before a session to come is among the others, and undone if it fails
		sub.mu.Lock()
		sub.ledger.expected += n
		sub.mu.Unlock()
	}
	coming(1)
	leaver.Session.Close()
	up.Deliver(t, 0)
	up.Deliver(t, 1)
	if got := up.Redelivered(); len(got) > 0 {
		t.Fatalf("%v went back", got)
	}
	next := consume(t, cs, sharedSpec, minute)
	coming(-1)
	if got := entries(t, next.Fill(9)); !slices.Equal(got, []int64{0, 1}) {
		t.Errorf("the next session got %v", got)
	}
}

// Who acknowledges what nobody here has waits while the broker cannot be told.
func TestStrayAcknowledgementsStall(t *testing.T) {
	_, o, up := consumeOne(t)
	up.Congest()
	up.Deliver(t, 0)
	if o.Ack(t, 0); o.Session.Full() {
		t.Fatal("stalled for a message that it had")
	}
	if o.Ack(t, 77); !o.Session.Full() {
		t.Fatal("not stalled")
	}
	up.Relieve()
	o.Mu.Lock()
	defer o.Mu.Unlock()
	if o.Resumed != 1 || o.Session.Full() {
		t.Errorf("resumed %d times, full: %t", o.Resumed, o.Session.Full())
	}
}

// A client may refuse any number of messages that it does not have; what is
// kept of them is bounded.
func TestStrayRefusalsStall(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 9, Pull: true, NackDelay: time.Hour})
	n := int64(0)
	for ; !o.Session.Full() && n <= maxRefused; n++ {
		o.Nack(t, n)
	}
	if n > maxRefused {
		t.Fatalf("%d are kept", n)
	}
	theHourIsOver(o)
	o.Mu.Lock()
	defer o.Mu.Unlock()
	if o.Resumed == 0 {
		t.Error("not resumed when they were due")
	}
}

// theHourIsOver makes all due that a session has refused.
func theHourIsOver(o *bridgetest.Outlet) {
	s := o.Session.(*session)
	s.sub.mu.Lock()
	for i := range s.nacked() {
		s.nacked()[i].due = clock()
	}
	s.sub.mu.Unlock()
	s.ring()
}
