package subscribe

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// A message of a subscription, from the upstream to its acknowledgement.
func BenchmarkDeliverAck(b *testing.B) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(b, u, options{})
	o := &bridgetest.Sink{}
	opened := make(chan struct{})
	cs.Attach(sharedSpec, bridge.ConsumeOptions{Window: 1000, NackDelay: time.Minute}, o, func(s bridge.Session, err error) { o.Session = s; close(opened) })
	<-opened
	up := u.Consumers[0]
	for up.Allowed() == 0 {
		time.Sleep(time.Millisecond)
	}
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		m := message(n)
		n++
		up.Receiver.Deliver(m)
		o.Session.Fill(o)
		frame := append(m.ID.AppendText([]byte(`{"messageId":"`)), `"}`...)
		if err := o.Session.Handle(frame); err != nil {
			b.Fatal(err)
		}
		up.Acks = up.Acks[:0]
	}
	o.Session.Close()
}
