package read

import (
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// A broadcast: one message, which all readers of the topic take.
func BenchmarkBroadcast(b *testing.B) {
	const readers = 500
	u := &bridgetest.Upstream{Last: emptyEnd}
	rs := newReaders(b, u, options{})
	worker := &bridgetest.Worker{}
	outs := make([]*bridgetest.Sink, readers)
	for i := range outs {
		outs[i] = &bridgetest.Sink{Worker: worker}
		opened := make(chan struct{})
		rs.Attach(latest(), bridge.ReadOptions{Window: 1 << 30}, outs[i], func(s bridge.Session, err error) { outs[i].Session = s; close(opened) })
		<-opened
	}
	up := u.Reader(0)
	n := int64(0)
	for b.Loop() {
		up.Receiver.Deliver(message(n))
		n++
		for _, o := range outs {
			o.Session.Fill(o)
		}
	}
	for _, o := range outs {
		o.Session.Close()
	}
}
