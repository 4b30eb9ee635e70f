//go:build pulsar

// Package restart ends a broker and a gateway while messages are on their way, and keeps a ledger of them.
package restart

import (
	"context"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// timeout bounds everything a test waits for. A broker's restart takes five seconds on an idle machine.
const timeout = 3 * time.Minute

// Messages to see answered ok between two events.
const some = 500

// startBroker brings up a broker of the test's own.
func startBroker(ctx context.Context, t *testing.T) *pulsar.Cluster {
	t.Helper()
	c, err := pulsar.Start(ctx, pulsar.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// start brings up a broker of the test's own with a server in front of it, and a load.
func start(t *testing.T) (*pulsar.Cluster, gateway.Server, *load) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := startBroker(ctx, t)
	// The topic and the subscription exist before the first message, so that none is published past it.
	path := c.Namespace(t) + "/topic"
	topic := "persistent://" + path
	if err := c.Admin.CreateTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.CreateSubscription(ctx, topic, "sub"); err != nil {
		t.Fatal(err)
	}
	server := gateway.Target(t, c, nil)
	l := startLoad(t,
		server.URL()+"/ws/v2/producer/persistent/"+path,
		server.URL()+"/ws/v2/consumer/persistent/"+path+"/sub?subscriptionType=Shared")
	l.ledger.awaitMore(t, some)
	return c, server, l
}

// finish stops publishing and checks the ledger: what was answered ok is delivered.
func finish(t *testing.T, l *load) {
	t.Helper()
	l.ledger.awaitMore(t, some)
	l.stopPublishing()
	l.ledger.await(t, "everything answered ok is delivered", func() bool { return len(l.ledger.missing()) == 0 })
	if err := l.wrong(); err != nil {
		t.Error(err)
	}
}

// TestBrokerRestart ends the broker twice, in good order and by kill -9. The sessions stay, each message gets an answer,
// and publishing resumes.
func TestBrokerRestart(t *testing.T) {
	c, _, l := start(t)
	ends := []struct {
		name string
		end  func(context.Context) error
	}{
		{"stopped", c.StopBroker},
		{"killed", func(context.Context) error { return c.KillBroker() }},
	}
	for _, e := range ends {
		l.awaitOpen(t)
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		if err := e.end(ctx); err != nil {
			t.Fatalf("broker %s: %v", e.name, err)
		}
		if err := c.StartBroker(ctx); err != nil {
			t.Fatalf("broker %s and started: %v", e.name, err)
		}
		l.ledger.awaitMore(t, some)
		for _, why := range l.endings() {
			t.Errorf("broker %s: a session ended: %s", e.name, why)
		}
	}
	finish(t, l)
	if n := len(l.ledger.unknown); n > 0 {
		t.Errorf("%d messages got no answer", n)
	}
}

// TestGatewayKilled kills the gateway with kill -9. Its clients connect again, and what it had answered is not lost.
func TestGatewayKilled(t *testing.T) {
	_, server, l := start(t)
	for range 3 {
		l.awaitOpen(t)
		server.Kill()
		server.Start()
		l.ledger.awaitMore(t, some)
	}
	finish(t, l)
	if got, want := len(l.endings()), 3*(producers+consumers); got < want {
		t.Errorf("%d sessions ended, want %d at least: the gateway was not killed under its sessions", got, want)
	}
}
