//go:build pulsar && linux

// Package rolling replaces gateways behind a balancer while clients use them.
package rolling

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

const (
	sessions  = 5000 // in all; those that are nothing else are readers
	producers = 40
	consumers = 8 // of each Shared subscription

	delay  = 15 * time.Second // more than HAProxy needs to notice, two seconds, also where it and this are kept waiting
	spread = 16 * time.Second

	// timeout bounds everything that is waited for.
	timeout = 2 * time.Minute
)

// The topics that are published to have one subscription each, of these types. Where there is one consumer only, fewer
// producers publish, so that it keeps up with them.
var (
	subscriptionTypes = []string{"Shared", "Exclusive", "Shared", "Exclusive"}
	topicOfProducer   = []int{0, 0, 0, 0, 1, 2, 2, 2, 2, 3} // in turn
)

// TestRollingUpdate replaces two gateways behind HAProxy, one after the other. HAProxy knows of it while the port is still
// open; sessions leave evenly and all know that they may come back; those who do are served at once. Nothing is stored that
// was not answered, nor the other way round, and nothing that was acknowledged comes again.
func TestRollingUpdate(t *testing.T) {
	c := pulsar.Shared(t)
	namespace := c.Namespace(t)
	conf := map[string]string{
		"drainDelayMillis": fmt.Sprint(delay.Milliseconds()), "drainSpreadMillis": fmt.Sprint(spread.Milliseconds()),
		"webServiceTrustXForwardedFor": "true",
	}
	gateways := []*gateway.Gateway{gateway.OnCluster(t, c, conf), gateway.OnCluster(t, c, conf)}
	var addrs []string
	for _, g := range gateways {
		addrs = append(addrs, strings.TrimPrefix(g.HTTPURL(), "http://"))
	}
	h := startHAProxy(t, addrs...)

	l := newLedger()
	crowd := newCrowd(t, l, "ws://"+h.addr)
	topics := startCrowd(t, crowd, c, namespace)
	await(t, "all sessions are open", func() bool { return crowd.open.Load() == sessions })
	for i, g := range gateways {
		replace(t, crowd, namespace, h, i, g)
	}
	more(t, l, 500)

	crowd.endPublishing()
	for _, topic := range topics {
		await(t, "all of "+topic+" is acknowledged", func() bool {
			stats, err := c.Admin.Stats(t.Context(), "persistent://"+topic)
			return err == nil && stats.Subscriptions["sub"].MsgBacklog == 0
		})
	}
	crowd.stop()
	check(t, l)
}

// startCrowd opens all sessions, and returns the topics that are published to.
func startCrowd(t *testing.T, crowd *crowd, c *pulsar.Cluster, namespace string) (topics []string) {
	t.Helper()
	others := producers
	for i, kind := range subscriptionTypes {
		topic := fmt.Sprintf("%s/topic-%d", namespace, i)
		if err := c.Admin.CreateTopic(t.Context(), "persistent://"+topic); err != nil {
			t.Fatal(err)
		}
		if err := c.Admin.CreateSubscription(t.Context(), "persistent://"+topic, "sub"); err != nil {
			t.Fatal(err)
		}
		topics = append(topics, topic)
		n := 1
		if kind == "Shared" {
			n = consumers
		}
		others += n
		// A queue so short that a consumer which is kept waiting is through it in the 5 s that it has to answer a close frame.
		path := "/ws/v2/consumer/persistent/" + topic + "/sub?receiverQueueSize=10&subscriptionType=" + kind
		for range n {
			crowd.others.Go(func() { crowd.consume(topic, path) })
		}
	}
	for i := range producers {
		crowd.producers.Go(func() {
			crowd.produce(i, "/ws/v2/producer/persistent/"+topics[topicOfProducer[i%len(topicOfProducer)]])
		})
	}
	for i := range sessions - others {
		crowd.others.Go(func() { crowd.read("/ws/v2/reader/persistent/" + idle(namespace, i%20)) })
	}
	return topics
}

// idle is a topic that nobody publishes to.
func idle(namespace string, n int) string { return fmt.Sprintf("%s/idle-%d", namespace, n) }

// replace stops one gateway, and starts it again as its successor.
func replace(t *testing.T, crowd *crowd, namespace string, h *haproxy, i int, g *gateway.Gateway) {
	t.Helper()
	l := crowd.ledger
	more(t, l, 200)
	before := len(l.endsFrom(0))
	held := 0
	for name, n := range g.Metrics() {
		if strings.HasPrefix(name, "pulsegate_sessions{") {
			held += int(n)
		}
	}
	if held < sessions/4 {
		t.Fatalf("gateway %d has %d of %d sessions", i+1, held, sessions)
	}
	h.await(i, "UP") // or it may be down for another reason, such as answers that came late
	g.Signal(syscall.SIGTERM)
	h.await(i, "DOWN")
	early := l.endsFrom(before)
	late, resp, err := websocket.DefaultDialer.Dial(g.URL()+"/ws/v2/reader/persistent/"+idle(namespace, 0), http.Header{})
	if err != nil {
		t.Fatalf("gateway %d: HAProxy sends nobody any more, and a session is refused to who comes all the same: %v, %v", i+1, err, resp)
	}
	late.Close()
	if len(early) > 0 {
		t.Errorf("gateway %d: %d sessions ended before HAProxy knew", i+1, len(early))
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if code, err := g.Wait(ctx); err != nil || code != 0 {
		t.Fatalf("gateway %d: exit code %d, %v", i+1, code, err)
	}
	g.Start()
	h.await(i, "UP")
	await(t, "all sessions are open again", func() bool {
		return crowd.open.Load() == sessions && len(l.endsFrom(before)) >= held
	})

	ends := l.endsFrom(before)
	for _, e := range ends {
		if !strings.Contains(e.why, "close 1012") {
			t.Errorf("gateway %d: a session ended with %s", i+1, e.why)
			break
		}
	}
	if len(ends) != held {
		t.Errorf("gateway %d: %d sessions ended, want %d", i+1, len(ends), held)
	}
	// A second's share, and that of four more, as what ended while this process was kept waiting is all noted at its end.
	most := 5 * held / int(spread/time.Second)
	if n := peak(ends); n > most {
		t.Errorf("gateway %d: %d of %d sessions ended within a second, want at most %d", i+1, n, held, most)
	}
	t.Logf("gateway %d: %d sessions ended, at most %d of them within a second", i+1, len(ends), peak(ends))
}

// more waits until n more messages are answered.
func more(t *testing.T, l *ledger, n int) {
	t.Helper()
	want := l.okCount() + n
	await(t, "more messages are answered", func() bool { return l.okCount() >= want })
}

// check compares what clients were told with what came out of the topics, which is all that was stored.
func check(t *testing.T, l *ledger) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("%d publishes answered ok, %d with an error, %d made again; %d messages delivered", len(l.answered), len(l.failed), l.lost, len(l.delivered))
	if len(l.wrong) > 10 {
		l.wrong = append(l.wrong[:10], "and more")
	}
	for _, w := range l.wrong {
		t.Error(w)
	}
	for a, what := range l.failed {
		t.Errorf("publish %v was answered %s", a, what)
	}
	for a := range l.answered {
		if l.delivered[a] == 0 {
			t.Errorf("publish %v was answered ok, and is lost", a)
		}
	}
	for a := range l.delivered {
		if !l.answered[a] {
			t.Errorf("publish %v was taken and not answered", a)
		}
	}
	for what, n := range l.refused {
		// An Exclusive subscription is free when the broker has heard of its consumer's end.
		if what != "409 Conflict" {
			t.Errorf("%d times a session was refused: %s", n, what)
		}
		t.Logf("%d times: %s", n, what)
	}
}

// await polls for what nothing tells of.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", timeout, what)
		}
	}
}
