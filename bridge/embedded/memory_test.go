package embedded

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
)

// kilo is a message of 1000 bytes that begins with a number.
func kilo(i int) *bridge.Outgoing {
	return &bridge.Outgoing{Payload: fmt.Appendf(nil, "%0999d", i)}
}

func TestMemoryBound(t *testing.T) {
	const limit = 1 << 20
	u := start(t, Options{MemoryLimit: limit})
	p := produce(t, u, bridge.ProducerSpec{})
	for i := range 5000 {
		p.sendMessage(kilo(i))
		if u.used > limit {
			t.Fatalf("%d bytes are used after %d messages", u.used, i)
		}
	}
	// Nobody needed them: the newest are kept for readers.
	r := read(t, u, bridge.ReaderSpec{Start: bridge.StartEarliest}, 10_000)
	settle(t, u)
	n := len(r.got)
	if n < 500 || n > 1000 {
		t.Errorf("%d messages of 1 KiB kept with a limit of 1 MiB", n)
	}
	for i := 5000 - n; i < 5000; i++ {
		if m := r.next(); string(m.Payload) != fmt.Sprintf("%0999d", i) {
			t.Fatalf("got %.20s, want %d", strings.TrimLeft(string(m.Payload), "0"), i)
		}
	}
	r.Close()

	c := subscribe(t, u, bridge.ConsumerSpec{}, 10_000)
	var err error
	sent := 0
	for ; sent < 2000 && err == nil; sent++ {
		_, err = p.try(kilo(sent))
	}
	wantKind(t, err, bridge.ErrMemoryFull)
	for _, part := range []string{"embeddedMemoryLimitBytes", fmt.Sprint(limit), testTopic} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not name %s: %v", part, err)
		}
	}
	if sent < 500 {
		t.Errorf("full after %d messages", sent)
	}
	c.ack(c.next())
	c.ack(c.next())
	p.sendMessage(kilo(0))

	// A new subscription is refused as long as nothing is acknowledged.
	for err = nil; err == nil; {
		_, err = p.try(&bridge.Outgoing{})
	}
	_, err = trySubscribe(t, u, bridge.ConsumerSpec{Subscription: "other"}, 0)
	wantKind(t, err, bridge.ErrMemoryFull)
}

// The oldest message of all topics goes first, and not what a durable
// subscription needs.
func TestEvictionOrder(t *testing.T) {
	const limit = 1 << 20
	u := start(t, Options{MemoryLimit: limit})
	wanted := produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-wanted"})
	c := subscribe(t, u, bridge.ConsumerSpec{Topic: testTopic + "-wanted"}, 0)
	wanted.sendMessage(kilo(0))
	old := produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-old"})
	for i := range 100 {
		old.sendMessage(kilo(i))
	}
	busy := produce(t, u, bridge.ProducerSpec{Topic: testTopic + "-busy"})
	for i := range 3000 {
		busy.sendMessage(kilo(i))
	}
	if n := u.topics[testTopic+"-old"].log.len(); n != 0 {
		t.Errorf("%d messages of the idle topic are kept", n)
	}
	c.Permit(1)
	c.next()
}

// Readers and non-durable subscriptions do not hold up publishers: what they
// are too slow for is lost to them, as at a broker.
func TestSlowReadersDoNotBlock(t *testing.T) {
	u := start(t, Options{MemoryLimit: 1 << 20})
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.KeyShared} {
		topic := testTopic + typ.String()
		p := produce(t, u, bridge.ProducerSpec{Topic: topic})
		r := read(t, u, bridge.ReaderSpec{Topic: topic}, 1)
		c := subscribe(t, u, bridge.ConsumerSpec{Topic: topic, NonDurable: true, Type: typ}, 2)
		for i := range 3000 {
			p.sendMessage(kilo(i))
		}
		r.next()
		first := []string{payload(c.next()), payload(c.next())}
		r.Permit(10_000)
		c.Permit(10_000)
		settle(t, u)
		nr, nc := len(r.got), len(c.got)
		if nr < 500 || nc < 500 {
			t.Errorf("%d and %d messages are left for them after %s", nr, nc, first)
		}
		for range nc - 1 {
			c.next()
		}
		if m := c.next(); typ != bridge.KeyShared && payload(m) != string(kilo(2999).Payload) {
			t.Errorf("the last one is %.20q", strings.TrimLeft(payload(m), "0"))
		}
		r.Close()
		c.Close()
	}
}

// Topics that clients make up do not pile up.
func TestManyTopics(t *testing.T) {
	u := start(t, Options{MemoryLimit: 1 << 20})
	for i := range 5000 {
		produce(t, u, bridge.ProducerSpec{Topic: fmt.Sprintf("%s-%d", testTopic, i)}).Close()
	}
	if n := len(u.topics); n > 600 {
		t.Errorf("%d topics with a limit of 1 MiB", n)
	}
}

func TestAccountIsBalanced(t *testing.T) {
	u := start(t, Options{})
	before := u.used
	p := produce(t, u, bridge.ProducerSpec{})
	c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.KeyShared}, 1000)
	for i := range 100 {
		p.sendMessage(kilo(i))
	}
	for i := range 100 {
		m := c.next()
		if i%3 == 0 {
			c.ack(m)
		}
	}
	p.Close()
	c.Close()
	if err := u.DeleteTopic(testTopic, false); err != nil {
		t.Fatal(err)
	}
	if u.used != before {
		t.Errorf("%d bytes are still charged", u.used-before)
	}
}

// What a step has just created is not dropped by its own search for memory.
func TestNewTopicsAtTheLimit(t *testing.T) {
	u := start(t, Options{MemoryLimit: 64 << 10})
	for i := range 100 {
		var names []string
		for k := range 5 {
			names = append(names, fmt.Sprintf("%s-%d-%d", testTopic, i, k))
		}
		c := subscribe(t, u, bridge.ConsumerSpec{Topics: strings.Join(names, ","), NonDurable: true}, 10)
		for _, name := range names {
			p := produce(t, u, bridge.ProducerSpec{Topic: name})
			p.send("x")
			p.Close()
			c.take("x")
		}
		c.Close()
	}
}

// A consumer that never acknowledges is stopped, and goes on when it does.
func TestUnackedBound(t *testing.T) {
	for _, typ := range []bridge.SubscriptionType{bridge.Exclusive, bridge.Shared, bridge.KeyShared} {
		t.Run(typ.String(), func(t *testing.T) {
			u := start(t, Options{})
			u.maxUnacked = 100
			c := subscribe(t, u, bridge.ConsumerSpec{Type: typ}, 1000)
			p := produce(t, u, bridge.ProducerSpec{})
			p.send(numbers(0, 110)...)
			first := c.next()
			for range 99 {
				c.next()
			}
			settle(t, u)
			c.empty()
			c.ack(first)
			c.next()
			settle(t, u)
			c.empty()
		})
	}
}

// An acknowledgement far ahead of what was delivered costs no memory that is not there.
func TestAckFarAhead(t *testing.T) {
	u := start(t, Options{MemoryLimit: 1 << 20})
	c := subscribe(t, u, bridge.ConsumerSpec{}, 0)
	p := produce(t, u, bridge.ProducerSpec{})
	ids := p.send("first")
	for {
		id, err := p.try(&bridge.Outgoing{})
		if err != nil {
			break
		}
		ids = append(ids, id)
	}
	c.Ack(ids[len(ids)-1])
	if u.used > u.limit {
		t.Errorf("%d bytes are used, the limit is %d", u.used, u.limit)
	}
	c.Ack(ids[0])
	c.Permit(1)
	if m := c.next(); m.ID != ids[1] {
		t.Errorf("got %+v, want %+v", m.ID, ids[1])
	}
}

// A payload may lie in more memory than it has bytes, and keeps all of it.
func TestSpareMemoryOfPayloadsIsCharged(t *testing.T) {
	tight, roomy := &message{payload: make([]byte, 100)}, &message{payload: make([]byte, 100, 4096)}
	if got := costOf(roomy) - costOf(tight); got != 4096-100 {
		t.Errorf("%d bytes more", got)
	}
}
