//go:build pulsar

package pulsar

import (
	"strconv"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestUnload moves a topic again and again, as a load balancer of brokers
// does, while what arrives is acknowledged at once: acknowledgements are on their way
// each time. Waiting for the answers that do not come takes longer than the test may.
func TestUnload(t *testing.T) {
	c := pulsartest.Shared(t)
	topic := func() string { return "persistent://" + c.Namespace(t) + "/t" }
	a, b, d := topic(), topic(), topic()
	for name, spec := range map[string]bridge.ConsumerSpec{
		"shared":    {Topic: a, Type: bridge.Shared},
		"exclusive": {Topic: b, Type: bridge.Exclusive},
		"pattern":   {TopicsPattern: d + ".*", Type: bridge.Exclusive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec.Subscription, spec.Queue, spec.RedeliveryTick, spec.Earliest = "s", 100, time.Second, true
			topic := spec.Topic
			if topic == "" {
				topic = d
			}
			unloadUnder(t, c, topic, spec)
		})
	}
}

const (
	unloads  = 15
	unloaded = 20_000 // messages, more than are taken
	each     = 300    // at least taken after each unload
	window   = 1000
)

func unloadUnder(t *testing.T, c *pulsartest.Cluster, topic string, spec bridge.ConsumerSpec) {
	ctx := testContext(t)
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), OperationTimeout: 3 * time.Minute})
	defer u.Close()
	publishNumbers(t, topic, unloaded)
	in := newEvents()
	sub, err := u.Subscribe(ctx, spec, in)
	if err != nil {
		t.Fatal(err)
	}

	next, taken, seen := 0, 0, map[int]bool{}
	take := func() {
		select {
		case m := <-in.messages:
			if taken++; taken%window == 0 {
				sub.Permit(window)
			}
			n, _ := strconv.Atoi(string(m.Payload))
			if n > next && spec.Type == bridge.Exclusive {
				t.Fatalf("message %d came after %d", n, next-1)
			}
			for seen[n] = true; seen[next]; next++ {
			}
			sub.Ack(m.ID)
		case err := <-in.lost:
			t.Fatal(err)
		case <-ctx.Done():
			t.Fatalf("message %d did not come; %d others did", next, len(seen))
		}
	}
	sub.Permit(2 * window)
	for round := range unloads {
		unload := make(chan error, 1)
		go func() { unload <- c.Admin.UnloadTopic(ctx, topic) }()
		for done := false; !done; {
			select {
			case err := <-unload:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			default:
				if len(seen) > unloaded-(unloads-round)*2*each { // the rest is for what follows
					time.Sleep(time.Millisecond)
					continue
				}
				take()
			}
		}
		for more := next + each; next < more; {
			take()
		}
	}
	t.Logf("%d messages", len(seen))
}

// publishNumbers publishes messages that hold 0 to n-1, each an entry of its own.
func publishNumbers(t *testing.T, topic string, n int) {
	t.Helper()
	ctx := testContext(t)
	p, err := nativeClient(t, pulsartest.Shared(t)).CreateProducer(pulsar.ProducerOptions{Topic: topic, DisableBatching: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p.SendAsync(ctx, &pulsar.ProducerMessage{Payload: strconv.AppendInt(nil, int64(i), 10)},
			func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
				if err != nil {
					t.Errorf("publish: %v", err)
				}
			})
	}
	if err := p.FlushWithCtx(ctx); err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// TestUnloadWithoutPermits unloads a topic whose messages wait for permits. They come from the broker again; what waits must not
// come too.
func TestUnloadWithoutPermits(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL()})
	defer u.Close()
	in := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 200, RedeliveryTick: time.Second}, in)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	publishNumbers(t, topic, n)
	sent := func() bool {
		stats, err := c.Admin.Stats(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		s := stats.Subscriptions["s"]
		return len(s.Consumers) == 1 && s.MsgOutCounter == n
	}
	await(t, "messages in the queue", sent)
	if err := c.Admin.UnloadTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	await(t, "the same messages", sent)
	sub.Permit(2 * n)
	for i := range n {
		select {
		case m := <-in.messages:
			if string(m.Payload) != strconv.Itoa(i) {
				t.Fatalf("message %d is %s", i, m.Payload)
			}
			sub.Ack(m.ID)
		case <-ctx.Done():
			t.Fatalf("message %d did not come", i)
		}
	}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for ctx := testContext(t); !is(); {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
