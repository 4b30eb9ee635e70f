package publish

import (
	"cmp"
	"log/slog"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/memory"
)

const topic = "persistent://public/default/t"

var waitFor = bridgetest.WaitFor

// options are what a test wants to be otherwise.
type options struct {
	Linger           time.Duration // 0: a second; negative: none
	OpenConcurrency  int           // 0: many
	MaxInFlight      int           // 0: 1000
	MaxInFlightBytes int           // 0: 8 MiB
	MaxPublishBytes  int64
	Memory           *memory.Budget
	Logger           *slog.Logger
	Census           *census.Registry
}

// newProducers makes producers of up that end with the test.
func newProducers(t testing.TB, up Upstream, o options) *Producers {
	t.Helper()
	keeper := pool.New(pool.Options{
		Linger: cmp.Or(o.Linger, time.Second), OpenTimeout: 30 * time.Second, OpenConcurrency: cmp.Or(o.OpenConcurrency, 256),
	})
	var limits bridge.Bounds
	limits.Set(bridge.Limits{
		MaxInFlight: cmp.Or(o.MaxInFlight, 1000), MaxInFlightBytes: cmp.Or(o.MaxInFlightBytes, 8<<20), MaxPublishBytes: o.MaxPublishBytes,
	})
	counts := cmp.Or(o.Census, census.New())
	ps := New(up, keeper, Options{
		Limits: &limits, Memory: o.Memory, Logger: cmp.Or(o.Logger, slog.Default()),
		Enter: func(topic string, out bridge.Outlet) Counters { return counts.Producer(topic, out) },
	})
	t.Cleanup(func() {
		keeper.Close()
		ps.Close()
		keeper.Wait()
	})
	return ps
}

func produce(t testing.TB, ps *Producers, spec bridge.ProducerSpec) *bridgetest.Outlet {
	t.Helper()
	return bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return ps.Attach(spec, o, done) })
}
