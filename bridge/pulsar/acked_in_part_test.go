//go:build pulsar

package pulsar

import (
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestAcknowledgedInPart takes over batches of which another client has
// acknowledged some messages by their index: with the rest acknowledged they are done.
func TestAcknowledgedInPart(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	const batches, size = 3, 70
	other := nativeClient(t, c)
	native, err := other.Subscribe(pulsar.ConsumerOptions{
		Topic: topic, SubscriptionName: "s", Type: pulsar.Shared, EnableBatchIndexAcknowledgment: true, AckWithResponse: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := other.CreateProducer(pulsar.ProducerOptions{Topic: topic, BatchingMaxMessages: size, BatchingMaxPublishDelay: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	sent := make(chan error, batches*size)
	for i := range batches * size {
		p.SendAsync(ctx, &pulsar.ProducerMessage{Payload: []byte("x")},
			func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { sent <- err })
		if i%size == size-1 {
			if err := p.FlushWithCtx(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range batches * size {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		m, err := native.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		// Of the last batch the whole second word.
		if i := m.ID().BatchIdx(); i%3 == 0 || i >= 64 && m.ID().EntryID() == batches-1 {
			if err := native.Ack(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	native.Close()

	got := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 1000, RedeliveryTick: 10 * time.Millisecond,
	}, got)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	sub.Permit(10 * batches * size)
	take := func(n int) (ids []codec.MessageID) {
		t.Helper()
		for range n {
			select {
			case m := <-got.messages:
				ids = append(ids, m.ID)
			case <-ctx.Done():
				t.Fatalf("only %d of %d came", len(ids), n)
			}
		}
		return ids
	}
	left := batches*(size-24) - 4
	ids := take(left)
	// One is asked for again, and with it comes what else is left of its batch.
	sub.Redeliver(ids[:1])
	ids = append(ids[size-24:], take(size-24)...)
	for _, id := range ids {
		sub.Ack(id)
	}
	for {
		stats, err := c.Admin.Stats(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		if stats.Subscriptions["s"].MsgBacklog == 0 {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond): // the broker has no event for it
		case <-ctx.Done():
			t.Fatalf("all that came is acknowledged, and %d entries are left", stats.Subscriptions["s"].MsgBacklog)
		}
	}
}
