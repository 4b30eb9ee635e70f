package hub

import (
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
)

// Limits that change count at once, and a zero is what it is in Options.
func TestLimitsThatChange(t *testing.T) {
	h := New(nil, Options{MaxInFlight: 5})
	defer h.Close()
	if l := h.limits.Now(); l.MaxInFlight != 5 || l.MaxTopics != 0 {
		t.Errorf("got %+v", l)
	}
	h.SetLimits(bridge.Limits{MaxPublishBytes: 10, MaxTopics: 3})
	if l := *h.limits.Now(); l != (bridge.Limits{MaxInFlight: 1000, MaxInFlightBytes: 8 << 20, TailBytes: 8 << 20, MaxTopics: 3, MaxPublishBytes: 10}) {
		t.Errorf("got %+v", l)
	}
}
