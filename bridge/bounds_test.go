package bridge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// A client that asks but does not read is not read any more.
func TestUnreadAnswersAreBounded(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	question := []byte(`{"type":"isEndOfTopic"}`)
	for name, o := range map[string]*fakeOutlet{
		"consumer": consume(t, b, sharedSpec, minute),
		"reader":   read(t, b, latest(), ReadOptions{Window: 1}),
	} {
		n := 0
		for ; !o.s.Full() && n < 10*maxQuestions; n++ {
			if err := o.s.Handle(question); err != nil {
				t.Fatal(err)
			}
		}
		if n != maxQuestions {
			t.Fatalf("%s: %d questions taken, want %d", name, n, maxQuestions)
		}
		written := 0
		waitFor(t, name+" to be resumed", func() bool {
			written += len(o.fill(n))
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.resume > 0
		})
		if o.s.Full() || written < n/2 {
			t.Errorf("%s: full is %t after %d answers were written", name, o.s.Full(), written)
		}
	}
}

// What a producer's client sends beside the payload counts, too.
func TestUnansweredBytesAreBounded(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{MaxInFlightBytes: 1 << 20})
	long := strings.Repeat("x", 100<<10)
	for _, frame := range []string{`{"payload":"","context":"` + long + `"}`, `{"payload":"?","context":"` + long + `"}`} {
		o := produce(t, b, ProducerSpec{Topic: topic})
		n := 0
		for ; !o.s.Full() && n < 1000; n++ {
			if err := o.s.Handle([]byte(frame)); err != nil {
				t.Fatal(err)
			}
		}
		if n > 12 {
			t.Errorf("%d frames of 100 KiB taken under a bound of 1 MiB", n)
		}
	}
}

// A pull session may have any number of messages out; what is known of them is bounded.
func TestPulledMessagesAreForgotten(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 9, Pull: true})
	if err := o.s.Handle([]byte(`{"type":"permit","permitMessages":1000000}`)); err != nil {
		t.Fatal(err)
	}
	up := u.consumers[0]
	const total = maxPulled + 1000
	for n := int64(0); n < total; {
		for ; n < total && up.allowed() > 0; n++ {
			up.deliver(t, n)
		}
		if len(o.fill(1000)) == 0 {
			t.Fatalf("stopped after %d messages", n)
		}
		o.frames = nil
	}
	if n := b.Gauges().Unacked; n != maxPulled {
		t.Errorf("%d messages are remembered, want %d", n, maxPulled)
	}
	o.nack(t, 0)
	waitFor(t, "the broker to be asked for one that was forgotten", func() bool { return slices.Contains(up.redelivered(), 0) })
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
		u := &fakeUpstream{}
		b := newBridge(t, u, Options{})
		consume(t, b, sharedSpec, ConsumeOptions{Window: 1000, NackDelay: time.Minute})
		up := u.consumers[0]
		waitFor(t, "permits", func() bool { return up.allowed() > 0 })
		n := int64(0)
		for ; up.allowed() > 0 && n < 1000; n++ {
			up.mu.Lock()
			up.permits--
			up.mu.Unlock()
			m := message(n)
			enlarge(m)
			up.r.Deliver(m)
		}
		if n > 20 {
			t.Errorf("%d messages with 1 MiB of %s queued for a client that reads nothing", n, where)
		}
	}
}

// What was acknowledged while it waited to be written is not written.
func TestAcknowledgedMessagesAreNotWritten(t *testing.T) {
	_, o, up := consumeOne(t)
	up.deliver(t, 0)
	up.deliver(t, 1)
	o.ack(t, 0)
	if got := entries(t, o.fill(9)); len(got) != 1 || got[0] != 1 {
		t.Errorf("wrote %v", got)
	}
}

// slowConsumer lets a test hold an Unsubscribe.
type slowConsumer struct {
	*fakeConsumer
	hold   chan struct{}
	result chan error
}

func (c *slowConsumer) Unsubscribe(context.Context) error {
	<-c.hold
	if c.isClosed() {
		c.result <- ErrClosed
		return &Error{Kind: ErrClosed}
	}
	c.result <- nil
	return nil
}

type slowUpstream struct {
	*fakeUpstream
	hold   chan struct{}
	result chan error
}

func (u *slowUpstream) Subscribe(_ context.Context, spec ConsumerSpec, r Receiver) (Consumer, error) {
	return &slowConsumer{&fakeConsumer{spec: spec, r: r}, u.hold, u.result}, nil
}

// A client that unsubscribes and hangs up has unsubscribed.
func TestUnsubscribeIsFinishedAfterTheClientLeft(t *testing.T) {
	u := &slowUpstream{&fakeUpstream{}, make(chan struct{}), make(chan error, 9)}
	b := New(u, Options{})
	t.Cleanup(b.Close)
	o := attach(t, func(o Outlet, done Opened) func() { return b.Consume(sharedSpec, minute, o, done) })
	for range 3 {
		if err := o.s.Handle([]byte(`{"type":"unsubscribe"}`)); err != nil {
			t.Fatal(err)
		}
	}
	o.s.Close()
	close(u.hold)
	if err := <-u.result; err != nil {
		t.Errorf("unsubscribed after the consumer was closed: %v", err)
	}
	waitFor(t, "the upstream consumer to close", func() bool { return b.Gauges().UpstreamConsumers == 0 })
	if len(u.result) != 0 {
		t.Errorf("unsubscribed %d times more", len(u.result))
	}
}

// A session that opens while its upstream ends hears of it.
func TestLostBeforeTheSessionIsThere(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := &fakeOutlet{}
	opened := make(chan Session, 1)
	b.Consume(sharedSpec, minute, o, func(s Session, err error) {
		u.consumers[0].r.Lost(errors.New("topic was deleted"))
		opened <- s
	})
	defer (<-opened).Close()
	waitFor(t, "the end of the session", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.ended == "topic was deleted"
	})
}

// One topic whose broker does not answer leaves places for others.
func TestSlowTopicKeepsNobodyWaiting(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{OpenConcurrency: 2 * topicShare, OpenTimeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	var releases []func()
	for range 2 {
		release, err := b.slot(ctx, "slow")
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := b.slot(ctx, "slow")
		waits <- err
	}()
	release, err := b.slot(ctx, "other")
	if err != nil {
		t.Fatal(err)
	}
	release()
	cancel()
	if err := <-waits; err == nil {
		t.Error("a topic got more than its share of places")
	}
	for _, release := range releases {
		release()
	}
	if len(b.opening) != 0 || len(b.slots) != 0 {
		t.Errorf("%d topics and %d places are left", len(b.opening), len(b.slots))
	}
}

// A session that refused as much as it may gets messages again once these are due.
func TestRefusedMessagesAreBounded(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 10, NackDelay: time.Hour})
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 10 })
	n := int64(0)
	for ; n < 2*maxNacked && up.allowed() > 0; n++ {
		up.deliver(t, n)
		o.fill(9)
		o.nack(t, n)
	}
	if n < maxNacked || n > maxNacked+10 {
		t.Fatalf("%d messages refused, want about %d", n, maxNacked)
	}
	theHourIsOver(o)
	waitFor(t, "permits after the redelivery", func() bool { return up.allowed() > 0 })
}

// What a session leaves behind while no other has room goes back to the broker.
func TestLeftMessagesGoBackWhenNobodyHasRoom(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	stuck := consume(t, b, sharedSpec, minute)
	leaver := consume(t, b, sharedSpec, ConsumeOptions{Window: 20, NackDelay: time.Minute})
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 18 })
	for i := range int64(4) {
		up.deliver(t, i)
	}
	stuck.fill(9)
	leaver.s.Close()
	if got := up.redelivered(); len(got) != 2 {
		t.Fatalf("%v went back, want the leaver's two", got)
	}
	// So does what was granted for it and arrives now.
	up.deliver(t, 9)
	if got := up.redelivered(); len(got) != 3 || got[2] != 9 {
		t.Fatalf("%v went back", got)
	}
}

// What a session leaves behind while another is about to attach waits for that one:
// what goes back to the broker counts as delivered once more.
func TestLeftMessagesWaitForWhoIsComing(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	leaver := consume(t, b, sharedSpec, minute)
	up := u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 2 })
	sub := leaver.s.(*consumerSession).sub
	coming := func(n int) { // what is done before a session to come is among the others, and undone if it fails
		sub.mu.Lock()
		sub.ledger.expected += n
		sub.mu.Unlock()
	}
	coming(1)
	leaver.s.Close()
	up.deliver(t, 0)
	up.deliver(t, 1)
	if got := up.redelivered(); len(got) > 0 {
		t.Fatalf("%v went back", got)
	}
	next := consume(t, b, sharedSpec, minute)
	coming(-1)
	if got := entries(t, next.fill(9)); !slices.Equal(got, []int64{0, 1}) {
		t.Errorf("the next session got %v", got)
	}
}

// Who acknowledges what nobody here has waits while the broker cannot be told.
func TestStrayAcknowledgementsStall(t *testing.T) {
	_, o, up := consumeOne(t)
	up.congested = true
	up.deliver(t, 0)
	if o.ack(t, 0); o.s.Full() {
		t.Fatal("stalled for a message that it had")
	}
	if o.ack(t, 77); !o.s.Full() {
		t.Fatal("not stalled")
	}
	up.relieve()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.resume != 1 || o.s.Full() {
		t.Errorf("resumed %d times, full: %t", o.resume, o.s.Full())
	}
}

// A client may refuse any number of messages that it does not have; what is
// kept of them is bounded.
func TestStrayRefusalsStall(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 9, Pull: true, NackDelay: time.Hour})
	n := int64(0)
	for ; !o.s.Full() && n <= maxRefused; n++ {
		o.nack(t, n)
	}
	if n > maxRefused {
		t.Fatalf("%d are kept", n)
	}
	theHourIsOver(o)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.resume == 0 {
		t.Error("not resumed when they were due")
	}
}

// theHourIsOver makes all due that a session has refused.
func theHourIsOver(o *fakeOutlet) {
	s := o.s.(*consumerSession)
	s.sub.mu.Lock()
	for i := range s.nacked {
		s.nacked[i].due = clock()
	}
	s.sub.mu.Unlock()
	s.ring()
}

// Whatever a client asks for, an upstream gets numbers that it can make queues and timers of.
func TestNumbersOfAProducerAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		inFlight    int // Options.MaxInFlight
		asked, want ProducerSpec
	}{
		"nothing":          {0, ProducerSpec{}, ProducerSpec{}},
		"usual":            {0, ProducerSpec{MaxPending: 500, SendTimeout: time.Second}, ProducerSpec{MaxPending: 500, SendTimeout: time.Second}},
		"most":             {0, ProducerSpec{MaxPending: 1<<31 - 1, SendTimeout: time.Millisecond}, ProducerSpec{MaxPending: entryQueue, SendTimeout: leastSendTimeout}},
		"few in flight":    {10, ProducerSpec{MaxPending: 5000}, ProducerSpec{MaxPending: entryQueue}},
		"many in flight":   {3000, ProducerSpec{MaxPending: 5000}, ProducerSpec{MaxPending: 3000}},
		"no end in flight": {1 << 20, ProducerSpec{MaxPending: 1<<31 - 1}, ProducerSpec{MaxPending: mostPending}},
	} {
		u := &fakeUpstream{}
		b := newBridge(t, u, Options{MaxInFlight: c.inFlight})
		produce(t, b, c.asked)
		if got := u.producers[0].spec; got != c.want {
			t.Errorf("%s: the upstream got %+v, want %+v", name, got, c.want)
		}
	}
}

// slowMany is an upstream that takes its time over sessions with many topics.
type slowMany struct {
	*fakeUpstream
	hold chan struct{}
}

func (u *slowMany) Subscribe(ctx context.Context, spec ConsumerSpec, r Receiver) (Consumer, error) {
	if spec.Topic == "" {
		<-u.hold
	}
	return u.fakeUpstream.Subscribe(ctx, spec, r)
}

// While sessions over very many topics are being opened, others are not kept waiting.
func TestManyTopicsKeepNobodyWaiting(t *testing.T) {
	u := &slowMany{&fakeUpstream{}, make(chan struct{})}
	b := New(u, Options{OpenConcurrency: 1, MaxTopics: 7})
	t.Cleanup(b.Close)
	opened := make(chan Session, 2)
	for range cap(opened) {
		b.Consume(ConsumerSpec{Topics: "persistent://a/b/c,persistent://a/b/d", Subscription: "s", Queue: 1}, minute, &fakeOutlet{}, func(s Session, err error) {
			if err != nil {
				t.Error(err)
			}
			opened <- s
		})
	}
	consume(t, b, ConsumerSpec{Topic: "persistent://a/b/c", Subscription: "s", Queue: 1}, minute)
	produce(t, b, ProducerSpec{Topic: "persistent://a/b/c"})
	close(u.hold)
	for range cap(opened) {
		(<-opened).Close()
	}
	for _, c := range u.all() {
		if want := map[bool]int{true: 7}[c.spec.Topic == ""]; c.spec.MaxTopics != want {
			t.Errorf("the upstream got a bound of %d topics for %s%s", c.spec.MaxTopics, c.spec.Topic, c.spec.Topics)
		}
	}
}
