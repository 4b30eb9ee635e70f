//go:build pulsar && linux

package restart

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// The storm: sessions of all kinds on a number of topics.
const (
	stormReaders   = 5000
	stormConsumers = 2500
	stormProducers = 2500
	stormSessions  = stormReaders + stormConsumers + stormProducers
	stormTopics    = 20

	// Of each topic's consumers so many have one at the broker, by consumersPerSharedSubscription.
	stormConsumersEach = 64
)

// TestReconnectStorm drops 10,000 sessions at once and has them back: by the death of their clients, after which they find
// the upstream clients that lingered, and by the death of the gateway, which opens no more of them than topics need.
func TestReconnectStorm(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := startBroker(ctx, t)
	g := gateway.OnCluster(t, c, map[string]string{"upstreamLingerMillis": "120000", "consumersPerSharedSubscription": strconv.Itoa(stormConsumersEach)})
	namespace := c.Namespace(t)

	first := startCrowd(t, ctx, g, namespace)
	first.await(t, stormSessions)
	checkStorm(t, g)
	before := stormNames(ctx, t, c, namespace)
	if len(before) != stormTopics {
		t.Fatalf("the broker has %d producers of %d topics: %q", len(before), stormTopics, before)
	}

	first.end(t)
	second := startCrowd(t, ctx, g, namespace)
	second.await(t, stormSessions)
	checkStorm(t, g)
	if after := stormNames(ctx, t, c, namespace); !slices.Equal(before, after) {
		t.Errorf("upstream clients did not outlive their sessions: before %q, after %q", before, after)
	}

	g.Kill()
	g.Start()
	second.await(t, 2*stormSessions)
	checkStorm(t, g)
	for _, name := range stormNames(ctx, t, c, namespace) {
		if slices.Contains(before, name) {
			t.Errorf("%q is an upstream client of a gateway that was killed", name)
		}
	}
	second.end(t)
}

// checkStorm checks that all sessions share the few upstream clients that their topics need.
func checkStorm(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	var now map[string]float64
	await(t, "there are those sessions that are open, and those that were dropped are gone", func() bool {
		now = g.Metrics()
		return now["pulsegate_connections"] <= stormSessions+1 && // with that of the question
			now[`pulsegate_sessions{kind="reader"}`] == stormReaders &&
			now[`pulsegate_sessions{kind="consumer"}`] == stormConsumers &&
			now[`pulsegate_sessions{kind="producer"}`] == stormProducers
	})
	for _, kind := range []string{"reader", "consumer", "producer"} {
		most := float64(stormTopics)
		if kind == "consumer" {
			most *= stormConsumersEach
		}
		if n := now[`pulsegate_upstream_clients{kind="`+kind+`"}`]; n < stormTopics || n > most {
			t.Errorf("%v upstream clients of kind %s for %d topics", n, kind, stormTopics)
		}
	}
	if n := now["pulsegate_panics_total"]; n != 0 {
		t.Errorf("%v panics", n)
	}
}

// stormNames are the names that the broker has given the producers of the topics.
func stormNames(ctx context.Context, t *testing.T, c *pulsar.Cluster, namespace string) (names []string) {
	t.Helper()
	for i := range stormTopics {
		stats, err := c.Admin.Stats(ctx, fmt.Sprintf("persistent://%s/storm-%d", namespace, i))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range stats.Publishers {
			names = append(names, p.ProducerName)
		}
	}
	return names
}

// crowd is all the storm's sessions, each of which opens again when it was dropped.
type crowd struct {
	cancel context.CancelFunc
	done   chan struct{} // closed: err is set
	err    error
	news   chan struct{} // open or opened has changed

	mu     sync.Mutex
	open   int
	opened uint64 // since the crowd began
}

func startCrowd(t *testing.T, ctx context.Context, g *gateway.Gateway, namespace string) *crowd {
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{cancel: cancel, done: make(chan struct{}), news: make(chan struct{}, 1)}
	plan := bench.Plan{
		Scenario: "storm",
		Target:   bench.Target{URL: g.URL(), Domain: "persistent", Namespace: namespace},
		Groups: []bench.Group{
			{Name: "readers", Kind: bench.Reader, Sessions: stormReaders, Params: url.Values{}},
			{
				Name: "consumers", Kind: bench.Consumer, Sessions: stormConsumers, Params: url.Values{"subscriptionType": {"Shared"}},
				Subscription: "storm", Subscriptions: 1,
			},
			{Name: "producers", Kind: bench.Producer, Sessions: stormProducers, Idle: true, Params: url.Values{}},
		},
		Topics: stormTopics, TopicBase: "storm", Message: frames.Content{Size: frames.StampSize}, Window: 1,
		// All try again so often while there is no gateway, beside which it has to start.
		Duration: time.Hour, Opening: stormSessions, OpenTimeout: timeout, Reconnect: time.Second,
		Loops: 1, Processes: 1,
		// What was just closed still occupies ports of its address.
		Sources: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")},
	}
	go func() {
		defer close(c.done)
		_, c.err = bench.Run(ctx, plan, func(p bench.Progress) {
			c.mu.Lock()
			c.open, c.opened = p.Open, p.OpenedInAll
			c.mu.Unlock()
			select {
			case c.news <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-c.done
	})
	return c
}

// await waits until all sessions are open and so many were opened in all.
func (c *crowd) await(t *testing.T, opened uint64) {
	t.Helper()
	patience := time.After(timeout)
	for {
		c.mu.Lock()
		now, all := c.open, c.opened
		c.mu.Unlock()
		if now == stormSessions && all >= opened {
			return
		}
		select {
		case <-c.news:
		case <-c.done:
			t.Fatalf("the sessions ended: %v", c.err)
		case <-patience:
			t.Fatalf("after %s %d sessions are open, %d were opened in all", timeout, now, all)
		}
	}
}

// end drops all sessions at once.
func (c *crowd) end(t *testing.T) {
	t.Helper()
	c.cancel()
	<-c.done
	if c.err != nil {
		t.Error(c.err)
	}
}
