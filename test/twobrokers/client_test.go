//go:build pulsar

package twobrokers

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// direct is what sessions is, without a gateway.
type direct struct {
	t      *testing.T
	client *pulsar.Client
}

func newDirect(t *testing.T, url string) *direct {
	// As a gateway, it tries again sooner than the package does by itself: what waits for it ends after a timeout, too.
	c, err := pulsar.New(pulsar.Options{ServiceURL: url, MaxBackoff: time.Second, OperationTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &direct{t, c}
}

// receiver is a pulsar.Handler that acknowledges what it takes.
type receiver struct {
	v       *view
	opened  chan error
	permits pulsar.Permits
}

func (r *receiver) Opened(_ *pulsar.Consumer, err error) { r.opened <- err }
func (r *receiver) Tell(*pulsar.Consumer, pulsar.Event)  {}
func (r *receiver) Ended(_ *pulsar.Consumer, err error) {
	r.v.of.complain("%s ended: %v", r.v.name, err)
}
func (r *receiver) Deliver(x *pulsar.Consumer, m *pulsar.Received) {
	r.v.take(string(m.Payload))
	x.Ack(m.ID)
	r.permits.Permit(1)
}

func (d *direct) receive(x *topic, subscription string, o *pulsar.ConsumerOptions, v *view) {
	d.t.Helper()
	r := &receiver{v: v, opened: make(chan error, 1)}
	r.permits.Permit(100)
	d.client.NewConsumer("persistent://"+x.name, subscription, o, &r.permits, r)
	if err := <-r.opened; err != nil { // which comes when the operation's time is over, at the latest
		d.t.Fatal(err)
	}
}

// finder is a pulsar.GroupHandler that takes what comes of one topic, which is found.
type finder struct{ receiver }

func (f *finder) Opened(_ *pulsar.Group, err error) { f.opened <- err }
func (f *finder) Ended(_ *pulsar.Group, err error)  { f.v.of.complain("the group ended: %v", err) }

// find consumes a topic that is not there yet, by a pattern.
func (d *direct) find(x *topic) {
	d.t.Helper()
	f := &finder{receiver{v: x.view("group", false), opened: make(chan error, 1)}}
	f.permits.Permit(100)
	namespace := x.name[:strings.LastIndex(x.name, "/")]
	sel := pulsar.Selection{Namespace: namespace, Match: func(name string) bool { return name == "persistent://"+x.name }}
	d.client.OpenGroup(sel, "group", &pulsar.ConsumerOptions{Type: wire.Shared}, &f.permits, f)
	if err := <-f.opened; err != nil {
		d.t.Fatal(err)
	}
}

// publisher is a pulsar.Owner that keeps a window of numbers on their way.
type publisher struct {
	x      *topic
	opened chan error
	p      *pulsar.Producer
	next   chan struct{} // holds one for each message that may be sent
}

func (w *publisher) Opened(_ *pulsar.Producer, err error) { w.opened <- err }
func (w *publisher) Ended(_ *pulsar.Producer, err error)  { w.x.complain("the producer ended: %v", err) }

// numbered is the pulsar.Done of a message.
type numbered struct {
	w *publisher
	n int
}

func (d numbered) Sent(_ pulsar.MessageID, err error) {
	if err != nil {
		d.w.x.complain("%d: %v", d.n, err)
	} else {
		d.w.x.answer(d.n)
	}
	d.w.next <- struct{}{}
}

// produce publishes numbers until stop is closed, or count of them. done is closed when all are answered.
func (d *direct) produce(x *topic, count int, batching bool, stop <-chan struct{}) (done <-chan struct{}) {
	d.t.Helper()
	w := &publisher{x: x, opened: make(chan error, 1), next: make(chan struct{}, window)}
	w.p = d.client.NewProducer(pulsar.ProducerOptions{Topic: "persistent://" + x.name, Batching: batching}, w)
	if err := <-w.opened; err != nil {
		d.t.Fatal(err)
	}
	for range window {
		w.next <- struct{}{}
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for n := 0; n < count; n++ {
			select {
			case <-stop:
				count = 0
				continue
			case <-tick.C:
			}
			<-w.next
			w.p.Send(&pulsar.Message{Payload: []byte(strconv.Itoa(n))}, numbered{w, n})
		}
		for range window {
			<-w.next
		}
	}()
	return over
}

// use opens what a topic has, as sessions.use.
func (d *direct) use(x *topic, count int, batching bool, stop <-chan struct{}) (done <-chan struct{}) {
	d.t.Helper()
	for _, kind := range []struct {
		name string
		o    pulsar.ConsumerOptions
	}{
		{"Shared", pulsar.ConsumerOptions{Type: wire.Shared}},
		{"Failover", pulsar.ConsumerOptions{Type: wire.Failover}},
		{"reader", pulsar.ConsumerOptions{Type: wire.Exclusive, NonDurable: true, AckDelivered: true}},
	} {
		o := kind.o
		o.InitialPosition = wire.Earliest
		v := x.view("own "+kind.name, kind.name == "reader")
		d.receive(x, "own-"+kind.name, &o, v)
		if kind.name == "Shared" {
			d.receive(x, "own-"+kind.name, &o, v)
		}
	}
	return d.produce(x, count, batching, stop)
}
