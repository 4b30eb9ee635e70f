package hub

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/latency"
)

// untimed is what the bridge has counted of one kind's sessions, without how long it took.
func untimed(p census.Pushed) census.Pushed {
	p.Latency = nil
	return p
}

// consumeOne opens a session with a window of 2 on an upstream consumer of its own.
func consumeOne(t *testing.T) (h *Hub, o *bridgetest.Outlet, up *bridgetest.Consumer) {
	t.Helper()
	u := &bridgetest.Upstream{}
	h = newHub(t, u, Options{})
	o = consume(t, h, sharedSpec, minute)
	up = u.Consumers[0]
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	return h, o, up
}

// What consumers get and acknowledge is counted once, and how long each message has waited.
func TestCountsOfConsumers(t *testing.T) {
	h, o, up := consumeOne(t)
	full := func() int64 { return h.Gauges().FullConsumers }
	up.Deliver(t, 0)
	if full() != 0 {
		t.Error("a window of 2 is full with one message")
	}
	up.Deliver(t, 1)
	if full() != 1 {
		t.Error("a window of 2 is not full with two messages")
	}
	o.Fill(1)
	if c := h.Counters(); untimed(c.Consumers) != (census.Pushed{Delivered: 1, DeliveredBytes: 1, Filled: 1}) || c.Consumers.Latency.Count() != 1 {
		t.Errorf("%+v, and %d timed", untimed(c.Consumers), c.Consumers.Latency.Count())
	}
	o.Fill(1)
	o.Ack(t, 0)
	o.Nack(t, 1)
	if full() != 0 {
		t.Error("a window is full with no message")
	}
	again := bridgetest.Message(1)
	again.RedeliveryCount = 1
	waitFor(t, "permits", func() bool { return up.Allowed() == 2 })
	up.Receiver.Deliver(again)
	o.Fill(1)
	c := h.Counters()
	if untimed(c.Consumers) != (census.Pushed{Delivered: 3, DeliveredBytes: 3, Acked: 1, Filled: 1}) || c.Nacked != 1 || c.Redelivered != 1 {
		t.Errorf("%+v, %d refused, %d redelivered", untimed(c.Consumers), c.Nacked, c.Redelivered)
	}
	if untimed(c.Readers) != (census.Pushed{}) {
		t.Errorf("%+v of readers", untimed(c.Readers))
	}
	up.Deliver(t, 2)
	o.Session.Close()
	if full() != 0 {
		t.Error("the window of a session that has ended is full")
	}
}

func TestCountsOfReaders(t *testing.T) {
	u := &bridgetest.Upstream{Last: bridgetest.EmptyEnd}
	h := newHub(t, u, Options{})
	o := reader(t, h, latest(), bridge.ReadOptions{Window: 2})
	up := u.Reader(0)
	full := func() int64 { return h.Gauges().FullReaders }
	for i := range int64(3) {
		up.Deliver(t, i)
	}
	o.Fill(9)
	c := h.Counters()
	if untimed(c.Readers) != (census.Pushed{Delivered: 2, DeliveredBytes: 2, Filled: 1}) || c.Readers.Latency.Count() != 2 || full() != 1 {
		t.Errorf("%+v, %d timed, %d full", untimed(c.Readers), c.Readers.Latency.Count(), full())
	}
	o.Ack(t, 0)
	if c := h.Counters(); c.Readers.Acked != 1 || full() != 0 {
		t.Errorf("%d acknowledged, %d full", c.Readers.Acked, full())
	}
	o.Fill(9)
	o.Session.Close()
	o.Ack(t, 1) // it comes too late
	if c := h.Counters(); c.Readers.Delivered != 3 || c.Readers.Filled != 2 || full() != 0 || untimed(c.Consumers) != (census.Pushed{}) {
		t.Errorf("%+v, %d full, %+v of consumers", untimed(c.Readers), full(), untimed(c.Consumers))
	}
}

// The time that counts is that from a message's arrival to when it is written.
func TestDeliveryLatency(t *testing.T) {
	const waits = 6 * time.Millisecond
	h, consumer, up := consumeOne(t)
	u := &bridgetest.Upstream{Last: bridgetest.EmptyEnd}
	h2 := newHub(t, u, Options{})
	r := reader(t, h2, latest(), bridge.ReadOptions{Window: 9})
	tail := u.Reader(0)
	for _, c := range []struct {
		kind string
		up   *bridgetest.Consumer
		o    *bridgetest.Outlet
		sum  func() time.Duration
	}{
		{"consumer", up, consumer, func() time.Duration { return h.Counters().Consumers.Latency.Sum }},
		{"reader", tail, r, func() time.Duration { return h2.Counters().Readers.Latency.Sum }},
	} {
		begin := latency.Now()
		c.up.Deliver(t, 0)
		came := latency.Now()
		for latency.Now()-came < waits {
			time.Sleep(time.Millisecond) // the message waits
		}
		c.o.Fill(1)
		first := c.sum()
		if most := latency.Now() - begin; first < waits || first > most {
			t.Errorf("%s: a message has waited for %v, not from %v to %v", c.kind, first, waits, most)
		}
		begin = latency.Now()
		c.up.Deliver(t, 1) // after the first was written: it has a time of its own
		c.o.Fill(1)
		if second, most := c.sum()-first, latency.Now()-begin; second > most {
			t.Errorf("%s: the next message has waited for %v, at most %v", c.kind, second, most)
		}
	}
}

// Clients that may be shared are sorted by how many sessions do, cursors by where they are.
func TestShares(t *testing.T) {
	u := &bridgetest.Upstream{Last: bridgetest.Message(9).ID}
	h := newHub(t, u, Options{})
	for range 3 {
		produce(t, h, bridge.ProducerSpec{Topic: topic})
	}
	produce(t, h, bridge.ProducerSpec{Topic: topic + "2"})
	consume(t, h, sharedSpec, minute)
	reader(t, h, latest(), bridge.ReadOptions{Window: 9})
	reader(t, h, bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest, Queue: 1000}, bridge.ReadOptions{Window: 9})
	want := census.Shares{Live: 1, Behind: 1}
	want.Producers[1], want.Producers[2], want.Consumers[1], want.Tails[2] = 1, 1, 1, 1
	if got := h.Shares(); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}

// A message that comes in a run of others has a time, too.
func TestDeliveryLatencyOfRun(t *testing.T) {
	h, o, up := consumeOne(t)
	begin := latency.Now()
	r := up.Receiver.(bridge.RunReceiver)
	r.DeliverMore(bridgetest.Message(0))
	r.Rest()
	o.Fill(1)
	if l := h.Counters().Consumers.Latency; l.Count() != 1 || l.Sum > latency.Now()-begin {
		t.Errorf("%d messages have waited for %v", l.Count(), l.Sum)
	}
}
