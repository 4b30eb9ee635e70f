//go:build pulsar

package restart

import (
	"context"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// TestLedgerOverTwoGateways publishes numbered messages to topics with a subscription of each type, over two gateways on one
// cluster between which sessions choose freely. Sessions crash, the broker is restarted, a gateway is killed and started.
// In the end: what was answered ok has come, no acknowledgement that was settled is undone, order is kept
// where it is promised, and the broker holds nothing that is not acknowledged.
func TestLedgerOverTwoGateways(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := startBroker(ctx, t)
	one, two := gateway.Target(t, c, nil), gateway.Target(t, c, nil)
	namespace := c.Namespace(t)
	var streams []*stream
	for kind, consumers := range map[string]int{"Shared": 4, "Key_Shared": 3, "Failover": 2, "Exclusive": 1} {
		path := namespace + "/" + kind
		if err := c.Admin.CreateTopic(ctx, "persistent://"+path); err != nil {
			t.Fatal(err)
		}
		if err := c.Admin.CreateSubscription(ctx, "persistent://"+path, "sub"); err != nil {
			t.Fatal(err)
		}
		s := newStream(kind, path, []string{one.URL(), two.URL()})
		s.start(2, consumers)
		t.Cleanup(func() {
			select {
			case <-s.stop:
			default:
				close(s.stop)
			}
			s.endPublishing()
			s.work.Wait()
		})
		streams = append(streams, s)
	}
	each := func(f func(*stream)) {
		for _, s := range streams {
			f(s)
		}
	}
	more := func(n int) {
		t.Helper()
		var want []int
		each(func(s *stream) { want = append(want, s.okCount()+n) })
		await(t, "more messages are answered", func() bool {
			for i, s := range streams {
				if s.okCount() < want[i] {
					return false
				}
			}
			return true
		})
	}
	disturb := func(f func()) {
		t.Helper()
		each(func(s *stream) { s.disturb(true) })
		f()
		more(100) // the sessions are back
		each(func(s *stream) { s.disturb(false) })
		more(500)
	}
	more(500)
	disturb(func() {
		if err := c.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	})
	disturb(func() {
		two.Kill()
		two.Start()
	})

	each((*stream).endPublishing)
	await(t, "everything answered ok is delivered", func() bool {
		missing := 0
		each(func(s *stream) { missing += s.missing() })
		return missing == 0
	})
	for _, s := range streams {
		var stats pulsar.TopicStats
		await(t, s.kind+": everything is acknowledged", func() bool {
			var err error
			stats, err = c.Admin.Stats(ctx, "persistent://"+s.path)
			return err == nil && stats.Subscriptions["sub"].MsgBacklog == 0
		})
		s.mu.Lock()
		for _, w := range s.wrong {
			t.Error(w)
		}
		t.Logf("%s: %d answered ok, %d delivered, %d of them again, %d crashes", s.kind, len(s.answered), len(s.delivered), s.again, s.crashes)
		s.mu.Unlock()
	}
}

// await polls for what nothing tells of.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", timeout, what)
		}
	}
}
