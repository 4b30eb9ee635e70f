//go:build pulsar

package pulsar

import (
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
