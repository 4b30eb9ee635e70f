package census

import (
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
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
	p.Failed()
	c.Delivered(10)
	c.Acknowledged(1)
	c.Refused()

	sums := r.Counters()
	if sums.Published != 2 || sums.PublishedBytes != 30 || sums.PublishFailed != 1 || sums.Delivered != 1 || sums.Acked != 1 || sums.Nacked != 1 {
		t.Errorf("counted %+v", sums)
	}
	if sums.Latency[2] != 1 || sums.Latency[len(LatencyBounds)] != 1 || sums.LatencySum != time.Hour+3*time.Millisecond {
		t.Errorf("latencies %v, %v", sums.Latency, sums.LatencySum)
	}
	if p.Messages() != 2 || c.Messages() != 1 || reader.Messages() != 0 {
		t.Errorf("sessions counted %d, %d, %d", p.Messages(), c.Messages(), reader.Messages())
	}
	if g := r.Sessions(); g.ProducerSessions != 1 || g.ConsumerSessions != 1 || g.ReaderSessions != 1 {
		t.Errorf("sessions: %+v", g)
	}
	stats, ok := r.TopicStats(topic)
	if !ok || len(stats.Producers) != 1 || len(stats.Consumers) != 2 || stats.Consumers[0] != (ConsumerStats{RemoteAddr: "192.0.2.2:1", Subscription: "s", Type: bridge.Shared, Delivered: 1}) {
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
}
