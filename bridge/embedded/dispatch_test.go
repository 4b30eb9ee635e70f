package embedded

import (
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

func TestSharedRoundRobin(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.Shared}
	a, b := subscribe(t, u, spec, 10), subscribe(t, u, spec, 10)
	small := subscribe(t, u, spec, 1)
	produce(t, u, bridge.ProducerSpec{}).send(numbers(0, 9)...)
	settle(t, u)
	if len(a.got) != 4 || len(b.got) != 4 || len(small.got) != 1 {
		t.Errorf("shares %d, %d, %d, want 4, 4, 1", len(a.got), len(b.got), len(small.got))
	}
}

func TestSharedPriority(t *testing.T) {
	u := start(t, Options{})
	low := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared, PriorityLevel: 1}, 10)
	high := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared}, 3)
	p := produce(t, u, bridge.ProducerSpec{})
	p.send(numbers(0, 5)...)
	high.take("0", "1", "2")
	low.take("3", "4")
	high.Permit(1)
	p.send("5", "6")
	high.take("5")
	low.take("6")
}

// Priority levels that clients make up do not pile up.
func TestPriorityLevelsGo(t *testing.T) {
	u := start(t, Options{})
	p := produce(t, u, bridge.ProducerSpec{})
	for i := range 50 {
		c := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Shared, PriorityLevel: i}, 1)
		p.send("x")
		c.ack(c.take("x")...)
		c.Close()
	}
	if n := len(u.topics[testTopic].subs["s"].turns.levels); n > 0 {
		t.Errorf("%d levels without members are kept", n)
	}
}

func TestSharedRedeliversToOthers(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.Shared}
	a := subscribe(t, u, spec, 3)
	p := produce(t, u, bridge.ProducerSpec{})
	p.send("0", "1", "2")
	ms := a.take("0", "1", "2")
	b := subscribe(t, u, spec, 10)
	a.ack(ms[1])
	a.Close()
	for _, m := range b.take("0", "2") {
		if m.RedeliveryCount != 1 {
			t.Errorf("%s has redelivery count %d, want 1", payload(m), m.RedeliveryCount)
		}
	}
}

func TestFailoverTakeover(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.Failover}
	a, b := subscribe(t, u, spec, 100), subscribe(t, u, spec, 100)
	p := produce(t, u, bridge.ProducerSpec{})
	p.send(numbers(0, 5)...)
	ms := a.take(numbers(0, 5)...)
	settle(t, u)
	b.empty()
	a.ack(ms[0], ms[2])
	a.Close()
	again := b.take("1", "3", "4")
	if again[0].RedeliveryCount != 1 {
		t.Errorf("redelivery count %d, want 1", again[0].RedeliveryCount)
	}
	p.send("5")
	b.take("5")
}

func TestFailoverPriority(t *testing.T) {
	u := start(t, Options{})
	low := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Failover, PriorityLevel: 5}, 100)
	p := produce(t, u, bridge.ProducerSpec{})
	p.send("0")
	low.take("0")
	high := subscribe(t, u, bridge.ConsumerSpec{Type: bridge.Failover, PriorityLevel: 1}, 100)
	high.take("0")
	p.send("1")
	high.take("1")
	settle(t, u)
	low.empty()
}

func TestKeySharedSticky(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.KeyShared}
	cs := []*testConsumer{subscribe(t, u, spec, 1000), subscribe(t, u, spec, 1000), subscribe(t, u, spec, 1000)}
	p := produce(t, u, bridge.ProducerSpec{})
	for i := range 300 {
		p.sendKeyed(numbers(0, 30)[i%30], numbers(0, 300)[i])
	}
	settle(t, u)
	owner, total := map[string]int{}, 0
	for i, c := range cs {
		if len(c.got) == 0 {
			t.Errorf("consumer %d got no key of 30", i)
		}
		for len(c.got) > 0 {
			m := c.next()
			total++
			if was, ok := owner[m.Key]; ok && was != i {
				t.Fatalf("key %s went to %d and %d", m.Key, was, i)
			}
			owner[m.Key] = i
		}
	}
	if total != 300 {
		t.Errorf("%d messages came, want 300", total)
	}
}

// A key's messages wait for its new owner until the old one has settled its own.
func TestKeySharedDrains(t *testing.T) {
	u := start(t, Options{})
	spec := bridge.ConsumerSpec{Type: bridge.KeyShared}
	a := subscribe(t, u, spec, 1000)
	p := produce(t, u, bridge.ProducerSpec{})
	keys := numbers(0, 50)
	held := map[string]*codec.Message{}
	for _, k := range keys {
		p.sendKeyed(k, "old")
	}
	for range keys {
		m := a.next()
		held[m.Key] = m
	}
	b := subscribe(t, u, spec, 1000)
	for _, k := range keys {
		p.sendKeyed(k, "new")
	}
	settle(t, u)
	b.empty()
	stayed := len(a.got)
	if stayed == 0 || stayed == len(keys) {
		t.Fatalf("%d of %d keys stayed with the first consumer", stayed, len(keys))
	}
	for range stayed {
		m := a.next()
		delete(held, m.Key)
	}
	for _, m := range held {
		a.ack(m)
	}
	for range len(keys) - stayed {
		m := b.next()
		if payload(m) != "new" || held[m.Key] == nil {
			t.Fatalf("got %s of key %s", payload(m), m.Key)
		}
	}
}

// The permit of a delivery that is called off goes to another topic of its consumer.
func TestRefundServesOtherTopics(t *testing.T) {
	u := start(t, Options{})
	one, two := testTopic+"-1", testTopic+"-2"
	c := subscribe(t, u, bridge.ConsumerSpec{Topics: one + "," + two, Type: bridge.Shared}, 0)
	p1, p2 := produce(t, u, bridge.ProducerSpec{Topic: one}), produce(t, u, bridge.ProducerSpec{Topic: two})
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	c.deliver = func(*codec.Message) { held <- struct{}{}; <-hold }
	c.Permit(2)
	p1t := make(chan struct{})
	go func() { p1.send("a"); close(p1t) }()
	<-held
	queued := p1.send("b")[0] // behind "a"
	p2.send("c")              // no permit is left
	c.Ack(queued)
	close(hold)
	<-p1t
	c.take("a", "c")
	settle(t, u)
	c.empty()
}
