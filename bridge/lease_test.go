package bridge

import (
	"testing"
	"time"
)

func TestExpiredProducerIsClosedOnce(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{Linger: time.Hour})
	spec := ProducerSpec{Topic: topic}
	produce(t, b, spec).s.Close()
	b.mu.Lock()
	e := b.producers[spec]
	b.mu.Unlock()
	e.expire()
	e.expire() // a timer that fired while another expire was under way
	b.Close()
	if n := b.Gauges().UpstreamProducers; n != 0 {
		t.Errorf("%d upstream producers are counted", n)
	}
}
