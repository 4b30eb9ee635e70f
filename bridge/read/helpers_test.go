package read

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

var (
	emptyEnd = bridgetest.EmptyEnd
	message  = bridgetest.Message
	entries  = bridgetest.Entries
	waitFor  = bridgetest.WaitFor
)

// options are what a test wants to be otherwise.
type options struct {
	Linger          time.Duration // 0: a second; negative: none
	OpenTimeout     time.Duration // 0: 30 seconds
	OpenConcurrency int           // 0: 256
	TailBytes       int           // 0: 8 MiB
	Memory          *memory.Budget
	Census          *census.Registry
}

// newReaders makes readers of up that end with the test.
func newReaders(t testing.TB, up Upstream, o options) *Readers {
	t.Helper()
	keeper := pool.New(pool.Options{Linger: cmp.Or(o.Linger, time.Second), OpenTimeout: cmp.Or(o.OpenTimeout, 30*time.Second), OpenConcurrency: cmp.Or(o.OpenConcurrency, 256)})
	var limits bridge.Bounds
	limits.Set(bridge.Limits{TailBytes: cmp.Or(o.TailBytes, 8<<20)})
	counts := cmp.Or(o.Census, census.New())
	rs := New(up, keeper, Options{
		Limits: &limits, Memory: o.Memory, Logger: slog.Default(),
		Enter: func(topic string, of bridge.Counted) Counters { return counts.Consumer(topic, of) },
	})
	t.Cleanup(func() {
		keeper.Close()
		rs.Close()
		keeper.Wait()
	})
	return rs
}

// read opens a session, which has to succeed, and waits until it has been woken for that, so that no test takes this wake for another.
func read(t testing.TB, rs *Readers, spec bridge.ReaderSpec, ro bridge.ReadOptions) *bridgetest.Outlet {
	t.Helper()
	o := bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return rs.Attach(spec, ro, o, done) })
	waitFor(t, "the wake of who has opened", func() bool { return o.Woken() > 0 })
	return o
}
