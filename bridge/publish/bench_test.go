package publish

import (
	"fmt"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// A publish, from the client's frame to its answer.
func BenchmarkPublish(b *testing.B) {
	u := &bridgetest.Upstream{}
	ps := newProducers(b, u, options{})
	o := &bridgetest.Sink{}
	opened := make(chan struct{})
	ps.Attach(bridge.ProducerSpec{Topic: topic}, o, func(s bridge.Session, err error) { o.Session = s; close(opened) })
	<-opened
	p := u.Producers[0]
	frame := fmt.Appendf(nil, `{"payload":"%0100d"}`, 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := o.Session.Handle(frame); err != nil {
			b.Fatal(err)
		}
		p.Confirm(0, nil)
		p.Sent, p.Done = p.Sent[:0], p.Done[:0]
		o.Session.Fill(o)
	}
	o.Session.Close()
}
