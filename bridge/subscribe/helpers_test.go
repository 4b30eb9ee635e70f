package subscribe

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
	message = bridgetest.Message
	entries = bridgetest.Entries
	waitFor = bridgetest.WaitFor
)

// options are what a test wants to be otherwise.
type options struct {
	SharedConsumers    int // 0: 1, so that sessions on a Shared subscription share it
	UnackedPerConsumer int // 0: 40,000
	OpenConcurrency    int // 0: many
	MaxTopics          int
	Memory             *memory.Budget
	Logger             *slog.Logger // nil: the default
}

// newConsumers makes consumers of up that end with the test.
func newConsumers(t testing.TB, up Upstream, o options) *Consumers {
	t.Helper()
	keeper := pool.New(pool.Options{OpenTimeout: 30 * time.Second, OpenConcurrency: cmp.Or(o.OpenConcurrency, 256)})
	t.Cleanup(func() {
		keeper.Close()
		keeper.Wait()
	})
	var limits bridge.Bounds
	limits.Set(bridge.Limits{MaxTopics: o.MaxTopics})
	counts := census.New()
	return New(up, keeper, Options{
		Limits: &limits, Memory: o.Memory, Logger: cmp.Or(o.Logger, slog.Default()),
		SharedConsumers: cmp.Or(o.SharedConsumers, 1), UnackedPerConsumer: cmp.Or(o.UnackedPerConsumer, 40_000),
		Enter: func(topic string, of bridge.Counted) Counters { return counts.Consumer(topic, of) },
	})
}

func consume(t testing.TB, cs *Consumers, spec bridge.ConsumerSpec, co bridge.ConsumeOptions) *bridgetest.Outlet {
	t.Helper()
	return bridgetest.Attach(t, func(o bridge.Outlet, done bridge.Opened) func() { return cs.Attach(spec, co, o, done) })
}

// consumeOne opens a session with a window of 2 on an upstream consumer of its own.
func consumeOne(t *testing.T) (cs *Consumers, o *bridgetest.Outlet, up *bridgetest.Consumer) {
	t.Helper()
	u := &bridgetest.Upstream{}
	cs = newConsumers(t, u, options{})
	o = consume(t, cs, sharedSpec, minute)
	up = u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	return cs, o, up
}
