package bridge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// largePublish is a frame with a payload of size bytes.
func largePublish(size int) []byte {
	return []byte(`{"payload":"` + strings.Repeat("AAAA", size/3) + `"}`)
}

// However many sessions publish to a broker that does not answer, they keep
// within the budget, and each can have one publish on its way.
func TestPublishesKeepWithinTheBudget(t *testing.T) {
	u := &fakeUpstream{}
	budget := memory.New(16 << 20)
	b := newBridge(t, u, Options{Memory: budget})
	var sessions []*fakeOutlet
	frame := largePublish(100 << 10)
	for range 40 {
		o := produce(t, b, ProducerSpec{Topic: topic})
		n := 0
		for ; !o.s.Full() && n < 1000; n++ {
			if err := o.s.Handle(frame); err != nil {
				t.Fatal(err)
			}
		}
		if n == 0 {
			t.Fatal("a session may publish nothing")
		}
		sessions = append(sessions, o)
	}
	if held, most := budget.Held(memory.Publishes), budget.Limit()+int64(len(sessions))*publishMemory(frame); held > most {
		t.Errorf("%d bytes are held, of a budget of %d", held, budget.Limit())
	}
	p := u.producers[0]
	for i := 0; i < len(p.sent); i++ {
		p.confirm(i, nil)
	}
	for _, o := range sessions {
		o.fill(1000)
		if o.s.Full() {
			t.Error("full after all was answered")
		}
		o.s.Close()
	}
	if held := budget.Held(memory.Publishes); held != 0 {
		t.Errorf("%d bytes are held after all is over", held)
	}
}

// What a client that is gone does not read any more is given back.
func TestMemoryOfClosedProducerSession(t *testing.T) {
	u := &fakeUpstream{}
	budget := memory.New(1 << 30)
	b := newBridge(t, u, Options{Memory: budget})
	o := produce(t, b, ProducerSpec{Topic: topic})
	for range 3 {
		if err := o.s.Handle(largePublish(1000)); err != nil {
			t.Fatal(err)
		}
	}
	u.producers[0].confirm(0, nil)
	o.s.Close()
	for i := 1; i < 3; i++ {
		u.producers[0].confirm(i, errors.New("no"))
	}
	if held := budget.Held(memory.Publishes); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}

func TestPublishBytesOfAllSessionsAreBounded(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{Memory: memory.New(0), MaxPublishBytes: 100_000})
	o := produce(t, b, ProducerSpec{Topic: topic})
	for range 2 {
		if err := o.s.Handle(largePublish(40_000)); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.fill(9); len(got) != 1 || !strings.Contains(got[0], "webSocketPulsarClientMemoryLimitInMB") || !strings.Contains(got[0], "send-error:8") {
		t.Errorf("answered %q", got)
	}
}

// Messages that wait for slow consumers are counted until they are written,
// dropped or given back, and their number depends on what is left.
func TestQueuedMessagesKeepWithinTheBudget(t *testing.T) {
	u := &fakeUpstream{}
	budget := memory.New(4 << 20)
	b := newBridge(t, u, Options{Memory: budget})
	large := strings.Repeat("x", 20<<10)
	var sessions []*fakeOutlet
	for i := range 20 {
		spec := sharedSpec
		spec.Subscription = string(rune('a' + i))
		sessions = append(sessions, consume(t, b, spec, ConsumeOptions{Window: 1000, NackDelay: time.Minute}))
		up := u.all()[i]
		waitFor(t, "permits", func() bool { return up.allowed() > 0 })
		for n := int64(0); up.allowed() > 0 && n < 1000; n++ {
			up.mu.Lock()
			up.permits--
			up.mu.Unlock()
			m := message(n)
			m.Payload = []byte(large)
			up.r.Deliver(m)
		}
	}
	// Before the first message comes its size is not known.
	if held := budget.Held(memory.Deliveries); held > budget.Limit()+int64(len(sessions)*firstAhead*len(large)) {
		t.Errorf("%d bytes are held", held)
	}
	for i, o := range sessions {
		if i%2 == 0 {
			for len(o.fill(5)) > 0 {
			}
		}
		o.s.Close()
	}
	waitFor(t, "all to be given back", func() bool { return budget.Held(memory.Deliveries) == 0 })
}

func TestTailsKeepWithinTheBudget(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	budget := memory.New(2 << 20)
	b := newBridge(t, u, Options{Memory: budget, Linger: -1})
	o := read(t, b, latest(), ReadOptions{Window: 1000})
	up := u.reader(0)
	waitFor(t, "permits", func() bool { return up.allowed() > 0 })
	for n := int64(0); n < 200; n++ {
		m := message(n)
		m.Payload = make([]byte, 50<<10)
		up.r.(interface{ Deliver(*codec.Message) }).Deliver(m)
		o.fill(9)
	}
	if held := budget.Held(memory.Tails); held == 0 || held > budget.Limit()/8 {
		t.Errorf("%d bytes are held of a budget of %d", held, budget.Limit())
	}
	o.s.Close()
	waitFor(t, "all to be given back", func() bool { return budget.Held(memory.Tails) == 0 })
}
