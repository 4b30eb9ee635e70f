package embedded

import (
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// ackAll acknowledges from Deliver and allows the next message.
type ackAll struct {
	c bridge.Consumer
	n atomic.Int64
}

func (a *ackAll) Deliver(m *codec.Message) {
	a.c.Ack(m.ID)
	a.c.Permit(1)
	a.n.Add(1)
}

func (a *ackAll) Lost(error) {}

type ignore struct{}

func (ignore) Sent(codec.MessageID, error) {}

// BenchmarkSendDeliverAck is one message published, delivered and acknowledged.
func BenchmarkSendDeliverAck(b *testing.B) {
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.KeyShared} {
		b.Run(typ.String(), func(b *testing.B) {
			u := New(Options{})
			defer u.Close()
			p, err := u.CreateProducer(b.Context(), bridge.ProducerSpec{Topic: testTopic})
			if err != nil {
				b.Fatal(err)
			}
			a := &ackAll{}
			a.c, err = u.Subscribe(b.Context(), bridge.ConsumerSpec{Topic: testTopic, Subscription: "s", Type: typ}, a)
			if err != nil {
				b.Fatal(err)
			}
			a.c.Permit(1000)
			m := &bridge.Outgoing{Payload: make([]byte, 100)}
			b.ReportAllocs()
			for b.Loop() {
				p.Send(m, ignore{})
			}
			b.ReportMetric(float64(a.n.Load())/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
