//go:build pulsar

package pulsar

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestPriorityLevels checks that the broker knows a consumer's level, also after a lost connection.
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
			Name: "name", RedeliveryTick: time.Hour,
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
				if len(consumer.Metadata) > 0 || consumer.ConsumerName != "name" {
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
	await(t, "all acknowledgements", func() bool { // what is not acknowledged comes again, and to who is back first
		stats, err := c.Admin.Stats(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		return stats.Subscriptions["s"].MsgBacklog == 0
	})
	if err := c.Admin.UnloadTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	check("connected again")
}
