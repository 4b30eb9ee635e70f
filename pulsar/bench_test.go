//go:build pulsar && unix

package pulsar

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	plog "github.com/apache/pulsar-client-go/pulsar/log"

	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

const (
	benchProducers = 50
	benchInFlight  = 100 // of each
)

// cpu is the processor time that this process has used. The broker is another one.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// lane is a producer of which so many messages are on their way. It is the Done of all of them.
type lane struct {
	send func()
	turn *turns
}

// turns counts the messages that are still to be sent and to be answered.
type turns struct {
	mu         sync.Mutex
	left, open int
	err        error
	over       chan struct{}
}

func (x *lane) Sent(_ MessageID, err error) { x.answered(err) }

func (x *lane) answered(err error) {
	t := x.turn
	t.mu.Lock()
	if err != nil && t.err == nil {
		t.err = err
	}
	more := t.left > 0
	if more {
		t.left--
	} else if t.open--; t.open == 0 {
		close(t.over)
	}
	t.mu.Unlock()
	if more {
		x.send()
	}
}

// BenchmarkPublish publishes as this package does and as pulsar-client-go does, in one program. cpu-ns/op is this process's.
func BenchmarkPublish(b *testing.B) {
	cluster := pulsartest.Shared(b)
	if err := cluster.Admin.CreateNamespace(b.Context(), "public/bench"); err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{100, 16 << 10} {
		for _, batching := range []bool{false, true} {
			if batching && size > 100 {
				continue
			}
			payload := make([]byte, size)
			for name, open := range map[string]func(*testing.B, int) func(x *lane) func(){
				"this": func(b *testing.B, i int) func(*lane) func() {
					c := newClient(b, Options{ServiceURL: cluster.BrokerURL()})
					return func(x *lane) func() {
						i++
						p, _ := openProducer(b, c, ProducerOptions{Topic: fmt.Sprint("persistent://public/bench/t", i%benchProducers), Batching: batching})
						return func() { p.Send(&Message{Payload: payload}, x) }
					}
				},
				"pulsar-client-go": func(b *testing.B, i int) func(*lane) func() {
					quiet := plog.NewLoggerWithSlog(slog.New(slog.DiscardHandler))
					c, err := pulsar.NewClient(pulsar.ClientOptions{URL: cluster.BrokerURL(), Logger: quiet})
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(c.Close)
					return func(x *lane) func() {
						i++
						p, err := c.CreateProducer(pulsar.ProducerOptions{Topic: fmt.Sprint("persistent://public/bench/t", i%benchProducers), DisableBatching: !batching, BatchingMaxPublishDelay: time.Millisecond})
						if err != nil {
							b.Fatal(err)
						}
						return func() {
							p.SendAsync(context.Background(), &pulsar.ProducerMessage{Payload: payload}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { x.answered(err) })
						}
					}
				},
			} {
				b.Run(fmt.Sprintf("%d bytes/batching %t/%s", size, batching, name), func(b *testing.B) {
					producer := open(b, 0)
					lanes := make([]*lane, benchProducers)
					for i := range lanes {
						lanes[i] = &lane{}
						lanes[i].send = producer(lanes[i])
					}
					b.ResetTimer()
					t := &turns{left: b.N, over: make(chan struct{})}
					inFlight := min(b.N, benchProducers*benchInFlight)
					t.left -= inFlight
					t.open = inFlight
					for _, x := range lanes {
						x.turn = t
					}
					b.SetBytes(int64(size))
					b.ReportAllocs()
					before := cpu()
					for i := range inFlight {
						lanes[i%len(lanes)].send()
					}
					<-t.over
					b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
					if t.err != nil {
						b.Fatal(t.err)
					}
				})
			}
		}
	}
}
