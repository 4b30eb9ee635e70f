package bridge

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

const topic = "persistent://public/default/t"

func send(t *testing.T, o *fakeOutlet, payload, context string) {
	t.Helper()
	if err := o.s.Handle([]byte(fmt.Sprintf(`{"payload":%q,"context":%q}`, payload, context))); err != nil {
		t.Fatal(err)
	}
}

func TestProducersShareOneUpstream(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	spec := ProducerSpec{Topic: topic}
	one, two := produce(t, b, spec), produce(t, b, spec)
	if n := len(u.producers); n != 1 {
		t.Fatalf("%d upstream producers for two sessions", n)
	}
	send(t, one, "YQ==", "1")
	send(t, two, "Yg==", "2")
	up := u.producers[0]
	up.confirm(1, nil)
	up.confirm(0, errors.New("boom"))
	if got := two.fill(9); len(got) != 1 || !strings.Contains(got[0], `"result":"ok"`) || !strings.Contains(got[0], `"context":"2"`) {
		t.Errorf("second session was answered %q", got)
	}
	if got := one.fill(9); len(got) != 1 || !strings.Contains(got[0], `"send-error:8"`) || !strings.Contains(got[0], `"context":"1"`) {
		t.Errorf("first session was answered %q", got)
	}
	c := b.Counters()
	if c.Published != 1 || c.PublishedBytes != 1 || c.PublishLatency.Count() != 1 || c.Failed() != 1 || c.PublishFailed[codec.CodeUnknown] != 1 {
		t.Errorf("counted %d published, %d of them timed, %v failed", c.Published, c.PublishLatency.Count(), c.PublishFailed)
	}
}

func TestNamedProducersAreNotShared(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	one := produce(t, b, ProducerSpec{Topic: topic, Name: "n"})
	produce(t, b, ProducerSpec{Topic: topic, Name: "n"})
	if n := len(u.producers); n != 2 {
		t.Fatalf("%d upstream producers for two named sessions", n)
	}
	one.s.Close()
	waitFor(t, "the upstream producer of a named session to close", u.producers[0].isClosed)
}

func TestProducerLingersAndIsReused(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{Linger: time.Hour})
	produce(t, b, ProducerSpec{Topic: topic}).s.Close()
	produce(t, b, ProducerSpec{Topic: topic})
	if n := len(u.producers); n != 1 {
		t.Fatalf("%d upstream producers, want the lingering one", n)
	}
}

func TestProducerClosesWithoutLinger(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{Linger: -1})
	o := produce(t, b, ProducerSpec{Topic: topic})
	send(t, o, "YQ==", "1")
	o.s.Close()
	if u.producers[0].isClosed() {
		t.Fatal("closed with a publish in flight")
	}
	u.producers[0].confirm(0, nil)
	waitFor(t, "the upstream producer to close", u.producers[0].isClosed)
}

// A session that floods waits by itself; the other's publish takes its turn.
func TestProducerQueueIsFair(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{MaxInFlight: 100})
	spec := ProducerSpec{Topic: topic, MaxPending: 2}
	flood, calm := produce(t, b, spec), produce(t, b, spec)
	for i := range 5 {
		send(t, flood, []string{"ZjA=", "ZjE=", "ZjI=", "ZjM=", "ZjQ="}[i], "")
	}
	send(t, calm, "Yw==", "")
	up := u.producers[0]
	if got := up.payloads(); got != "f0 f1" {
		t.Fatalf("sent %q into a queue of 2", got)
	}
	for i := range 6 {
		up.confirm(i, nil)
	}
	if got := up.payloads(); got != "f0 f1 f2 c f3 f4" {
		t.Errorf("sent %q", got)
	}
}

// Sessions that wait take turns of several publishes, a quarter of a small queue at most.
func TestWaitingProducersTakeTurns(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{MaxInFlight: 100})
	spec := ProducerSpec{Topic: topic, MaxPending: 8}
	one, two := produce(t, b, spec), produce(t, b, spec)
	for range 12 {
		send(t, one, "YQ==", "")
	}
	for range 3 {
		send(t, two, "Yg==", "")
	}
	up := u.producers[0]
	const full = "a a a a a a a a"
	for i, want := range []string{
		full, full + " a a", full + " a a", full + " a a b b", full + " a a b b",
		full + " a a b b a a", full + " a a b b a a", full + " a a b b a a b",
	} {
		up.confirm(i, nil)
		if got := up.payloads(); got != want {
			t.Errorf("after %d confirmations: sent %q, want %q", i+1, got, want)
		}
	}
}

func TestProducerStopsReadingUntilAnswersAreWritten(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{MaxInFlight: 4})
	o := produce(t, b, ProducerSpec{Topic: topic})
	for range 3 {
		send(t, o, "YQ==", "")
	}
	if o.s.Full() {
		t.Fatal("full below the bound")
	}
	if err := o.s.Handle([]byte("no json")); err != nil {
		t.Fatal(err)
	}
	if !o.s.Full() {
		t.Fatal("not full at the bound: an error's answer counts too")
	}
	for i := range 3 {
		u.producers[0].confirm(i, nil)
	}
	if !o.s.Full() {
		t.Fatal("answers that nobody has read must count")
	}
	o.fill(1)
	if o.resume != 0 {
		t.Fatal("resumed above half the bound")
	}
	o.fill(9)
	if o.s.Full() || o.resume == 0 {
		t.Fatal("not resumed after the answers were written")
	}
	if o.s.InFlight() != 0 {
		t.Errorf("%d in flight", o.s.InFlight())
	}
}

func TestBrokenUpstreamIsNotShared(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	produce(t, b, ProducerSpec{Topic: topic})
	u.producers[0].mu.Lock()
	u.producers[0].broken = &Error{Kind: ErrTerminated}
	u.producers[0].mu.Unlock()
	produce(t, b, ProducerSpec{Topic: topic})
	if n := len(u.producers); n != 2 {
		t.Errorf("%d upstream producers, want a new one beside that of a terminated topic", n)
	}
}

func TestFailedUpstreamIsNotKept(t *testing.T) {
	u := &fakeUpstream{openErr: &Error{Kind: ErrNotFound, Detail: "no namespace"}}
	b := newBridge(t, u, Options{})
	ch := make(chan error, 1)
	b.Produce(ProducerSpec{Topic: topic}, &fakeOutlet{}, func(_ Session, err error) { ch <- err })
	if err := <-ch; !errors.Is(err, ErrNotFound) {
		t.Fatalf("opened with %v", err)
	}
	u.mu.Lock()
	u.openErr = nil
	u.mu.Unlock()
	o := produce(t, b, ProducerSpec{Topic: topic})
	// A producer that the broker closed is of no use to the next session.
	send(t, o, "YQ==", "")
	u.producers[0].confirm(0, &Error{Kind: ErrTerminated})
	produce(t, b, ProducerSpec{Topic: topic})
	if n := len(u.producers); n != 2 {
		t.Errorf("%d upstream producers, want a new one after the first was terminated", n)
	}
}
