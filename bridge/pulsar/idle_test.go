package pulsar

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
)

// deaf is a receiver that gets nothing.
type deaf struct{ t testing.TB }

func (d deaf) Deliver(*codec.Message) { d.t.Error("a message without a permit") }
func (d deaf) Lost(err error)         { d.t.Error(err) }

// TestIdleConsumers holds very many consumers, each with a subscription of its own: they are structs, and have no goroutine.
func TestIdleConsumers(t *testing.T) {
	b := fakebroker.Start(t)
	u, err := New(Options{BrokerServiceURL: b.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	open := func(from, n int) {
		var opening sync.WaitGroup
		for worker := range 20 {
			opening.Go(func() {
				for i := worker; i < n; i += 20 {
					_, err := u.Subscribe(context.Background(), bridge.ConsumerSpec{
						Topic: "persistent://a/b/c", Subscription: fmt.Sprint("subscription-", from+i), Type: bridge.Shared, Queue: 16,
					}, deaf{t})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		opening.Wait()
	}
	open(0, 100)
	const consumers = 2000
	bytes, goroutines := held()
	open(100, consumers)
	more, after := held()
	if n := after - goroutines; n > 10 {
		t.Errorf("%d goroutines more", n)
	}
	// The fake broker's own half is in it.
	t.Logf("%d bytes for each consumer, and what the fake broker has of it", (more-bytes)/consumers)
}

// held is what the process has in use, in bytes, and its goroutines.
func held() (bytes, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse), runtime.NumGoroutine()
}
