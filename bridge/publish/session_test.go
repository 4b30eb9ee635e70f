package publish

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/codec"
)

func send(t *testing.T, o *bridgetest.Outlet, payload, context string) {
	t.Helper()
	if err := o.Session.Handle([]byte(fmt.Sprintf(`{"payload":%q,"context":%q}`, payload, context))); err != nil {
		t.Fatal(err)
	}
}

func TestProducersShareOneUpstream(t *testing.T) {
	u := &bridgetest.Upstream{}
	counts := census.New()
	ps := newProducers(t, u, options{Census: counts})
	spec := bridge.ProducerSpec{Topic: topic}
	one, two := produce(t, ps, spec), produce(t, ps, spec)
	if n := len(u.Producers); n != 1 {
		t.Fatalf("%d upstream producers for two sessions", n)
	}
	send(t, one, "YQ==", "1")
	send(t, two, "Yg==", "2")
	up := u.Producers[0]
	up.Confirm(1, nil)
	up.Confirm(0, errors.New("boom"))
	if got := two.Fill(9); len(got) != 1 || !strings.Contains(got[0], `"result":"ok"`) || !strings.Contains(got[0], `"context":"2"`) {
		t.Errorf("second session was answered %q", got)
	}
	if got := one.Fill(9); len(got) != 1 || !strings.Contains(got[0], `"send-error:8"`) || !strings.Contains(got[0], `"context":"1"`) {
		t.Errorf("first session was answered %q", got)
	}
	c := counts.Counters()
	if c.Published != 1 || c.PublishedBytes != 1 || c.Failed() != 1 || c.PublishFailed[codec.CodeUnknown] != 1 {
		t.Errorf("counted %d published of %d bytes, %v failed", c.Published, c.PublishedBytes, c.PublishFailed)
	}
}

func TestNamedProducersAreNotShared(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	one := produce(t, ps, bridge.ProducerSpec{Topic: topic, Name: "n"})
	produce(t, ps, bridge.ProducerSpec{Topic: topic, Name: "n"})
	if n := len(u.Producers); n != 2 {
		t.Fatalf("%d upstream producers for two named sessions", n)
	}
	one.Session.Close()
	waitFor(t, "the upstream producer of a named session to close", u.Producers[0].IsClosed)
}

func TestProducerLingersAndIsReused(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{Linger: time.Hour})
	produce(t, ps, bridge.ProducerSpec{Topic: topic}).Session.Close()
	produce(t, ps, bridge.ProducerSpec{Topic: topic})
	if n := len(u.Producers); n != 1 {
		t.Fatalf("%d upstream producers, want the lingering one", n)
	}
}

func TestProducerClosesWithoutLinger(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{Linger: -1})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	send(t, o, "YQ==", "1")
	o.Session.Close()
	if u.Producers[0].IsClosed() {
		t.Fatal("closed with a publish in flight")
	}
	u.Producers[0].Confirm(0, nil)
	waitFor(t, "the upstream producer to close", u.Producers[0].IsClosed)
}

// A session that floods waits by itself; the other's publish takes its turn.
func TestProducerQueueIsFair(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{MaxInFlight: 100})
	spec := bridge.ProducerSpec{Topic: topic, MaxPending: 2}
	flood, calm := produce(t, ps, spec), produce(t, ps, spec)
	for i := range 5 {
		send(t, flood, []string{"ZjA=", "ZjE=", "ZjI=", "ZjM=", "ZjQ="}[i], "")
	}
	send(t, calm, "Yw==", "")
	up := u.Producers[0]
	if got := up.Payloads(); got != "f0 f1" {
		t.Fatalf("sent %q into a queue of 2", got)
	}
	for i := range 6 {
		up.Confirm(i, nil)
	}
	if got := up.Payloads(); got != "f0 f1 f2 c f3 f4" {
		t.Errorf("sent %q", got)
	}
}

// Sessions that wait take turns of several publishes, a quarter of a small queue at most.
func TestWaitingProducersTakeTurns(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{MaxInFlight: 100})
	spec := bridge.ProducerSpec{Topic: topic, MaxPending: 8}
	one, two := produce(t, ps, spec), produce(t, ps, spec)
	for range 12 {
		send(t, one, "YQ==", "")
	}
	for range 3 {
		send(t, two, "Yg==", "")
	}
	up := u.Producers[0]
	const full = "a a a a a a a a"
	for i, want := range []string{
		full, full + " a a", full + " a a", full + " a a b b", full + " a a b b",
		full + " a a b b a a", full + " a a b b a a", full + " a a b b a a b",
	} {
		up.Confirm(i, nil)
		if got := up.Payloads(); got != want {
			t.Errorf("after %d confirmations: sent %q, want %q", i+1, got, want)
		}
	}
}

func TestProducerStopsReadingUntilAnswersAreWritten(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{MaxInFlight: 4})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	for range 3 {
		send(t, o, "YQ==", "")
	}
	if o.Session.Full() {
		t.Fatal("full below the bound")
	}
	if err := o.Session.Handle([]byte("no json")); err != nil {
		t.Fatal(err)
	}
	if !o.Session.Full() {
		t.Fatal("not full at the bound: an error's answer counts too")
	}
	for i := range 3 {
		u.Producers[0].Confirm(i, nil)
	}
	if !o.Session.Full() {
		t.Fatal("answers that nobody has read must count")
	}
	o.Fill(1)
	if o.Resumed != 0 {
		t.Fatal("resumed above half the bound")
	}
	o.Fill(9)
	if o.Session.Full() || o.Resumed == 0 {
		t.Fatal("not resumed after the answers were written")
	}
	if o.Session.InFlight() != 0 {
		t.Errorf("%d in flight", o.Session.InFlight())
	}
}

func TestBrokenUpstreamIsNotShared(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	produce(t, ps, bridge.ProducerSpec{Topic: topic})
	u.Producers[0].Mu.Lock()
	u.Producers[0].Broken = &bridge.Error{Kind: bridge.ErrTerminated}
	u.Producers[0].Mu.Unlock()
	produce(t, ps, bridge.ProducerSpec{Topic: topic})
	if n := len(u.Producers); n != 2 {
		t.Errorf("%d upstream producers, want a new one beside that of a terminated topic", n)
	}
}

func TestFailedUpstreamIsNotKept(t *testing.T) {
	u := &bridgetest.Upstream{OpenErr: &bridge.Error{Kind: bridge.ErrNotFound, Detail: "no namespace"}}
	ps := newProducers(t, u, options{})
	ch := make(chan error, 1)
	ps.Attach(bridge.ProducerSpec{Topic: topic}, &bridgetest.Outlet{}, func(_ bridge.Session, err error) { ch <- err })
	if err := <-ch; !errors.Is(err, bridge.ErrNotFound) {
		t.Fatalf("opened with %v", err)
	}
	u.Mu.Lock()
	u.OpenErr = nil
	u.Mu.Unlock()
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	// A producer that the broker closed is of no use to the next session.
	send(t, o, "YQ==", "")
	u.Producers[0].Confirm(0, &bridge.Error{Kind: bridge.ErrTerminated})
	produce(t, ps, bridge.ProducerSpec{Topic: topic})
	if n := len(u.Producers); n != 2 {
		t.Errorf("%d upstream producers, want a new one after the first was terminated", n)
	}
}
