package publish

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

func TestExpiredProducerIsClosedOnce(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{Linger: time.Hour})
	spec := bridge.ProducerSpec{Topic: topic}
	produce(t, ps, spec).Session.Close()
	ps.mu.Lock()
	e := ps.entries[spec]
	ps.mu.Unlock()
	e.expire()
	e.expire() // a timer that fired while another expire was under way
	ps.pool.Close()
	ps.Close()
	ps.pool.Wait()
	if n := ps.Open(); n != 0 {
		t.Errorf("%d upstream producers are counted", n)
	}
}
