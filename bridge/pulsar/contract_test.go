//go:build pulsar

package pulsar

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"go.uber.org/goleak"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/upstreamtest"
	"github.com/pulsegate/pulsegate/codec"
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

// nativeClient is a client that knows nothing of ours.
func nativeClient(t testing.TB, c *pulsartest.Cluster) pulsar.Client {
	t.Helper()
	native, err := pulsar.NewClient(pulsar.ClientOptions{URL: c.BrokerURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(native.Close)
	return native
}

func TestContract(t *testing.T) {
	pulsartest.Shared(t) // which has goroutines of its own
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), leftByClient)
	runContract(t, true, func(c *pulsartest.Cluster) Options {
		return Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()}
	})
}

// TestContractOverHTTP looks topics up over HTTP and knows no broker's address.
func TestContractOverHTTP(t *testing.T) {
	runContract(t, true, func(c *pulsartest.Cluster) Options { return Options{ServiceURL: c.AdminURL()} })
}

// TestContractWithoutAdmin has only the binary protocol.
func TestContractWithoutAdmin(t *testing.T) {
	runContract(t, false, func(c *pulsartest.Cluster) Options { return Options{BrokerServiceURL: c.BrokerURL()} })
}

// leftByClient is a goroutine that pulsar-client-go leaves behind, for ever, for a consumer that was closed before
// the library told itself that it is connected.
var leftByClient = goleak.IgnoreAnyFunction("github.com/apache/pulsar-client-go/pulsar.(*partitionConsumer).grabConn.func1")

// runContract runs the suite over the shared cluster. admin says that the options know the admin API.
func runContract(t *testing.T, admin bool, options func(*pulsartest.Cluster) Options) {
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
		Admin: admin,
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
		AwaitGone: func(ctx context.Context, t testing.TB, topic, subscription string) {
			awaitGone(ctx, t, c, topic, subscription)
		},
		Refuse: func(t testing.TB) string { return overQuota(t, c) },
	})
}

// awaitGone waits until a broker has cleaned up behind the last consumer of a subscription that is not durable. It confirms that the consumer is closed
// before that, and last it closes the cursor of the subscription by its name: that of a new one of the same name, if there is one by then, which never
// gets anything.
func awaitGone(ctx context.Context, t testing.TB, c *pulsartest.Cluster, topic, subscription string) {
	t.Helper()
	path := "/admin/v2/" + strings.Replace(topic, "://", "/", 1) + "/internalStats"
	for {
		var stats internalStats
		if err := c.Admin.Do(ctx, http.MethodGet, path, nil, &stats); err != nil {
			t.Fatal(err)
		}
		if _, left := stats.Cursors[subscription]; !left {
			return
		}
		select {
		case <-time.After(time.Millisecond): // there is no event for it
		case <-ctx.Done():
			t.Fatalf("the subscription %s stays", subscription)
		}
	}
}

// overQuota makes a topic whose backlog is over a quota of one byte.
func overQuota(t testing.TB, c *pulsartest.Cluster) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ns := c.Namespace(t)
	topic := "persistent://" + ns + "/" + pulsartest.Name("full")
	if err := c.Admin.CreateTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.CreateSubscription(ctx, topic, "s"); err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(sentTo, 1)
	p.Send(&bridge.Outgoing{Payload: make([]byte, 1000)}, sent)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := c.Admin.SetBacklogQuota(ctx, ns, 1, "producer_exception"); err != nil {
		t.Fatal(err)
	}
	// The topic takes the new policy some time after the namespace has it.
	for {
		p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: time.Minute})
		if err != nil {
			return topic // whatever the reason, which the case looks at
		}
		p.Close()
	}
}

// sentTo takes the error of one publish.
type sentTo chan error

// Sent implements [bridge.SendDone].
func (s sentTo) Sent(_ codec.MessageID, err error) { s <- err }
