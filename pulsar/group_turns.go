package pulsar

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

const (
	// groupTopics bounds the topics that one group over many opens at a time, and allGroupTopics those of all such groups together. To
	// make a topic takes a broker about 10 ms, during which others' publishes wait behind it.
	groupTopics    = 2
	allGroupTopics = 4
	// turnPatience is how long one turn may take. A broker that does not answer, or a topic that is not to be had for long, keeps only those
	// waiting who want it.
	turnPatience = 250 * time.Millisecond
	// groupPartitions is the same of a group on one topic with partitions.
	groupPartitions = 16
)

// groupTurns lets groups over many topics open them a few at a time, in turn: who comes with one topic does not wait for all of another's
// hundreds.
type groupTurns struct {
	patience time.Duration // turnPatience

	mu      sync.Mutex // guards what follows; no other is taken while it is held
	taken   int
	waiting []*Group // each once, the next first
}

// take takes a turn for g, or has g.openMore called when there is one.
func (t *groupTurns) take(g *Group) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken < allGroupTopics {
		t.taken++
		return true
	}
	for _, other := range t.waiting {
		if other == g {
			return false
		}
	}
	t.waiting = append(t.waiting, g)
	return false
}

// give gives a turn back, to the next.
func (t *groupTurns) give() {
	t.mu.Lock()
	t.taken--
	for len(t.waiting) > 0 && t.taken < allGroupTopics {
		g := t.waiting[0]
		t.waiting = t.waiting[1:]
		t.mu.Unlock()
		g.openMore()
		t.mu.Lock()
	}
	t.mu.Unlock()
}

// groupTurn is a turn that was taken.
type groupTurn struct {
	client *Client
	late   alarm // gives it back
	given  atomic.Bool
}

func (c *Client) newTurn() *groupTurn {
	t := &groupTurn{client: c}
	t.late.ring = t.give
	c.alarms.set(&t.late, c.turns.patience)
	return t
}

// give gives the turn back, unless that was done.
func (t *groupTurn) give() {
	if t.given.CompareAndSwap(false, true) {
		t.client.alarms.clear(&t.late)
		t.client.turns.give()
	}
}

// queued is a member that is to be opened.
type queued struct {
	member
	at *groupPart
	o  *ConsumerOptions
}

// isMany reports that the group takes turns with others.
func (g *Group) isMany() bool { return g.sel.Match != nil || len(g.sel.Topics) > 1 }

// openMore opens what is queued, as far as it is the group's turn.
func (g *Group) openMore() {
	for {
		most := groupPartitions
		if g.isMany() {
			most = groupTopics
		}
		g.mu.Lock()
		if g.ended || len(g.queue) == 0 || g.opening >= most || g.isMany() && !g.client.turns.take(g) {
			g.mu.Unlock()
			return
		}
		p := g.queue[0]
		if g.queue = g.queue[1:]; len(g.queue) == 0 {
			g.queue = nil
		}
		g.opening++
		g.mu.Unlock()
		owner := &groupMember{g: g, at: p.at}
		if g.isMany() {
			owner.turn = g.client.newTurn()
		}
		x := g.client.NewConsumer(p.topic, g.subscription, p.o, g.permits, owner)
		g.keep(p.at, x) // unless it has been refused already
		g.mu.Lock()
		over := g.ended
		g.mu.Unlock()
		if over {
			x.Close(nil)
		}
	}
}

// gotOpen takes note that a member is opened, or cannot be.
func (g *Group) gotOpen(turn *groupTurn) {
	g.mu.Lock()
	g.opening--
	g.mu.Unlock()
	if turn != nil {
		turn.give()
	}
	g.openMore()
}

// growing is o for what is added later: that begins at the first message.
func (o *ConsumerOptions) growing() *ConsumerOptions {
	fresh := *o
	fresh.InitialPosition, fresh.Start, fresh.StartTime = wire.Earliest, nil, time.Time{}
	return &fresh
}
