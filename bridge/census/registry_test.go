package census

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// outlet is a client at an address.
type outlet struct {
	bridge.Outlet
	address string
}

func (o outlet) RemoteAddr() string { return o.address }

// counted is a session of a client.
type counted struct {
	kind bridge.SessionKind
	out  outlet
}

func (c counted) Counted() (bridge.SessionKind, bridge.Outlet) { return c.kind, c.out }

const topic = "persistent://public/default/t"

// What sessions do is in the sums, in their namespace's rates, and with them while they are there.
func TestRegistry(t *testing.T) {
	r := New()
	p := r.Producer(topic, outlet{address: "192.0.2.1:1"})
	c := r.Consumer(topic, counted{bridge.SessionKind{Subscription: "s", Type: bridge.Shared}, outlet{address: "192.0.2.2:1"}})
	reader := r.Consumer(topic, counted{bridge.SessionKind{Reader: true}, outlet{address: "192.0.2.3:1"}})
	p.Published(10, 3*time.Millisecond)
	p.Published(20, time.Hour)
	p.Failed(codec.CodeCreateProducer)
	p.Failed(99)
	c.Delivered(2, 10, time.Millisecond)
	c.Redelivered(1)
	reader.Delivered(1, 5, time.Second)
	c.Acknowledged(1)
	c.Refused()

	sums := r.Counters()
	if sums.Published != 2 || sums.PublishedBytes != 30 || sums.Failed() != 2 || sums.PublishFailed[codec.CodeUnknown] != 1 || sums.Consumers.Acked != 1 || sums.Nacked != 1 || sums.Redelivered != 1 {
		t.Errorf("counted %+v", sums)
	}
	if c, r := sums.Consumers, sums.Readers; c.Delivered != 2 || c.DeliveredBytes != 10 || c.Latency.Sum != 2*time.Millisecond || r.Delivered != 1 || r.DeliveredBytes != 5 || r.Acked != 0 {
		t.Errorf("pushed to consumers %+v, to readers %+v", c, r)
	}
	if of := sums.PublishLatency; of.Classic()[2] != 1 || of.Sum != time.Hour+3*time.Millisecond {
		t.Errorf("latencies %v, %v", of.Classic(), of.Sum)
	}
	if p.Messages() != 2 || c.Messages() != 2 || reader.Messages() != 1 {
		t.Errorf("sessions counted %d, %d, %d", p.Messages(), c.Messages(), reader.Messages())
	}
	if g := r.Sessions(); g.ProducerSessions != 1 || g.ConsumerSessions != 1 || g.ReaderSessions != 1 {
		t.Errorf("sessions: %+v", g)
	}
	stats, ok := r.TopicStats(topic)
	if !ok || len(stats.Producers) != 1 || len(stats.Consumers) != 2 || stats.Consumers[0] != (ConsumerStats{RemoteAddr: "192.0.2.2:1", Subscription: "s", Type: bridge.Shared, Delivered: 2}) {
		t.Errorf("topic: %+v", stats)
	}
	visited := 0
	r.Outlets(func(bridge.Outlet) bool { visited++; return visited < 2 })
	if visited != 2 {
		t.Errorf("%d sessions visited, want to stop at 2", visited)
	}

	r.closeMinute(10 * time.Second)
	rates := r.NamespaceRates()
	if len(rates) != 1 || rates[0].Namespace != "public/default" || rates[0].PublishRate != 0.2 || rates[0].AckRate != 0.1 || rates[0].Latency[2] != 1 {
		t.Errorf("rates: %+v", rates)
	}

	p.Leave()
	c.Leave()
	reader.Leave()
	if g := r.Sessions(); g != (Gauges{}) || len(r.Stats()) != 0 {
		t.Errorf("left behind: %+v, %v", g, r.Stats())
	}
	for range forgetAfter {
		r.closeMinute(time.Minute)
	}
	if rates := r.NamespaceRates(); len(rates) != 1 || rates[0].PublishRate != 0 {
		t.Errorf("rates of a namespace without sessions: %+v", rates)
	}
	r.closeMinute(time.Minute)
	if rates := r.NamespaceRates(); len(rates) != 0 {
		t.Errorf("rates are kept: %+v", rates)
	}
	if sums := r.Counters(); sums.Consumers.DeliveredBytes != 10 || sums.Readers.DeliveredBytes != 5 {
		t.Errorf("with a namespace its bytes are forgotten: %+v, %+v", sums.Consumers, sums.Readers)
	}
}
