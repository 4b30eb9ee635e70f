package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec/ws"
)

// sink is a socket that takes everything.
type sink struct {
	fakeOutlet
	buf []byte
}

func (o *sink) Wake()                          {}
func (o *sink) Room() bool                     { return true }
func (o *sink) Append(add func([]byte) []byte) { o.buf = add(o.buf[:0]) }
func (o *sink) Shared(*ws.Frame)               {}

// A broadcast: one message, which all readers of the topic take.
func BenchmarkBroadcast(b *testing.B) {
	const readers = 500
	u := &fakeUpstream{last: emptyEnd}
	br := New(u, Options{})
	b.Cleanup(br.Close)
	outs := make([]*sink, readers)
	for i := range outs {
		outs[i] = &sink{}
		opened := make(chan struct{})
		br.Read(latest(), ReadOptions{Window: 1 << 30}, outs[i], func(s Session, err error) { outs[i].s = s; close(opened) })
		<-opened
	}
	up := u.reader(0)
	n := int64(0)
	for b.Loop() {
		up.r.Deliver(message(n))
		n++
		for _, o := range outs {
			o.s.Fill(o)
		}
	}
	for _, o := range outs {
		o.s.Close()
	}
}

// A message of a subscription, from the upstream to its acknowledgement.
func BenchmarkDeliverAck(b *testing.B) {
	u := &fakeUpstream{}
	br := New(u, Options{})
	b.Cleanup(br.Close)
	o := &sink{}
	opened := make(chan struct{})
	br.Consume(sharedSpec, ConsumeOptions{Window: 1000, NackDelay: time.Minute}, o, func(s Session, err error) { o.s = s; close(opened) })
	<-opened
	up := u.consumers[0]
	for up.allowed() == 0 {
		time.Sleep(time.Millisecond)
	}
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		m := message(n)
		n++
		up.r.Deliver(m)
		o.s.Fill(o)
		frame := append(m.ID.AppendText([]byte(`{"messageId":"`)), `"}`...)
		if err := o.s.Handle(frame); err != nil {
			b.Fatal(err)
		}
		up.acks = up.acks[:0]
	}
	o.s.Close()
}

// A publish, from the client's frame to its answer.
func BenchmarkPublish(b *testing.B) {
	u := &fakeUpstream{}
	br := New(u, Options{})
	b.Cleanup(br.Close)
	o := &sink{}
	opened := make(chan struct{})
	br.Produce(ProducerSpec{Topic: topic}, o, func(s Session, err error) { o.s = s; close(opened) })
	<-opened
	p := u.producers[0]
	frame := fmt.Appendf(nil, `{"payload":"%0100d"}`, 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := o.s.Handle(frame); err != nil {
			b.Fatal(err)
		}
		p.confirm(0, nil)
		p.sent, p.done = p.sent[:0], p.done[:0]
		o.s.Fill(o)
	}
	o.s.Close()
}
