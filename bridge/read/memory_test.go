package read

import (
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/memory"
)

func TestTailsKeepWithinTheBudget(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd}
	budget := memory.New(2 << 20)
	rs := newReaders(t, u, options{Memory: budget, Linger: -1})
	o := read(t, rs, latest(), bridge.ReadOptions{Window: 1000})
	up := u.Reader(0)
	waitFor(t, "permits", func() bool { return up.Allowed() > 0 })
	for n := int64(0); n < 200; n++ {
		m := message(n)
		m.Payload = make([]byte, 50<<10)
		up.Receiver.Deliver(m)
		o.Fill(9)
	}
	if held := budget.Held(memory.Tails); held == 0 || held > budget.Limit()/8 {
		t.Errorf("%d bytes are held of a budget of %d", held, budget.Limit())
	}
	o.Session.Close()
	waitFor(t, "all to be given back", func() bool { return budget.Held(memory.Tails) == 0 })
}
