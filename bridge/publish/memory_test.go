package publish

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// largePublish is a frame with a payload of size bytes.
func largePublish(size int) []byte {
	return []byte(`{"payload":"` + strings.Repeat("AAAA", size/3) + `"}`)
}

// A publish of which most is properties is counted with what these take in memory, which is many times its length.
func TestPropertiesAreCounted(t *testing.T) {
	budget := memory.New(0)
	ps := newProducers(t, &bridgetest.Upstream{}, options{Memory: budget})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	var properties []string
	for i := range 1000 {
		properties = append(properties, fmt.Sprintf(`"%x":""`, i))
	}
	frame := []byte(`{"payload":"","properties":{` + strings.Join(properties, ",") + `}}`)
	if err := o.Session.Handle(frame); err != nil {
		t.Fatal(err)
	}
	if held := budget.Held(memory.Publishes); held < 1000*100 {
		t.Errorf("a frame of %d bytes with 1,000 properties is counted with %d", len(frame), held)
	}
}

// What is large is answered with an error once the memory is used up; what is small goes on.
func TestLargePublishesNeedMemory(t *testing.T) {
	budget := memory.New(1 << 20)
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{Memory: budget})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	budget.Take(memory.Deliveries, 1<<20)
	for _, frame := range [][]byte{largePublish(60 << 10), []byte(`{"payload":""}`)} {
		if err := o.Session.Handle(frame); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.Fill(9); len(got) != 1 || !strings.Contains(string(got[0]), "short of memory") {
		t.Errorf("answered %q", got)
	}
	if n := len(u.Producers[0].Sent); n != 1 {
		t.Errorf("%d were published", n)
	}
	if budget.Refusals() != 1 {
		t.Error("not counted")
	}
}

// However many sessions publish to a broker that does not answer, they keep
// within the budget, and each can have one publish on its way.
func TestPublishesKeepWithinTheBudget(t *testing.T) {
	u := &bridgetest.Upstream{}
	budget := memory.New(16 << 20)
	ps := newProducers(t, u, options{Memory: budget})
	var sessions []*bridgetest.Outlet
	frame := largePublish(100 << 10)
	for range 40 {
		o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
		n := 0
		for ; !o.Session.Full() && n < 1000; n++ {
			if err := o.Session.Handle(frame); err != nil {
				t.Fatal(err)
			}
		}
		if n == 0 {
			t.Fatal("a session may publish nothing")
		}
		sessions = append(sessions, o)
	}
	if held, most := budget.Held(memory.Publishes), budget.Limit()+int64(len(sessions))*publishMemory(frame, &codec.SendRequest{}); held > most {
		t.Errorf("%d bytes are held, of a budget of %d", held, budget.Limit())
	}
	p := u.Producers[0]
	for i := 0; i < len(p.Sent); i++ {
		p.Confirm(i, nil)
	}
	for _, o := range sessions {
		o.Fill(1000)
		if o.Session.Full() {
			t.Error("full after all was answered")
		}
		o.Session.Close()
	}
	if held := budget.Held(memory.Publishes); held != 0 {
		t.Errorf("%d bytes are held after all is over", held)
	}
}

// What a client that is gone does not read any more is given back.
func TestMemoryOfClosedProducerSession(t *testing.T) {
	u := &bridgetest.Upstream{}
	budget := memory.New(1 << 30)
	ps := newProducers(t, u, options{Memory: budget})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	for range 3 {
		if err := o.Session.Handle(largePublish(1000)); err != nil {
			t.Fatal(err)
		}
	}
	u.Producers[0].Confirm(0, nil)
	o.Session.Close()
	for i := 1; i < 3; i++ {
		u.Producers[0].Confirm(i, errors.New("no"))
	}
	if held := budget.Held(memory.Publishes); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}

func TestPublishBytesOfAllSessionsAreBounded(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{Memory: memory.New(0), MaxPublishBytes: 100_000})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	for range 2 {
		if err := o.Session.Handle(largePublish(40_000)); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.Fill(9); len(got) != 1 || !strings.Contains(got[0], "webSocketPulsarClientMemoryLimitInMB") || !strings.Contains(got[0], "send-error:8") {
		t.Errorf("answered %q", got)
	}
}
