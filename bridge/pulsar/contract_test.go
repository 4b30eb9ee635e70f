//go:build pulsar

package pulsar

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/upstreamtest"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsartest.Main(m) }

func newUpstream(t testing.TB, o Options) *Upstream {
	t.Helper()
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestContract(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	runContract(t, func(c *pulsartest.Cluster) Options {
		return Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()}
	})
}

// runContract runs the suite over the shared cluster.
func runContract(t *testing.T, options func(*pulsartest.Cluster) Options) {
	c := pulsartest.Shared(t)
	ns := c.Namespace(t)
	topic := func(testing.TB) string { return "persistent://" + ns + "/" + pulsartest.Name("t") }
	do := func(t testing.TB, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	upstreamtest.Run(t, func(t testing.TB) bridge.Upstream { return newUpstream(t, options(c)) }, upstreamtest.Env{
		Topic: topic,
		Partitioned: func(t testing.TB, n int) string {
			name := topic(t)
			do(t, c.Admin.CreatePartitionedTopic(context.Background(), name, n))
			return name
		},
		Missing:   func(testing.TB) string { return "persistent://public/" + pulsartest.Name("none") + "/t" },
		Terminate: func(t testing.TB, topic string) { do(t, c.Admin.TerminateTopic(context.Background(), topic)) },
		Disconnect: func(t testing.TB, topic string) {
			do(t, c.Admin.UnloadTopic(context.Background(), topic))
		},
		Refuse: func(t testing.TB) string { return overQuota(t, c) },
	})
}

// overQuota makes a topic whose backlog is over a quota of one byte.
func overQuota(t testing.TB, c *pulsartest.Cluster) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ns := c.Namespace(t)
	topic := "persistent://" + ns + "/" + strings.ReplaceAll(pulsartest.Name("full"), "/", "-")
	if err := c.Admin.SetBacklogQuota(ctx, ns, 1, "producer_exception"); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.CreateTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.CreateSubscription(ctx, topic, "s"); err != nil {
		t.Fatal(err)
	}
	return topic
}
