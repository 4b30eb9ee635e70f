//go:build pulsar

package pulsar

import (
	"slices"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestPatternFollowsTopics has topics of a pattern come and go. What is
// published before a new one is found is not lost.
func TestPatternFollowsTopics(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	ns := c.Namespace(t)
	base := "persistent://" + ns + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	native := nativeClient(t, c)
	publish := func(topic string) {
		t.Helper()
		p, err := native.CreateProducer(pulsar.ProducerOptions{Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := p.Send(ctx, &pulsar.ProducerMessage{Payload: []byte(topic)}); err != nil {
			t.Fatal(err)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(c.Admin.CreateTopic(ctx, base+"1"))
	do(c.Admin.CreateTopic(ctx, base+"2"))
	in := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		TopicsPattern: base + "[0-9]", Subscription: "s", Type: bridge.Shared, Queue: 10, RedeliveryTick: time.Second,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	sub.Permit(100)
	expect := func(topics ...string) {
		t.Helper()
		var got []string
		for range topics {
			select {
			case m := <-in.messages:
				if string(m.Payload) != m.ID.Topic {
					t.Errorf("a message for %s is said to be of %s", m.Payload, m.ID.Topic)
				}
				got = append(got, m.ID.Topic)
				sub.Ack(m.ID)
			case err := <-in.lost:
				t.Fatal(err)
			case <-ctx.Done():
				t.Fatalf("%q came instead of %q", got, topics)
			}
		}
		if slices.Sort(got); !slices.Equal(got, topics) {
			t.Fatalf("%q came instead of %q", got, topics)
		}
	}
	publish(base + "1")
	publish(base + "2")
	expect(base+"1", base+"2")

	do(c.Admin.CreatePartitionedTopic(ctx, base+"3", 2))
	publish(base + "3")
	publish(base + "4")
	publish(base + "44")
	sub.(*consumer).several.group.Search()
	expect(base+"3", base+"4")

	do(c.Admin.SetNamespacePolicy(ctx, ns, "autoTopicCreation", map[string]any{"allowAutoTopicCreation": false}))
	do(c.Admin.Do(ctx, "DELETE", topicPath(base+"1")+"?force=true", nil, nil))
	await(t, "the deleted topic to be left", func() bool {
		return sub.(*consumer).several.group.Consumer(base+"1") == nil
	})
	publish(base + "2")
	expect(base + "2")
	do(c.Admin.CreateTopic(ctx, base+"1"))
	publish(base + "1")
	sub.(*consumer).several.group.Search()
	expect(base + "1")
}
