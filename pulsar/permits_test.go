package pulsar

import (
	"errors"
	"slices"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// inLine lists the topics whose consumers wait for a permit.
func (p *Permits) inLine() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for x := p.first; x != nil; x = x.next {
		list = append(list, x.topic)
	}
	return list
}

// lineUp makes consumers that hold messages, in the order of their topics, and returns what they deliver, by topic.
func lineUp(t *testing.T, p *Permits, clients ...*Client) (got chan string, all []*Consumer) {
	t.Helper()
	got = make(chan string, 100)
	for i, c := range clients {
		in := newInbox(t)
		in.take = func(x *Consumer, _ *Received) { got <- x.topic }
		all = append(all, c.NewConsumer(topic+text(i), "s", earliest(wire.Shared), p, in))
		if err := receive(t, "the consumer", in.opened); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a place in line", func() bool { return len(p.inLine()) == i+1 })
	}
	return got, all
}

// TestPermitsGoAround has more messages on each of several topics than there are permits: no topic is served again before all others were,
// and a permit has only one consumer look for what it holds.
func TestPermitsGoAround(t *testing.T) {
	const topics = 3
	for _, permits := range []int{1, 2} {
		b := fakebroker.Start(t)
		for i := range topics {
			for range 20 {
				publishText(b, topic+text(i), "x")
			}
		}
		c := newClient(t, Options{ServiceURL: b.URL()})
		var p Permits
		got, _ := lineUp(t, &p, c, c, c)
		for round := range 2 * topics {
			next := p.inLine()
			p.Permit(permits)
			for range permits {
				if name := receive(t, "a message", got); name != next[0] {
					t.Errorf("round %d: a message of %s, where %s waited longest", round, name, next[0])
				}
			}
			want := append(slices.Clone(next[1:]), next[0])
			eventually(t, "its place at the end of the line", func() bool { return slices.Equal(p.inLine(), want) })
		}
	}
}

// TestTurnEndsWithItsConnection has the connection break over which the consumer holds messages whose turn it is: the next one has
// the permit.
func TestTurnEndsWithItsConnection(t *testing.T) {
	var p Permits
	b := fakebroker.Start(t)
	publishText(b, topic+text(0), "x")
	publishText(b, topic+text(1), "x")
	first, second := newClient(t, Options{ServiceURL: b.URL(), MinBackoff: patience, MaxBackoff: patience}), newClient(t, Options{ServiceURL: b.URL()})
	got, all := lineUp(t, &p, first, second)
	all[0].mu.Lock()
	c := all[0].on
	all[0].mu.Unlock()
	p.mu.Lock()
	p.n++
	x := p.nextLocked()
	p.mu.Unlock()
	c.mu.Lock()
	c.posted = append(c.posted, x) // its reader does not know
	c.mu.Unlock()
	c.fail(errors.New("broken by the test"))
	if name := receive(t, "a message", got); name != topic+text(1) {
		t.Errorf("a message of %s", name)
	}
	// One whose connection is gone has no turn.
	p.mu.Lock()
	p.first, p.last, all[0].waits = all[0], all[0], true
	p.mu.Unlock()
	publishText(b, topic+text(1), "y")
	eventually(t, "a place in line", func() bool { return len(p.inLine()) == 2 })
	p.Permit(1)
	receive(t, "a message", got)
}
