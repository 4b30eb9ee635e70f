package publish

import (
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// What a producer's client sends beside the payload counts, too.
func TestUnansweredBytesAreBounded(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{MaxInFlightBytes: 1 << 20})
	long := strings.Repeat("x", 100<<10)
	for _, frame := range []string{`{"payload":"","context":"` + long + `"}`, `{"payload":"?","context":"` + long + `"}`} {
		o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
		n := 0
		for ; !o.Session.Full() && n < 1000; n++ {
			if err := o.Session.Handle([]byte(frame)); err != nil {
				t.Fatal(err)
			}
		}
		if n > 12 {
			t.Errorf("%d frames of 100 KiB taken under a bound of 1 MiB", n)
		}
	}
}

// Whatever a client asks for, an upstream gets numbers that it can make queues and timers of.
func TestNumbersOfAProducerAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		inFlight    int // Options.MaxInFlight
		asked, want bridge.ProducerSpec
	}{
		"nothing":          {0, bridge.ProducerSpec{}, bridge.ProducerSpec{}},
		"usual":            {0, bridge.ProducerSpec{MaxPending: 500, SendTimeout: time.Second}, bridge.ProducerSpec{MaxPending: 500, SendTimeout: time.Second}},
		"most":             {0, bridge.ProducerSpec{MaxPending: 1<<31 - 1, SendTimeout: time.Millisecond}, bridge.ProducerSpec{MaxPending: entryQueue, SendTimeout: leastSendTimeout}},
		"few in flight":    {10, bridge.ProducerSpec{MaxPending: 5000}, bridge.ProducerSpec{MaxPending: entryQueue}},
		"many in flight":   {3000, bridge.ProducerSpec{MaxPending: 5000}, bridge.ProducerSpec{MaxPending: 3000}},
		"no end in flight": {1 << 20, bridge.ProducerSpec{MaxPending: 1<<31 - 1}, bridge.ProducerSpec{MaxPending: mostPending}},
	} {
		u := &bridgetest.Upstream{}
		ps := newProducers(t, u, options{MaxInFlight: c.inFlight})
		produce(t, ps, c.asked)
		if got := u.Producers[0].Spec; got != c.want {
			t.Errorf("%s: the upstream got %+v, want %+v", name, got, c.want)
		}
	}
}
