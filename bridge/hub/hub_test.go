package hub

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

const topic = "persistent://public/default/t"

var (
	waitFor = bridgetest.WaitFor

	sharedSpec = bridge.ConsumerSpec{Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10}
	minute     = bridge.ConsumeOptions{Window: 2, NackDelay: time.Minute}
)

func latest() bridge.ReaderSpec {
	return bridge.ReaderSpec{Topic: topic, Start: bridge.StartLatest, Queue: 1000}
}

// newHub makes a hub that ends with the test. Its sessions on a Shared subscription share one
// upstream consumer, unless o says how many there are.
func newHub(t *testing.T, up bridge.Upstream, o Options) *Hub {
	t.Helper()
	if o.SharedConsumers == 0 {
		o.SharedConsumers = 1
	}
	h := New(up, o)
	t.Cleanup(h.Close)
	return h
}

func consume(t *testing.T, h *Hub, spec bridge.ConsumerSpec, co bridge.ConsumeOptions) *bridgetest.Outlet {
	t.Helper()
	return bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return h.Consume(spec, co, o, done) })
}

func produce(t *testing.T, h *Hub, spec bridge.ProducerSpec) *bridgetest.Outlet {
	t.Helper()
	return bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return h.Produce(spec, o, done) })
}

func reader(t *testing.T, h *Hub, spec bridge.ReaderSpec, ro bridge.ReadOptions) *bridgetest.Outlet {
	t.Helper()
	return bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return h.Read(spec, ro, o, done) })
}

// A client that asks but does not read is not read any more.
func TestUnreadAnswersAreBounded(t *testing.T) {
	u := &bridgetest.Upstream{Last: bridgetest.EmptyEnd}
	h := newHub(t, u, Options{})
	question := []byte(`{"type":"isEndOfTopic"}`)
	for name, o := range map[string]*bridgetest.Outlet{
		"consumer": consume(t, h, sharedSpec, minute),
		"reader":   reader(t, h, latest(), bridge.ReadOptions{Window: 1}),
	} {
		n := 0
		for ; !o.Session.Full() && n < 10*bridge.MaxQuestions; n++ {
			if err := o.Session.Handle(question); err != nil {
				t.Fatal(err)
			}
		}
		if n != bridge.MaxQuestions {
			t.Fatalf("%s: %d questions taken, want %d", name, n, bridge.MaxQuestions)
		}
		written := 0
		waitFor(t, name+" to be resumed", func() bool {
			written += len(o.Fill(n))
			o.Mu.Lock()
			defer o.Mu.Unlock()
			return o.Resumed > 0
		})
		if o.Session.Full() || written < n/2 {
			t.Errorf("%s: full is %t after %d answers were written", name, o.Session.Full(), written)
		}
	}
}

// slowMany is an upstream that takes its time over sessions with many topics.
type slowMany struct {
	*bridgetest.Upstream
	held atomic.Int32 // those it takes its time over
	hold chan struct{}
}

func (u *slowMany) Subscribe(ctx context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error) {
	if spec.Topic == "" {
		u.held.Add(1)
		<-u.hold
	}
	return u.Upstream.Subscribe(ctx, spec, r)
}

// While sessions over very many topics are being opened, others are not kept waiting.
func TestManyTopicsKeepNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &slowMany{Upstream: &bridgetest.Upstream{}, hold: make(chan struct{})}
		h := newHub(t, u, Options{OpenConcurrency: 1, MaxTopics: 7})
		opened := make(chan bridge.Session, 2)
		begun := time.Now()
		for range cap(opened) {
			h.Consume(bridge.ConsumerSpec{Topics: "persistent://a/b/c,persistent://a/b/d", Subscription: "s", Queue: 1}, minute, &bridgetest.Outlet{}, func(s bridge.Session, err error) {
				if err != nil {
					t.Error(err)
				}
				opened <- s
			})
		}
		synctest.Wait()
		if n := int(u.held.Load()); n != cap(opened) {
			t.Errorf("%d are being opened, want %d", n, cap(opened))
		}
		consume(t, h, bridge.ConsumerSpec{Topic: "persistent://a/b/c", Subscription: "s", Queue: 1}, minute)
		produce(t, h, bridge.ProducerSpec{Topic: "persistent://a/b/c"})
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("others waited for %v", waited)
		}
		close(u.hold)
		for range cap(opened) {
			(<-opened).Close()
		}
		for _, c := range u.All() {
			if want := map[bool]int{true: 7}[c.Spec.Topic == ""]; c.Spec.MaxTopics != want {
				t.Errorf("the upstream got a bound of %d topics for %s%s", c.Spec.MaxTopics, c.Spec.Topic, c.Spec.Topics)
			}
		}
	})
}
