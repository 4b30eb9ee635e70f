//go:build pulsar

package pulsar

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestDeduplication lets several senders publish at once on a topic whose broker
// removes duplicates by the order of the numbers that a producer gives its
// messages. All of them are stored.
func TestDeduplication(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	ns := c.Namespace(t)
	if err := c.Admin.SetNamespacePolicy(ctx, ns, "deduplication", true); err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	for _, batching := range []bool{false, true} {
		t.Run(fmt.Sprintf("batching=%t", batching), func(t *testing.T) {
			const senders, each = 8, 1000
			p, err := u.CreateProducer(ctx, bridge.ProducerSpec{
				Topic: "persistent://" + ns + "/" + pulsartest.Name("t"), SendTimeout: time.Minute,
				Batching: batching, MaxPending: senders * each,
			})
			if err != nil {
				t.Fatal(err)
			}
			var sending sync.WaitGroup
			sent := make(chan answer, senders*each)
			for range senders {
				from := p.NewSender()
				sending.Go(func() {
					for i := range each {
						from.Send(&bridge.Outgoing{Payload: []byte("x")}, asked{i, sent})
					}
				})
			}
			sending.Wait()
			seen := map[codec.MessageID]bool{}
			for range senders * each {
				select {
				case a := <-sent:
					if a.err != nil || a.id.LedgerID < 0 || seen[a.id] {
						t.Fatalf("answered %+v, %v", a.id, a.err)
					}
					seen[a.id] = true
				case <-ctx.Done():
					t.Fatal("a publish was not answered")
				}
			}
		})
	}
}

// TestCheckOnHold lets the broker take a producer's place away: with a backlog
// over its quota, and with the end of the topic. Either is known without a publish, and
// with one under way.
func TestCheckOnHold(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	start := func(topic string) bridge.Producer {
		t.Helper()
		p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic, SendTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		sent := make(sentTo, 1)
		p.Send(&bridge.Outgoing{Payload: make([]byte, 1000)}, sent)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if err := p.Check(ctx); err != nil {
			t.Fatal(err)
		}
		return p
	}

	ns := c.Namespace(t)
	full := "persistent://" + ns + "/full"
	if err := c.Admin.CreateTopic(ctx, full); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.CreateSubscription(ctx, full, "s"); err != nil {
		t.Fatal(err)
	}
	held := start(full)
	if err := c.Admin.SetBacklogQuota(ctx, ns, 1, "producer_request_hold"); err != nil {
		t.Fatal(err)
	}
	await(t, "the quota", func() bool {
		p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: full})
		if err == nil {
			p.Close()
		} else if !errors.Is(err, bridge.ErrBacklogQuota) {
			t.Fatal(err)
		}
		return err != nil
	})
	if err := c.Admin.UnloadTopic(ctx, full); err != nil {
		t.Fatal(err)
	}
	held.Send(&bridge.Outgoing{Payload: []byte("x")}, make(sentTo, 1))
	await(t, "the producer on hold to say so", func() bool { return held.Check(ctx) != nil })

	over := "persistent://" + c.Namespace(t) + "/over"
	ended := start(over)
	if err := c.Admin.TerminateTopic(ctx, over); err != nil {
		t.Fatal(err)
	}
	await(t, "the producer of a terminated topic to say so", func() bool { return ended.Check(ctx) != nil })
}
