//go:build pulsar

package pulsar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// answer is what became of one publish.
type answer struct {
	number int
	id     codec.MessageID
	err    error
}

// asked takes it, in the order in which it is said.
type asked struct {
	number  int
	answers chan answer
}

// Sent implements [bridge.SendDone].
func (a asked) Sent(id codec.MessageID, err error) { a.answers <- answer{a.number, id, err} }

// TestRefused publishes messages that the topic does not take among others that
// it does, many of them under way at once. Each that is refused is answered with
// the broker's reason, in its turn; the others are stored, each once and in order.
func TestRefused(t *testing.T) {
	c := pulsartest.Shared(t)
	ns := c.Namespace(t)
	large := func(m *bridge.Outgoing) { m.Payload = append(m.Payload, make([]byte, 3000)...) }
	late := func(m *bridge.Outgoing) { m.DeliverAfter = time.Minute }
	for name, tt := range map[string]struct {
		spec       bridge.ProducerSpec
		partitions int
		policy     string
		value      any
		spoil      func(*bridge.Outgoing)
		reason     string
	}{
		"size":           {policy: "maxMessageSize", value: 1000, spoil: large, reason: "Exceed maximum message size"},
		"size,partition": {partitions: 3, policy: "maxMessageSize", value: 1000, spoil: large, reason: "Exceed maximum message size"},
		"size,batch": {
			spec:   bridge.ProducerSpec{Batching: true, BatchingMaxPending: 2},
			policy: "maxMessageSize", value: 1000, spoil: large, reason: "Exceed maximum message size",
		},
		"delay": {
			policy: "delayedDelivery", value: map[string]any{"active": true, "tickTime": 1000, "maxDeliveryDelayInMillis": 5000},
			spoil: late, reason: "delivery delay",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			topic := "persistent://" + ns + "/" + pulsartest.Name("t")
			create := func() error { return c.Admin.CreateTopic(ctx, topic) }
			if tt.partitions > 0 {
				create = func() error { return c.Admin.CreatePartitionedTopic(ctx, topic, tt.partitions) }
			}
			if err := create(); err != nil {
				t.Fatal(err)
			}
			if err := c.Admin.Do(ctx, "POST", topicPath(topic)+"/"+tt.policy, tt.value, nil); err != nil {
				t.Fatal(err)
			}
			u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()})
			defer u.Close()
			spec := tt.spec
			spec.Topic, spec.SendTimeout, spec.Routing = topic, time.Minute, bridge.RoundRobinPartition
			p, err := u.CreateProducer(ctx, spec)
			if err != nil {
				t.Fatal(err)
			}
			awaitPolicy(t, p, tt.spoil)

			const n = 400
			sent := make(chan answer, n)
			bad := map[int]bool{}
			for i := range n {
				m := &bridge.Outgoing{Payload: fmt.Appendf(nil, "%d ", i)}
				if i%7 == 3 || i%50 > 46 { // alone, and several together
					tt.spoil(m)
					bad[i] = true
				}
				p.Send(m, asked{i, sent})
			}
			want := map[codec.MessageID]int{}
			refused := 0
			var last codec.MessageID
			for i := range n {
				var a answer
				select {
				case a = <-sent:
				case <-ctx.Done():
					t.Fatal("a publish was not answered")
				}
				switch {
				case tt.partitions == 0 && a.number != i:
					t.Fatalf("publish %d is answered in the place of %d", a.number, i)
				case a.err == nil && bad[a.number]:
					t.Fatalf("publish %d is stored", a.number)
				case a.err == nil:
					if _, twice := want[a.id]; twice || tt.partitions == 0 && a.id.Compare(last) <= 0 {
						t.Fatalf("answered %+v after %+v", a.id, last)
					}
					want[a.id], last = len(want), a.id
				case !errors.Is(a.err, bridge.ErrInvalid) || !strings.Contains(a.err.Error(), tt.reason):
					t.Fatalf("answered %v", a.err)
				default:
					refused++
				}
			}
			// In a batch others are refused with one that is too large.
			if extra := refused - len(bad); extra < 0 || extra > 0 && !spec.Batching {
				t.Errorf("%d were refused, want %d", refused, len(bad))
			}
			if err := p.Check(ctx); err != nil {
				t.Errorf("the producer is said to be of no use: %v", err)
			}
			readStored(t, u, topic, want)
		})
	}
}

// awaitPolicy waits until the topic knows its policy, which takes the broker a moment.
func awaitPolicy(t *testing.T, p bridge.Producer, spoil func(*bridge.Outgoing)) {
	t.Helper()
	sent := make(sentTo, 1)
	await(t, "the policy", func() bool {
		m := &bridge.Outgoing{Payload: []byte("before")}
		spoil(m)
		p.Send(m, sent)
		return <-sent != nil
	})
}

// readStored checks that a topic holds what was answered, and nothing else but
// what was published before.
func readStored(t *testing.T, u *Upstream, topic string, want map[codec.MessageID]int) {
	t.Helper()
	ctx := testContext(t)
	in := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s", Earliest: true, Queue: 100, RedeliveryTick: time.Second}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	sub.Permit(1 << 20)
	for found := 0; found < len(want); {
		select {
		case m := <-in.messages:
			id := m.ID
			id.Topic = ""
			if strings.HasPrefix(string(m.Payload), "before") {
				continue
			}
			if _, ok := want[id]; !ok {
				t.Fatalf("%.10q is stored at %+v and was not answered so", m.Payload, id)
			}
			found++
		case <-ctx.Done():
			t.Fatalf("%d of %d are stored", found, len(want))
		}
	}
}
