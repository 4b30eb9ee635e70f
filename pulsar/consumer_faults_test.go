package pulsar

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/login"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// consumerFaults are those that concern consumers.
var consumerFaults = []brokerFault{
	{"drops LOOKUP", wire.TypeLookup, drop},
	{"does not answer LOOKUP", wire.TypeLookup, ignore},
	{"redirects in a circle", wire.TypeLookup, redirect},
	{"answers LOOKUP behind the next", wire.TypeLookup, behindTheNext(doLookup)},
	{"drops SUBSCRIBE", wire.TypeSubscribe, drop},
	{"does not answer SUBSCRIBE", wire.TypeSubscribe, ignore},
	{"subscribes and does not answer", wire.TypeSubscribe, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		s := *cmd.(*wire.Subscribe)
		s.RequestID = 1 << 60
		_ = c.Handle(&s)
		return fakebroker.Ignore
	}},
	{"answers SUBSCRIBE behind the next", wire.TypeSubscribe, behindTheNext(doSubscribe)},
	{"refuses SUBSCRIBE for now", wire.TypeSubscribe, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.Error{RequestID: cmd.(*wire.Subscribe).RequestID, Error: wire.ServiceNotReady})
		return fakebroker.Ignore
	}},
	{"answers SUBSCRIBE and drops", wire.TypeSubscribe, handleAndDrop},
	{"closes the consumer at once", wire.TypeSubscribe, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_ = c.Handle(cmd)
		c.Broker.CloseConsumers(topic, "")
		return fakebroker.Ignore
	}},
	{"closes the consumer before it is made", wire.TypeSubscribe, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.CloseConsumer{ConsumerID: cmd.(*wire.Subscribe).ConsumerID})
		return fakebroker.Ignore
	}},
	{"answers SUBSCRIBE by another command", wire.TypeSubscribe, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Send(&wire.ProducerSuccess{RequestID: cmd.(*wire.Subscribe).RequestID})
		return fakebroker.Ignore
	}},
	{"drops FLOW", wire.TypeFlow, drop},
	{"closes the consumer at FLOW", wire.TypeFlow, closeAll},
	{"sends and closes the consumer", wire.TypeFlow, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_ = c.Handle(cmd)
		return closeAll(c, cmd)
	}},
	{"sends and drops", wire.TypeFlow, handleAndDrop},
	{"names a broker that is none", wire.TypeFlow, func(c *fakebroker.Conn, _ wire.Command) fakebroker.Verdict {
		c.Broker.CloseConsumers(topic, "http://?")
		return fakebroker.Ignore
	}},
	{"sends messages for a consumer of nobody", wire.TypeFlow, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		c.Raw(wire.AppendMessage(nil, &wire.Message{ConsumerID: 1 << 60}, nil, &wire.Metadata{}, []byte("nobody's")))
		c.Send(&wire.CloseConsumer{ConsumerID: 1 << 60})
		c.Send(&wire.ReachedEndOfTopic{ConsumerID: 1 << 60})
		c.Send(&wire.AckResponse{RequestID: 1 << 60, HasRequestID: true})
		return fakebroker.Handle
	}},
	{"drops ACK", wire.TypeAck, drop},
	{"does not answer ACK", wire.TypeAck, ignore},
	{"acknowledges and does not answer", wire.TypeAck, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		a := *cmd.(*wire.Ack)
		a.HasRequestID = false
		_ = c.Handle(&a)
		return fakebroker.Ignore
	}},
	{"acknowledges and drops", wire.TypeAck, handleAndDrop},
	{"refuses ACK", wire.TypeAck, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		a := cmd.(*wire.Ack)
		c.Send(&wire.AckResponse{ConsumerID: a.ConsumerID, RequestID: a.RequestID, HasRequestID: true, HasError: true})
		return fakebroker.Ignore
	}},
	{"closes the consumer at ACK", wire.TypeAck, closeAll},
	{"answers ACK twice", wire.TypeAck, func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		_ = c.Handle(cmd)
		return fakebroker.Handle
	}},
	{"sends garbage", wire.TypeAck, garbage},
	{"half-closes", wire.TypeAck, halfClose},
	{"says nothing any more", wire.TypeAck, silence},
}

func closeAll(c *fakebroker.Conn, _ wire.Command) fakebroker.Verdict {
	c.Broker.CloseConsumers(topic, "")
	return fakebroker.Ignore
}

// TestConsumerFaults lets a broker do each of the faults at several points of a consumer's life. Whatever happens, every message is delivered, to
// a reader once and in order, and in the end the broker knows what is acknowledged.
func TestConsumerFaults(t *testing.T) {
	kinds := map[string]ConsumerOptions{
		"shared": {Type: wire.Shared}, "exclusive": {Type: wire.Exclusive}, "reader": {Type: wire.Exclusive, NonDurable: true, AckDelivered: true},
	}
	for _, f := range consumerFaults {
		for name, o := range kinds {
			t.Run(fmt.Sprintf("%s, %s", f.name, name), func(t *testing.T) {
				t.Parallel()
				for point := range 3 {
					b, c := startFaulty(t, &f, func(n int) bool {
						once := f.at == wire.TypeAck || f.at == wire.TypeFlow
						return once && n == 2*point || !once && n <= point
					})
					o.InitialPosition, o.Window = wire.Earliest, 6
					var x *Consumer
					var in *inbox
					for x == nil { // an operation's time may be over before the broker is good again
						in = newInbox(t)
						in.ack = !o.NonDurable
						in.permits.Permit(1 << 30)
						y := c.NewConsumer(topic, "s", &o, &in.permits, in)
						if err := receive(t, "the consumer", in.opened); err == nil {
							x = y
						}
					}
					var want []string
					for range 10 {
						publishBatch(b, topic, texts(len(want), 3)...)
						want = append(want, texts(len(want), 3)...)
						publishText(b, topic, text(len(want)))
						want = append(want, text(len(want)))
						in.awaitAll(want...)
					}
					if o.NonDurable {
						if got := in.all(); !slices.Equal(got, want) {
							t.Errorf("%q", got)
						}
					} else {
						eventually(t, "all acknowledgements", func() bool {
							return len(b.Unacked(topic, "s")) == 0 || f.name == "refuses ACK" && len(b.Unacked(topic, "s")) <= 1
						})
					}
					closeConsumer(t, x)
					if err := len(in.ended); err > 0 {
						t.Error("it has ended")
					}
				}
			})
		}
	}
}

// TestManyConsumers has thousands of consumers share what there is: no goroutine is theirs. All come back after the connection is lost.
func TestManyConsumers(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL()})
	const n = 2000
	all := make([]*inbox, n)
	for i := range all {
		all[i] = newInbox(t)
		all[i].permits.Permit(10)
		c.NewConsumer(fmt.Sprint(topic, i), "s", earliest(wire.Shared), &all[i].permits, all[i])
	}
	for i, in := range all {
		if err := receive(t, "a consumer", in.opened); err != nil {
			t.Fatal(err)
		}
		publishText(b, fmt.Sprint(topic, i), "first")
	}
	for _, in := range all {
		in.awaitAll("first")
	}
	if len(b.Conns()) != 1 {
		t.Errorf("%d connections", len(b.Conns()))
	}
	b.Conns()[0].Close()
	for i, in := range all {
		publishText(b, fmt.Sprint(topic, i), "second")
		in.awaitAll("second")
	}
}

// TestPermitsFromAnywhere gives permits from other goroutines while connections break: nothing stays behind, and what is delivered is never more
// than what is permitted.
func TestPermitsFromAnywhere(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := earliest(wire.Exclusive)
	o.NonDurable = true
	in := newInbox(t)
	in.ack = false
	openWithout(t, c, topic, o, in)
	const n = 3000
	for i := range n / 10 {
		publishBatch(b, topic, texts(10*i, 10)...)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range n / 4 {
				in.permits.Permit(1)
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			time.Sleep(5 * time.Millisecond)
			b.CloseConsumers(topic, "")
		}
	})
	got := in.awaitAll(texts(0, n)...)
	wg.Wait()
	if !slices.Equal(got, texts(0, n)) {
		t.Errorf("%d messages came, not once and in order", len(got))
	}
}

// TestPermitsOverTLS has the reader stop waiting for permits' sake, in the middle of encrypted records too, and lose nothing by that.
func TestPermitsOverTLS(t *testing.T) {
	b := fakebroker.Start(t)
	addr, pool, own := tlsProxy(t, strings.TrimPrefix(b.URL(), "pulsar://"), "127.0.0.1")
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if l, ok := cmd.(*wire.Lookup); ok {
			c.Send(&wire.LookupResponse{RequestID: l.RequestID, Response: wire.LookupConnect, BrokerServiceURLTLS: "pulsar+ssl://" + addr})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: "pulsar+ssl://" + addr,
		Login: login.Certificate(func() (*tls.Certificate, error) { return &own, nil }),
		TLS:   func() (*tls.Config, error) { return &tls.Config{RootCAs: pool}, nil }})
	in := newInbox(t)
	o := earliest(wire.Shared)
	o.Window = 20
	openWithout(t, c, topic, o, in)
	var want []string
	for i := range 300 {
		want = append(want, long(i, 100*i))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, s := range want {
			publishText(b, topic, s)
		}
	})
	wg.Go(func() {
		for range want {
			in.permits.Permit(1)
		}
	})
	if got := in.awaitAll(want...); !slices.Equal(got, want) {
		t.Errorf("%d messages, not as they were sent", len(got))
	}
	wg.Wait()
	if slices.Contains(in.told(), Disconnected) {
		t.Error("the connection was lost")
	}
}

// TestMovedAgainAndAgain closes a consumer each time that something came: it is back soon each time, as after the first.
func TestMovedAgainAndAgain(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL(), MinBackoff: time.Millisecond, MaxBackoff: time.Hour})
	in := newInbox(t)
	openConsumer(t, c, topic, &ConsumerOptions{Type: wire.Exclusive, NonDurable: true}, in)
	for i := range 20 {
		publishText(b, topic, text(i))
		in.awaitAll(text(i))
		b.CloseConsumers(topic, "")
	}
}
