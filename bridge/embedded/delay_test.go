package embedded

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

func after(s string, d time.Duration) *bridge.Outgoing {
	return &bridge.Outgoing{Payload: []byte(s), DeliverAfter: d, Key: "k", HasKey: true}
}

// The bubble's clock stands still while messages are sent, so that none is late before the next is sent.
func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := start(t, Options{})
		shared := subscribe(t, u, bridge.ConsumerSpec{Subscription: "shared", Type: bridge.Shared}, 100)
		keys := subscribe(t, u, bridge.ConsumerSpec{Subscription: "keys", Type: bridge.KeyShared}, 100)
		exclusive := subscribe(t, u, bridge.ConsumerSpec{Subscription: "exclusive"}, 100)
		p := produce(t, u, bridge.ProducerSpec{})
		sent := time.Now()
		p.sendMessage(after("late", 60*time.Millisecond))
		p.sendMessage(after("later", 120*time.Millisecond))
		p.sendMessage(&bridge.Outgoing{Payload: []byte("at"), DeliverAt: sent.Add(90 * time.Millisecond)})
		p.sendMessage(&bridge.Outgoing{Payload: []byte("past"), DeliverAt: sent.Add(-time.Hour)})
		p.send("now")
		exclusive.take("late", "later", "at", "past", "now")
		for _, c := range []*testConsumer{shared, keys} {
			c.takeAny("past", "now")
			c.take("late", "at", "later")
			if d := time.Since(sent); d != 120*time.Millisecond {
				t.Errorf("the last came after %v, not in its time", d)
			}
		}
	})
}

func TestDelaySurvivesItsConsumers(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.Shared}
	c := subscribe(t, u, spec, 100)
	sent := time.Now()
	produce(t, u, bridge.ProducerSpec{}).sendMessage(after("late", 50*time.Millisecond))
	for range 5 {
		c.Close()
		c = subscribe(t, u, spec, 100)
	}
	c.take("late")
	if d := time.Since(sent); d < 50*time.Millisecond {
		t.Errorf("came after %v", d)
	}
	if n := len(u.timers); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// An Exclusive consumer gets at once what a Shared one before it had to wait for.
func TestDelayAfterChangeOfType(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared}, 100)
	p := produce(t, u, bridge.ProducerSpec{})
	p.sendMessage(after("late", time.Hour))
	p.send("now")
	c.take("now")
	c.Close()
	subscribe(t, u, bridge.ConsumerSpec{}, 100).take("late", "now")
}

func TestDeadLetters(t *testing.T) {
	for _, typ := range []bridge.SubscriptionType{bridge.Shared, bridge.KeyShared, bridge.Exclusive} {
		t.Run(typ.String(), func(t *testing.T) {
			u := start(t, Options{})
			dlq := subscribe(t, u, bridge.ConsumerSpec{Topic: testTopic + "-s-DLQ", Subscription: "d"}, 10)
			c := subscribe(t, u, bridge.ConsumerSpec{Type: typ, MaxRedeliver: 2}, 100)
			p := produce(t, u, bridge.ProducerSpec{})
			id := p.sendMessage(&bridge.Outgoing{Payload: []byte("bad"), Key: "k", HasKey: true, Properties: map[string]string{"a": "1"}})
			for want := uint32(0); want <= 2; want++ {
				m := c.take("bad")[0]
				if m.RedeliveryCount != want {
					t.Fatalf("redelivery count %d, want %d", m.RedeliveryCount, want)
				}
				c.nack(m)
			}
			m := dlq.take("bad")[0]
			if m.Key != "k" || m.Properties["a"] != "1" || m.Properties["REAL_TOPIC"] != testTopic || m.Properties["REAL_SUBSCRIPTION"] != "s" ||
				m.Properties["ORIGIN_MESSAGE_ID"] != fmt.Sprintf("%d:0:-1", id.LedgerID) {
				t.Errorf("dead letter %+v of %+v", m, id)
			}
			if n := backlog(t, u, testTopic, "s"); n != 0 {
				t.Errorf("backlog %d, want 0", n)
			}
			p.send("good")
			c.take("good")
		})
	}
}

func TestDeadLetterAfterClose(t *testing.T) {
	u := start(t, Options{})
	dlq := subscribe(t, u, bridge.ConsumerSpec{Topic: testTopic + "-dead", Subscription: "d"}, 10)
	spec := bridge.ConsumerSpec{Type: bridge.Shared, MaxRedeliver: 1, DeadLetterTopic: testTopic + "-dead"}
	c := subscribe(t, u, spec, 100)
	produce(t, u, bridge.ProducerSpec{}).send("bad")
	for range 2 {
		c.take("bad")
		c.Close()
		c = subscribe(t, u, spec, 100)
	}
	dlq.take("bad")
}

// A dead letter whose topic takes nothing stays in the backlog and is tried again.
func TestDeadLetterRetry(t *testing.T) {
	u := start(t, Options{})
	dead := testTopic + "-dead"
	produce(t, u, bridge.ProducerSpec{Topic: dead}).Close()
	if _, err := u.Terminate(dead); err != nil {
		t.Fatal(err)
	}
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared, MaxRedeliver: 1, DeadLetterTopic: dead}, 100)
	produce(t, u, bridge.ProducerSpec{}).send("bad")
	c.nack(c.take("bad")...)
	c.nack(c.take("bad")...)
	if n := backlog(t, u, testTopic, "s"); n != 1 {
		t.Errorf("backlog %d, want 1", n)
	}
	if moved, failed := u.DeadLetters(); moved != 0 || failed == 0 {
		t.Errorf("counted %d dead letters, and %d tries that failed", moved, failed)
	}
	if err := u.DeleteTopic(dead, true); err != nil {
		t.Fatal(err)
	}
	subscribe(t, u, bridge.ConsumerSpec{Topic: dead, Subscription: "d"}, 10).take("bad")
	if moved, _ := u.DeadLetters(); moved != 1 {
		t.Errorf("counted %d dead letters", moved)
	}
}

func TestOwnDeadLetterTopic(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared, MaxRedeliver: 1, DeadLetterTopic: testTopic}, 100)
	produce(t, u, bridge.ProducerSpec{}).send("bad")
	var last codec.MessageID
	for range 6 {
		m := c.take("bad")[0]
		last = m.ID
		c.nack(m)
	}
	if last.EntryID < 2 {
		t.Errorf("the last one came as %+v, want it published again", last)
	}
}

// Timers of messages that are gone do not pile up.
func TestDeadTimersGo(t *testing.T) {
	u := start(t, Options{})
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared}, 10)
	p := produce(t, u, bridge.ProducerSpec{})
	for range 10 * timersKept {
		c.Ack(p.sendMessage(after("never", 100*time.Hour)))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := len(u.timers); n > timersKept {
		t.Errorf("%d timers are kept for messages that are acknowledged", n)
	}
}
