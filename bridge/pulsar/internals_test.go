//go:build pulsar

package pulsar

import (
	"bytes"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestInternals checks that the client library has the shape that is counted on.
func TestInternals(t *testing.T) {
	c := pulsartest.Shared(t)
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	ns := c.Namespace(t)
	topic := "persistent://" + ns + "/t"
	last := uint64(0)
	for _, name := range []string{"a", "b"} {
		sub, err := u.Subscribe(testContext(t), bridge.ConsumerSpec{
			Topic: topic, Subscription: name, Queue: 1, RedeliveryTick: time.Hour,
		}, newEvents())
		if err != nil {
			t.Fatal(err)
		}
		l := sub.(*consumer).concrete()[0].current.Load()
		if newRedeliverer(l.up) == nil {
			t.Error("a timer per consumer is needed")
		}
		if w := newFetchAhead(l.up); w.size == nil || w.permits == nil {
			t.Error("what is fetched ahead cannot be bounded")
		}
		if !forgetTriggers(u.client) {
			t.Error("the library keeps each consumer")
		}
		if l.id <= last {
			t.Errorf("number %d after %d", l.id, last)
		}
		last = l.id
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, idle := range []string{"runBackgroundPartitionDiscovery", "negativeAcksTracker"} {
		if bytes.Contains(stacks, []byte(idle)) {
			t.Errorf("each consumer has a goroutine in %s", idle)
		}
	}
	if topics, err := topicsOf(u.client, ns); err != nil || !slices.Equal(topics, []string{topic}) {
		t.Errorf("topics %q, %v", topics, err)
	}
}
