//go:build pulsar

// Package twobrokers moves topics between two brokers, and kills one of them, while sessions and the client of package pulsar
// publish, consume and read.
package twobrokers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// startPair brings up two brokers for a test.
func startPair(ctx context.Context, t *testing.T, conf map[string]string) *pulsar.Pair {
	t.Helper()
	p, err := pulsar.StartPair(ctx, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, b := range p.Brokers {
				t.Logf("the log of %s ends with:\n%s", b.URL, b.Log())
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// onEach makes topics until each broker serves n of them.
func onEach(ctx context.Context, t *testing.T, p *pulsar.Pair, n int) (list []*topic) {
	t.Helper()
	left := map[*pulsar.Broker]int{p.Brokers[0]: n, p.Brokers[1]: n}
	for i := 0; left[p.Brokers[0]]+left[p.Brokers[1]] > 0; i++ {
		name := fmt.Sprintf("public/default/t%d", i)
		owner := ownerOf(ctx, t, p, name)
		if left[owner] == 0 {
			if i < 20*n {
				continue
			}
			owner = move(ctx, t, p, name)
		}
		left[owner]--
		list = append(list, newTopic(name))
	}
	return list
}

// TestMoves has lookups redirected from either broker, then bundles moved under load, and in the end one broker killed. What is
// confirmed comes; a reader has it once and in order, as the brokers deduplicate; what was acknowledged before a move does not come again;
// and nothing hangs. Of the load managers, one leaves those that a topic is taken from to look it up, the other tells them where it goes.
func TestMoves(t *testing.T) {
	for name, manager := range map[string]string{
		"looked up": "org.apache.pulsar.broker.loadbalance.impl.ModularLoadManagerImpl",
		"told":      "org.apache.pulsar.broker.loadbalance.extensions.ExtensibleLoadManagerImpl",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			began := time.Now()
			phase := func(what string) { t.Logf("%s after %s", what, time.Since(began).Round(time.Millisecond)) }
			p := startPair(ctx, t, map[string]string{"loadManagerClassName": manager, "brokerDeduplicationEnabled": "true"})
			list := onEach(ctx, t, p, 3)
			quiet, byOwn, bySessions := list[:2], list[2:4], list[4:]
			// Its partitions lie in the bundles of the others.
			parted := newTopic("public/default/parted")
			parted.parted = true
			if err := p.Brokers[0].Admin.CreatePartitionedTopic(ctx, "persistent://"+parted.name, 4); err != nil {
				t.Fatal(err)
			}
			phase("two brokers serve")

			g := gateway.Start(t, gateway.Options{Conf: map[string]string{"brokerServiceUrl": p.ServiceURL()}})
			s := newSessions(t, g.URL())
			d := newDirect(t, p.ServiceURL())
			stop := make(chan struct{})
			found := newTopic("public/default/found")
			d.find(found)
			var answered []<-chan struct{}
			s.use(quiet[0], 100)
			answered = append(answered, d.use(quiet[1], 100, false, stop))
			for i, x := range byOwn {
				answered = append(answered, d.use(x, 1<<30, i == 0, stop))
			}
			for _, x := range append(bySessions, parted) {
				s.use(x, 1<<30)
			}
			for _, x := range quiet {
				x.await(t, "all to be confirmed", func() bool { return len(x.answered) == 100 })
				x.awaitAll(t)
				awaitAcknowledged(ctx, t, p, x)
				x.change(func() {
					for _, v := range x.views {
						v.quiet = true
					}
				})
			}
			busy := slices.Concat(byOwn, bySessions, []*topic{parted})
			more := func() {
				for _, x := range busy {
					x.awaitMore(t, 100)
				}
			}
			more()
			phase("all are at work")
			for range 3 {
				for _, x := range list {
					move(ctx, t, p, x.name)
				}
				more()
			}
			owner := ownerOf(ctx, t, p, busy[0].name)
			phase("topics have moved")
			owner.Kill()
			more()
			phase("a broker was killed")
			answered = append(answered, d.produce(found, 10, false, stop))
			found.await(t, "what is found after that", func() bool { return len(found.views[0].got) == 10 })

			close(stop)
			s.stopPublishing()
			for _, done := range answered {
				select {
				case <-done:
				case <-time.After(timeout):
					t.Fatal("messages are not answered")
				}
			}
			for _, x := range slices.Concat(list, []*topic{parted, found}) {
				x.awaitAll(t)
			}
			phase("all has come")
			for _, x := range slices.Concat(list, []*topic{parted, found}) {
				x.check(t)
			}
		})
	}
}

// passing reports that an error is one that brokers have while topics move, or one of a machine that is busy: a status 5xx, or no answer
// in time.
func passing(ctx context.Context, err error) bool {
	var status *pulsar.StatusError
	if errors.As(err, &status) {
		return status.Code/100 == 5
	}
	var late net.Error
	return ctx.Err() == nil && errors.As(err, &late) && late.Timeout()
}

// persist calls f until it fails no more, or with what does not pass.
func persist(ctx context.Context, t *testing.T, f func() error) {
	t.Helper()
	for {
		err := f()
		if err == nil {
			return
		}
		if !passing(ctx, err) {
			t.Fatal(err)
		}
		t.Logf("once more, after %v", err)
		select {
		case <-time.After(time.Second): // the brokers do not tell
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// ownerOf is the broker that serves a topic.
func ownerOf(ctx context.Context, t *testing.T, p *pulsar.Pair, name string) (owner *pulsar.Broker) {
	t.Helper()
	persist(ctx, t, func() (err error) {
		owner, err = p.Owner(ctx, "persistent://"+name)
		return err
	})
	return owner
}

// move has the other broker serve a topic, which it returns. An attempt that failed may have moved it all the same.
func move(ctx context.Context, t *testing.T, p *pulsar.Pair, name string) (to *pulsar.Broker) {
	t.Helper()
	to = p.Other(ownerOf(ctx, t, p, name))
	persist(ctx, t, func() error {
		owner, err := p.Owner(ctx, "persistent://"+name)
		if err == nil && owner != to {
			err = p.Move(ctx, "persistent://"+name, to)
		}
		return err
	})
	return to
}

// awaitAcknowledged waits until the brokers have nothing more to deliver of a topic.
func awaitAcknowledged(ctx context.Context, t *testing.T, p *pulsar.Pair, x *topic) {
	t.Helper()
	for {
		stats, err := ownerOf(ctx, t, p, x.name).Admin.Stats(ctx, "persistent://"+x.name)
		var status *pulsar.StatusError
		if err != nil && !passing(ctx, err) && (!errors.As(err, &status) || status.Code != http.StatusTemporaryRedirect) {
			t.Fatal(err)
		}
		left := int64(0)
		for _, s := range stats.Subscriptions {
			left += s.MsgBacklog
		}
		if err == nil && left == 0 {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond): // the brokers do not tell
		case <-ctx.Done():
			t.Fatalf("%s: %d acknowledgements do not arrive", x.name, left)
		}
	}
}
