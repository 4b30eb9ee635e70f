//go:build pulsar && unix

package pulsar

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	plog "github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// quietNative is the independent client, without its log.
func quietNative(b *testing.B, url string) pulsar.Client {
	c, err := pulsar.NewClient(pulsar.ClientOptions{URL: url, Logger: plog.NewLoggerWithSlog(slog.New(slog.DiscardHandler))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// counter is a Handler that acknowledges and counts.
type counter struct {
	left atomic.Int64
	over chan struct{}
	open chan error
}

func (h *counter) Opened(_ *Consumer, err error) { h.open <- err }
func (h *counter) Tell(*Consumer, Event)         {}
func (h *counter) Ended(_ *Consumer, _ error)    {}

func (h *counter) Deliver(x *Consumer, m *Received) {
	x.Ack(m.ID)
	h.count()
}

func (h *counter) count() {
	if h.left.Add(-1) == 0 {
		close(h.over)
	}
}

// BenchmarkConsume has four consumers of a Shared subscription acknowledge a backlog, as this package does and as pulsar-client-go does. cpu-ns/op is this
// process's, which does nothing else meanwhile.
func BenchmarkConsume(b *testing.B) {
	cluster := pulsartest.Shared(b)
	if err := cluster.Admin.CreateNamespace(b.Context(), "public/bench"); err != nil {
		b.Fatal(err)
	}
	const consumers = 4
	for _, kind := range []struct{ size, batch int }{{100, 1}, {100, 50}, {100, 1000}, {64 << 10, 1}} {
		for name, consume := range map[string]func(*testing.B, string, *counter){
			"this": func(b *testing.B, topic string, h *counter) {
				c := newClient(b, Options{ServiceURL: cluster.BrokerURL()})
				permits := &Permits{}
				permits.Permit(1 << 30)
				for range consumers {
					c.NewConsumer(topic, "s", earliest(wire.Shared), permits, h)
					if err := receive(b, "the consumer", h.open); err != nil {
						b.Fatal(err)
					}
				}
			},
			"pulsar-client-go": func(b *testing.B, topic string, h *counter) {
				c := quietNative(b, cluster.BrokerURL())
				for range consumers {
					x, err := c.Subscribe(pulsar.ConsumerOptions{
						Topic: topic, SubscriptionName: "s", Type: pulsar.Shared, SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest, ReceiverQueueSize: 1000,
					})
					if err != nil {
						b.Fatal(err)
					}
					go func() {
						for {
							m, err := x.Receive(context.Background())
							if err != nil {
								return
							}
							_ = x.Ack(m)
							h.count()
						}
					}()
				}
			},
		} {
			b.Run(fmt.Sprintf("%d bytes/%d in a batch/%s", kind.size, kind.batch, name), func(b *testing.B) {
				topic := "persistent://public/bench/" + pulsartest.Name("c")
				if err := cluster.Admin.CreateSubscription(b.Context(), topic, "s"); err != nil {
					b.Fatal(err)
				}
				c := newClient(b, Options{ServiceURL: cluster.BrokerURL()})
				p, _ := openProducer(b, c, ProducerOptions{Topic: topic, Batching: kind.batch > 1, BatchMessages: kind.batch, BatchDelay: time.Second, MaxPending: 1 << 30})
				t := &turns{left: b.N, over: make(chan struct{})}
				x := &lane{turn: t}
				payload := make([]byte, kind.size)
				x.send = func() { p.Send(&Message{Payload: payload}, x) }
				t.open = min(b.N, 10*max(kind.batch, 10))
				t.left -= t.open
				for range t.open {
					x.send()
				}
				<-t.over
				p.Close(nil)
				h := &counter{over: make(chan struct{}), open: make(chan error, 1)}
				h.left.Store(int64(b.N))
				runtime.GC()
				b.ReportAllocs()
				b.ResetTimer()
				before := cpu()
				consume(b, topic, h)
				<-h.over
				b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkSubscriptions opens b.N durable subscriptions, each of its own, and shows what one costs.
func BenchmarkSubscriptions(b *testing.B) {
	cluster := pulsartest.Shared(b)
	if err := cluster.Admin.CreateNamespace(b.Context(), "public/bench"); err != nil {
		b.Fatal(err)
	}
	const atOnce = 50
	for name, open := range map[string]func(b *testing.B, opened chan error) func(topic, subscription string){
		"this": func(b *testing.B, opened chan error) func(topic, subscription string) {
			c := newClient(b, Options{ServiceURL: cluster.BrokerURL()})
			h := &counter{open: opened}
			o := &ConsumerOptions{Type: wire.Shared}
			return func(topic, subscription string) { c.NewConsumer(topic, subscription, o, &Permits{}, h) }
		},
		"pulsar-client-go": func(b *testing.B, opened chan error) func(topic, subscription string) {
			c := quietNative(b, cluster.BrokerURL())
			return func(topic, subscription string) {
				go func() {
					_, err := c.Subscribe(pulsar.ConsumerOptions{Topic: topic, SubscriptionName: subscription, Type: pulsar.Shared, ReceiverQueueSize: 10})
					opened <- err
				}()
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			opened := make(chan error, atOnce)
			one := func() {
				if err := receive(b, "a subscription", opened); err != nil {
					b.Fatal(err)
				}
			}
			subscribe := open(b, opened)
			subscribe("persistent://public/bench/warm", "warm")
			one()
			prefix := pulsartest.Name("d")
			used := func() (bytes uint64) {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc + m.StackInuse
			}
			bytes, routines, before := used(), runtime.NumGoroutine(), cpu()
			b.ResetTimer()
			for i := range b.N + min(b.N, atOnce) {
				if i >= min(b.N, atOnce) {
					one()
				}
				if i < b.N {
					subscribe(fmt.Sprint("persistent://public/bench/", prefix, i%100), fmt.Sprint("subscription ", i))
				}
			}
			b.StopTimer()
			spent := cpu() - before
			b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(used()-bytes)/float64(b.N), "bytes/each")
			b.ReportMetric(float64(runtime.NumGoroutine()-routines)/float64(b.N), "goroutines/each")
		})
	}
}
