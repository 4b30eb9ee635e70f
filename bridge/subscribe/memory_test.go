package subscribe

import (
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/memory"
)

// Messages that wait for slow consumers are counted until they are written,
// dropped or given back, and their number depends on what is left.
func TestQueuedMessagesKeepWithinTheBudget(t *testing.T) {
	u := &bridgetest.Upstream{}
	budget := memory.New(4 << 20)
	cs := newConsumers(t, u, options{Memory: budget})
	large := strings.Repeat("x", 20<<10)
	var sessions []*bridgetest.Outlet
	for i := range 20 {
		spec := sharedSpec
		spec.Subscription = string(rune('a' + i))
		sessions = append(sessions, consume(t, cs, spec, bridge.ConsumeOptions{Window: 1000, NackDelay: time.Minute}))
		up := u.All()[i]
		waitFor(t, "permits", func() bool { return up.Allowed() > 0 })
		for n := int64(0); up.Allowed() > 0 && n < 1000; n++ {
			up.Permit(-1)
			m := message(n)
			m.Payload = []byte(large)
			up.Receiver.Deliver(m)
		}
	}
	// Before the first message comes its size is not known.
	if held := budget.Held(memory.Deliveries); held > budget.Limit()+int64(len(sessions)*firstAhead*len(large)) {
		t.Errorf("%d bytes are held", held)
	}
	for i, o := range sessions {
		if i%2 == 0 {
			for len(o.Fill(5)) > 0 {
			}
		}
		o.Session.Close()
	}
	waitFor(t, "all to be given back", func() bool { return budget.Held(memory.Deliveries) == 0 })
}
