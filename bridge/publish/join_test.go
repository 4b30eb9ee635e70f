package publish

import (
	"context"
	"strconv"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// A producer that is given up at once is created all the same: others may be waiting for it.
func TestJoinIsGivenUp(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given := 0
	for i := range 200 {
		_, _, err := ps.join(ctx, bridge.ProducerSpec{Topic: topic, Name: strconv.Itoa(i)})
		if err != nil { // else it was there before
			given++
		}
	}
	waitFor(t, "the producers", func() bool { return len(u.Made()) == 200 })
	if given == 0 {
		t.Error("none was given up")
	}
}
