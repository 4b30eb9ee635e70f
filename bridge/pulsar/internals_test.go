//go:build pulsar

package pulsar

import (
	"bytes"
	"reflect"
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
		if !flow(onlyPartition(reflect.ValueOf(l.up)), 1) {
			t.Error("permits that the library forgets are lost")
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

// TestPriorityLevels checks that the broker knows a consumer's level, and
// nothing of how it got there, also after a lost connection.
func TestPriorityLevels(t *testing.T) {
	c := pulsartest.Shared(t)
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	topic := "persistent://" + c.Namespace(t) + "/t"
	ctx := testContext(t)
	subscribe := func(level int) (bridge.Consumer, *events) {
		got := newEvents()
		sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
			Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10, PriorityLevel: level,
			Name: levelProperty, RedeliveryTick: time.Hour, // a name that looks like it is no level
		}, got)
		if err != nil {
			t.Fatal(err)
		}
		sub.Permit(1000)
		return sub, got
	}
	_, low := subscribe(1000)
	high, got := subscribe(0)
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	check := func(when string) {
		t.Helper()
		for ready := false; !ready; time.Sleep(10 * time.Millisecond) { // the broker has no event for it
			stats, err := c.Admin.Stats(ctx, topic)
			if err != nil {
				t.Fatal(err)
			}
			consumers := stats.Subscriptions["s"].Consumers
			ready = len(consumers) == 2
			for _, consumer := range consumers {
				ready = ready && consumer.AvailablePermits > 0
				if len(consumer.Metadata) > 0 || consumer.ConsumerName != levelProperty {
					t.Errorf("%s: consumer %q has the properties %v", when, consumer.ConsumerName, consumer.Metadata)
				}
			}
		}
		for range 30 {
			sent := make(sentTo, 1)
			p.Send(&bridge.Outgoing{Payload: []byte("x")}, sent)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			select {
			case m := <-got.messages:
				high.Ack(m.ID)
			case <-low.messages:
				t.Fatalf("%s: a message went to the lower level", when)
			case <-ctx.Done():
				t.Fatalf("%s: a message did not come", when)
			}
		}
	}
	check("at first")
	if err := c.Admin.UnloadTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	check("connected again")
}
