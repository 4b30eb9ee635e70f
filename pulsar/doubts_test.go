package pulsar

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// forgetful is a broker that confirms a consumer for the n-th time, counted from 0, and forgets it. subscribed counts.
func forgetful(t *testing.T, forgets func(n int32) bool) (b *fakebroker.Broker, subscribed *atomic.Int32) {
	b, subscribed = fakebroker.Start(t), &atomic.Int32{}
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok && forgets(subscribed.Add(1)-1) {
			c.Send(&wire.Success{RequestID: s.RequestID})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	return b, subscribed
}

// TestForgotten has a broker forget a reader that comes back, also when it is made anew.
func TestForgotten(t *testing.T) {
	for _, kind := range []wire.SubType{wire.Exclusive, wire.Failover} {
		b, subscribed := forgetful(t, func(n int32) bool { return n == 1 || n == 2 })
		c := newClient(t, Options{ServiceURL: b.URL()})
		c.doubts.first = time.Millisecond
		in := newInbox(t)
		openConsumer(t, c, topic, &ConsumerOptions{Type: kind, NonDurable: true}, in)
		b.CloseConsumers(topic, "")
		eventually(t, "that the broker has forgotten it", func() bool { return subscribed.Load() > 1 })
		publishText(b, topic, "a")
		in.awaitAll("a")
		eventually(t, "the consumer", func() bool { return len(b.Subscribers(topic, "s")) == 1 })
		publishText(b, topic, "b")
		in.awaitAll("b")
	}
}

// TestNotForgotten looks that a consumer to which nothing comes is made anew a few times only, one to which something comes is not, and nor is
// one that would lose messages by it: of a durable subscription, of one that is not ordered, or on a topic that keeps nothing.
func TestNotForgotten(t *testing.T) {
	reader, volatile := ConsumerOptions{Type: wire.Exclusive, NonDurable: true}, "non-persistent://a/b/c"
	for name, c := range map[string]struct {
		o     ConsumerOptions
		topic string
		comes bool
		want  int32
	}{
		"nothing comes": {reader, topic, false, 2 + maxDoubts}, "something comes": {reader, topic, true, 2}, "durable": {ConsumerOptions{}, topic, false, 2},
		"volatile": {reader, volatile, false, 2}, "shared": {ConsumerOptions{Type: wire.Shared, NonDurable: true}, topic, false, 2},
		"keys": {ConsumerOptions{Type: wire.KeyShared, NonDurable: true}, topic, false, 2},
	} {
		b, subscribed := forgetful(t, func(int32) bool { return false })
		client := newClient(t, Options{ServiceURL: b.URL()})
		client.doubts.first = time.Millisecond
		if c.comes {
			client.doubts.first = time.Hour
		}
		in := newInbox(t)
		x := openConsumer(t, client, c.topic, &c.o, in)
		b.CloseConsumers(c.topic, "")
		eventually(t, "the consumer again", func() bool { return subscribed.Load() > 1 && len(b.Subscribers(c.topic, "s")) == 1 && x.Connected() })
		if c.comes {
			publishText(b, topic, "a")
			in.awaitAll("a")
			x.mu.Lock()
			attempt := x.attempt
			x.mu.Unlock()
			x.again(attempt) // as would be an hour later
		}
		trusted := func() bool {
			client.doubts.mu.Lock()
			defer client.doubts.mu.Unlock()
			return c.comes || client.doubts.list == nil
		}
		eventually(t, "that the broker is trusted", func() bool { return subscribed.Load() >= c.want && x.Connected() && trusted() })
		x.mu.Lock()
		doubted := x.doubted
		x.mu.Unlock()
		if c.want == 2 && doubted > 0 {
			t.Errorf("%s: it is doubted", name)
		}
		if got := subscribed.Load(); got != c.want {
			t.Errorf("%s: %d times", name, got)
		}
	}
}
