//go:build pulsar

package pulsar

import (
	"context"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestLargeMessagesAreFetchedFew has a client that takes nothing on a topic
// full of large messages, whose size nobody knows before the first one comes.
func TestLargeMessagesAreFetchedFew(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	const messages, size = 100, 700_000
	sent := make(sendOutcome, messages)
	for range messages {
		p.Send(&bridge.Outgoing{Payload: make([]byte, size)}, sent)
	}
	for range messages {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	p.Close()

	consumer, reader := newEvents(), newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Earliest: true, Queue: 1000, RedeliveryTick: time.Second,
	}, consumer)
	if err != nil {
		t.Fatal(err)
	}
	rd, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 256}, reader)
	if err != nil {
		t.Fatal(err)
	}
	// A client that takes a few and then no more lets the library believe that it keeps up.
	const taken = 10
	sub.Permit(taken)
	rd.Permit(taken)
	for range taken {
		<-consumer.messages
		<-reader.messages
	}
	const most = taken + 2*windowBytes/size + 2
	for name, n := range settled(t, ctx, c, topic) {
		if n > most {
			t.Errorf("%s: %d messages of %d bytes were fetched while %d were taken", name, n, size, taken)
		}
	}
	// All come once they are asked for.
	sub.Permit(messages)
	rd.Permit(messages)
	for range messages - taken {
		<-consumer.messages
		<-reader.messages
	}
}

// settled is how many messages the broker has sent to each subscription when it sends no more.
func settled(t *testing.T, ctx context.Context, c *pulsartest.Cluster, topic string) map[string]int {
	t.Helper()
	var last map[string]int
	for same := 0; same < 5; {
		var stats struct {
			Subscriptions map[string]struct {
				Consumers []struct {
					MsgOutCounter int `json:"msgOutCounter"`
				} `json:"consumers"`
			} `json:"subscriptions"`
		}
		if err := c.Admin.Do(ctx, "GET", topicPath(topic)+"/stats", nil, &stats); err != nil {
			t.Fatal(err)
		}
		now, changed := map[string]int{}, false
		for name, s := range stats.Subscriptions {
			for _, consumer := range s.Consumers {
				now[name] += consumer.MsgOutCounter
			}
			changed = changed || now[name] != last[name]
		}
		if same++; changed {
			same = 0
		}
		last = now
		select {
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return last
}
