//go:build pulsar

package pulsar

import (
	"errors"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestUnsubscribeUnsure breaks the connection of a consumer that does not know whether its subscription was deleted. It finds out, also beside
// another consumer of the subscription, and does not make it again.
func TestUnsubscribeUnsure(t *testing.T) {
	cluster := pulsartest.Shared(t)
	for _, kind := range []wire.SubType{wire.Exclusive, wire.Shared} {
		for _, deleted := range []bool{true, false} {
			topic := "persistent://" + cluster.Namespace(t) + "/t"
			c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
			in := newInbox(t)
			x := openConsumer(t, c, topic, earliest(kind), in)
			if kind == wire.Shared && !deleted {
				openConsumer(t, newClient(t, Options{ServiceURL: cluster.BrokerURL()}), topic, earliest(kind), newInbox(t))
			}
			if deleted {
				done := make(chan error, 1)
				x.request(func(consumer, request uint64) wire.Command {
					return &wire.Unsubscribe{ConsumerID: consumer, RequestID: request}
				}, func(_ wire.Command, err error) { done <- err })
				if err := receive(t, "the answer", done); err != nil {
					t.Fatal(err)
				}
			}
			x.mu.Lock()
			on := x.on
			x.unsure = true // as if there had been no answer
			x.mu.Unlock()
			on.fail(errors.New("lost"))
			if deleted {
				if err := receive(t, "the end", in.ended); !errors.Is(err, errDeleted) {
					t.Error(err)
				}
			} else {
				eventually(t, "the consumer again", func() bool {
					x.mu.Lock()
					defer x.mu.Unlock()
					return x.connected && !x.unsure
				})
			}
			eventually(t, "what is left", func() bool {
				stats, err := cluster.Admin.Stats(t.Context(), topic)
				if err != nil {
					t.Fatal(err)
				}
				return len(stats.Subscriptions) == 0 == deleted
			})
		}
	}
}
