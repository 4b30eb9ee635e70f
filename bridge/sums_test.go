package bridge

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// untimed is what the bridge has counted of one kind's sessions, without how long it took.
func untimed(p Pushed) Pushed {
	p.Latency = nil
	return p
}

// What consumers get and acknowledge is counted once, and how long each message has waited.
func TestCountsOfConsumers(t *testing.T) {
	b, o, up := consumeOne(t)
	full := func() int64 { return b.Gauges().FullConsumers }
	up.deliver(t, 0)
	if full() != 0 {
		t.Error("a window of 2 is full with one message")
	}
	up.deliver(t, 1)
	if full() != 1 {
		t.Error("a window of 2 is not full with two messages")
	}
	o.fill(1)
	if c := b.Counters(); untimed(c.Consumers) != (Pushed{Delivered: 1, DeliveredBytes: 1, Filled: 1}) || c.Consumers.Latency.Count() != 1 {
		t.Errorf("%+v, and %d timed", untimed(c.Consumers), c.Consumers.Latency.Count())
	}
	o.fill(1)
	o.ack(t, 0)
	o.nack(t, 1)
	if full() != 0 {
		t.Error("a window is full with no message")
	}
	again := message(1)
	again.RedeliveryCount = 1
	waitFor(t, "permits", func() bool { return up.allowed() == 2 })
	up.r.Deliver(again)
	o.fill(1)
	c := b.Counters()
	if untimed(c.Consumers) != (Pushed{Delivered: 3, DeliveredBytes: 3, Acked: 1, Filled: 1}) || c.Nacked != 1 || c.Redelivered != 1 {
		t.Errorf("%+v, %d refused, %d redelivered", untimed(c.Consumers), c.Nacked, c.Redelivered)
	}
	if untimed(c.Readers) != (Pushed{}) {
		t.Errorf("%+v of readers", untimed(c.Readers))
	}
	up.deliver(t, 2)
	o.s.Close()
	if full() != 0 {
		t.Error("the window of a session that has ended is full")
	}
}

func TestCountsOfReaders(t *testing.T) {
	u := &fakeUpstream{last: emptyEnd}
	b := newBridge(t, u, Options{})
	o := read(t, b, latest(), ReadOptions{Window: 2})
	up := tailOf(t, u, 0)
	full := func() int64 { return b.Gauges().FullReaders }
	for i := range int64(3) {
		up.deliver(t, i)
	}
	o.fill(9)
	c := b.Counters()
	if untimed(c.Readers) != (Pushed{Delivered: 2, DeliveredBytes: 2, Filled: 1}) || c.Readers.Latency.Count() != 2 || full() != 1 {
		t.Errorf("%+v, %d timed, %d full", untimed(c.Readers), c.Readers.Latency.Count(), full())
	}
	o.ack(t, 0)
	if c := b.Counters(); c.Readers.Acked != 1 || full() != 0 {
		t.Errorf("%d acknowledged, %d full", c.Readers.Acked, full())
	}
	o.fill(9)
	o.s.Close()
	o.ack(t, 1) // it comes too late
	if c := b.Counters(); c.Readers.Delivered != 3 || c.Readers.Filled != 2 || full() != 0 || untimed(c.Consumers) != (Pushed{}) {
		t.Errorf("%+v, %d full, %+v of consumers", untimed(c.Readers), full(), untimed(c.Consumers))
	}
}

// The time that counts is that from a message's arrival to when it is written.
func TestDeliveryLatency(t *testing.T) {
	const waits = 6 * time.Millisecond
	b, consumer, up := consumeOne(t)
	u := &fakeUpstream{last: emptyEnd}
	b2 := newBridge(t, u, Options{})
	reader := read(t, b2, latest(), ReadOptions{Window: 9})
	tail := tailOf(t, u, 0)
	for _, c := range []struct {
		kind string
		up   *fakeConsumer
		o    *fakeOutlet
		sum  func() time.Duration
	}{
		{"consumer", up, consumer, func() time.Duration { return b.Counters().Consumers.Latency.Sum }},
		{"reader", tail, reader, func() time.Duration { return b2.Counters().Readers.Latency.Sum }},
	} {
		begin := clock()
		c.up.deliver(t, 0)
		came := clock()
		for clock()-came < waits {
			time.Sleep(time.Millisecond) // the message waits
		}
		c.o.fill(1)
		first := c.sum()
		if most := clock() - begin; first < waits || first > most {
			t.Errorf("%s: a message has waited for %v, not from %v to %v", c.kind, first, waits, most)
		}
		begin = clock()
		c.up.deliver(t, 1) // after the first was written: it has a time of its own
		c.o.fill(1)
		if second, most := c.sum()-first, clock()-begin; second > most {
			t.Errorf("%s: the next message has waited for %v, at most %v", c.kind, second, most)
		}
	}
}

// The counters of what came together are those of the first, until some of it is written.
func TestArrival(t *testing.T) {
	var a arrival
	first := a.now()
	for clock() == first {
		continue
	}
	if a.now() != first {
		t.Error("what came behind it has a time of its own")
	}
	a.over()
	if a.now() == first {
		t.Error("what came after it was written has its time")
	}
}

// Namespaces beyond the bound share a place, from which nothing is ever taken away.
func TestNamespaceCounters(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{Linger: -1})
	publish := func(ns string) Session {
		o := produce(t, b, ProducerSpec{Topic: "persistent://a/" + ns + "/t"})
		send(t, o, "YQ==", "1")
		p := u.producers[len(u.producers)-1]
		p.confirm(0, nil)
		o.s.Close()
		return o.s
	}
	of := func(ns string, n uint64) NamespaceCounters {
		return NamespaceCounters{Namespace: ns, Published: n, PublishedBytes: n}
	}
	expect := func(want ...NamespaceCounters) {
		t.Helper()
		if got := b.NamespaceCounters(2); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, expected %+v", got, want)
		}
	}
	expect(of("", 0))
	publish("z")
	expect(of("a/z", 1), of("", 0))
	for i := range 3 {
		publish(fmt.Sprint(i))
	}
	expect(of("a/0", 1), of("a/z", 1), of("", 2))
	for range forgetAfter + 1 {
		b.stats.closeMinute(time.Minute)
	}
	expect(of("a/0", 1), of("a/z", 1), of("", 2))
	publish("1")
	publish("z")
	expect(of("a/0", 1), of("a/z", 2), of("", 3))
}

// Clients that may be shared are sorted by how many sessions do, cursors by where they are.
func TestShares(t *testing.T) {
	u := &fakeUpstream{last: message(9).ID}
	b := newBridge(t, u, Options{})
	for range 3 {
		produce(t, b, ProducerSpec{Topic: topic})
	}
	produce(t, b, ProducerSpec{Topic: topic + "2"})
	consume(t, b, sharedSpec, minute)
	read(t, b, latest(), ReadOptions{Window: 9})
	read(t, b, ReaderSpec{Topic: topic, Start: StartEarliest, Queue: 1000}, ReadOptions{Window: 9})
	want := Shares{Live: 1, Behind: 1}
	want.Producers[1], want.Producers[2], want.Consumers[1], want.Tails[2] = 1, 1, 1, 1
	if got := b.Shares(); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}
