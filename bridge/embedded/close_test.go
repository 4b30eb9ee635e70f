package embedded

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// lateCalls is a Receiver that acknowledges and counts calls after over is set.
type lateCalls struct {
	c    bridge.Consumer
	over *atomic.Bool
	late *atomic.Int64
	got  chan struct{}
}

func (l *lateCalls) Deliver(m *codec.Message) {
	if l.over.Load() {
		l.late.Add(1)
	}
	l.c.Ack(m.ID)
	l.c.Permit(1)
	select {
	case l.got <- struct{}{}:
	default:
	}
}

func (l *lateCalls) Lost(error) {}

// Close amid traffic: every Send is answered, no receiver is called after
// Close, and what is closed afterwards does not hang.
func TestCloseUnderLoad(t *testing.T) {
	for range 20 {
		u := New(Options{})
		var over atomic.Bool
		var late atomic.Int64
		got := make(chan struct{}, 1)
		var consumers []bridge.Consumer
		for range 20 {
			l := &lateCalls{over: &over, late: &late, got: got}
			c, err := u.Subscribe(context.Background(), bridge.ConsumerSpec{Topic: testTopic, Subscription: "s", Type: bridge.Shared}, l)
			if err != nil {
				t.Fatal(err)
			}
			l.c = c
			c.Permit(5)
			consumers = append(consumers, c)
		}
		var sending sync.WaitGroup
		for batching := range 4 {
			p := produce(t, u, bridge.ProducerSpec{Batching: batching%2 == 1})
			sending.Go(func() {
				const most = 100
				places := make(places, most)
				for !over.Load() {
					places <- struct{}{}
					p.Send(&bridge.Outgoing{}, places)
				}
				p.Close()
				if n := len(places); n != 0 {
					t.Errorf("%d publishes are not answered", n)
				}
			})
		}
		for range 100 {
			<-got
		}
		u.Close()
		over.Store(true)
		sending.Wait()
		for _, c := range consumers {
			c.Close()
		}
		if n := late.Load(); n != 0 {
			t.Errorf("%d deliveries after Close", n)
		}
	}
}

// places holds one element for each publish in flight.
type places chan struct{}

func (p places) Sent(codec.MessageID, error) { <-p }
