package sharingtest

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/bridge/hub"
)

// subscriptions lets consumers of one subscription come, acknowledge, refuse
// and die while messages are published, until every message is acknowledged.
// What may come to whom, book says. In the end all sessions are gone, and a new one
// gets nothing but what is published then.
//
// few lets an upstream consumer have so few messages out that one is often not
// enough where sessions share it. Where they are Shared, some have an upstream
// consumer of their own.
func subscriptions(r *round, kind bridge.SubscriptionType, batched, few bool) {
	c := &consumers{
		round: r, batched: batched,
		spec: bridge.ConsumerSpec{
			Topic: r.topic, Subscription: "s", Type: kind, Earliest: true, Queue: 1 + r.random.IntN(40),
		},
	}
	total, clients := r.env.Messages, 6
	o := hub.Options{SharedConsumers: 1 + r.random.IntN(clients)}
	if few {
		o.UnackedPerConsumer = 2 + r.random.IntN(80)
	}
	c.several = few || o.SharedConsumers > 1
	c.b = r.bridge(o)
	switch {
	case kind == bridge.Exclusive:
		clients = 1
	case kind == bridge.Failover:
		total /= 3 // each change of the active consumer takes a second
	}
	keys := 0
	if kind == bridge.KeyShared {
		keys = 10
	}
	c.book = newBook(kind, keys, total)
	c.book.several = c.several
	p := r.publisher(c.b, batched)
	p.keys = keys

	// Of a batch that is acknowledged in part, an upstream consumer forgets which part
	// when it ends; where there is only one, one of the sessions keeps it. So it does where a
	// subscription without any consumer begins anew. It is there before the others, as
	// those come and go from then on.
	stays := kind == bridge.Shared && (batched || r.env.LeavesOut)
	var work sync.WaitGroup
	for i := range clients {
		random, life := r.source(i), func() {}
		if stays && i == 0 {
			life = c.begin(random, true)
		}
		work.Go(func() {
			life()
			for !r.Failed() && !c.book.over() {
				c.begin(random, false)()
			}
		})
	}
	for int(p.sent.Load()) < total && !r.Failed() {
		c.calm.RLock()
		p.burst(min(1+r.random.IntN(20), total-int(p.sent.Load())))
		c.calm.RUnlock()
	}
	work.Wait()
	r.await(c.b, func(g census.Gauges) bool {
		return g.ConsumerSessions == 0 && g.UpstreamConsumers == 0 && g.Unacked == 0
	})
	if r.Failed() {
		return
	}

	last := c.open(r.random)
	if last == nil {
		return
	}
	p.burst(1)
	me := c.book.join()
	for !r.Failed() {
		frames := last.take(1, nil)
		if frames == nil {
			break
		}
		m, _ := parse(r, frames[0])
		if m.number == total {
			break
		}
		if _, wrong := c.book.receive(me, m); wrong != "" {
			r.Errorf("message %d (%s) came again after all sessions were gone, all acknowledged", m.number, m.MessageID)
		}
		last.ack(m.MessageID)
	}
	last.session.Close()
	p.s.session.Close()
}

// consumers are the clients of one subscription.
type consumers struct {
	*round
	b       *hub.Hub
	spec    bridge.ConsumerSpec
	batched bool
	several bool // upstream consumers of a Shared subscription
	book    *book
	// calm is held by publishes, and by what changes the active consumer of an
	// Exclusive or Failover subscription, see Env.LeavesOut.
	calm sync.RWMutex
}

func (c *consumers) open(random *rand.Rand) *socket {
	spec := c.spec
	o := bridge.ConsumeOptions{
		Window: 1 + random.IntN(30), NackDelay: time.Duration(3+random.IntN(20)) * time.Millisecond,
	}
	return open(c.round, func(out bridge.Outlet, d bridge.Opened) func() { return c.b.Consume(spec, o, out, d) })
}

// change opens or closes a session. Where that changes the active consumer, it
// returns once the upstream is done with it.
func (c *consumers) change(f func()) {
	if !c.book.ordered() {
		f()
		return
	}
	c.calm.Lock()
	defer c.calm.Unlock()
	f()
	c.await(c.b, func(g census.Gauges) bool { return g.UpstreamConsumers == g.ConsumerSessions })
}

// begin opens a session, and returns its life. stay makes it last until all is acknowledged.
func (c *consumers) begin(random *rand.Rand, stay bool) (life func()) {
	me := c.book.join()
	var s *socket
	c.change(func() { s = c.open(random) })
	if s == nil {
		return func() {}
	}
	return func() { c.live(random, me, s, stay) }
}

// live is the life of one session.
func (c *consumers) live(random *rand.Rand, me *member, s *socket, stay bool) {
	defer c.change(func() {
		c.book.leave(me)
		s.session.Close()
	})
	for life := random.IntN(100); life > 0 || stay; {
		// A session that gets nothing more dies: it, or another, may hold what the
		// rest is waiting for.
		frames := s.take(1+random.IntN(10), time.After(c.env.Quiet))
		if frames == nil && (!stay || c.book.over() || c.Failed()) {
			return
		}
		for _, f := range frames {
			life--
			if m, ok := parse(c, f); ok {
				c.answer(random, s, me, m, stay)
			}
		}
	}
}

// answer is what a client does with a message: it acknowledges, refuses or forgets it.
func (c *consumers) answer(random *rand.Rand, s *socket, me *member, m pushed, stay bool) {
	again, wrong := c.book.receive(me, m)
	excused := false
	if wrong != "" {
		say := c.Errorf
		keyed := c.spec.Type == bridge.KeyShared && wrong != repeated
		several := c.several && wrong == repeated
		if excused = c.env.LeavesOut && (c.spec.Type == bridge.Failover || keyed || several); excused {
			say = c.Logf
		}
		say("%s: message %d (%s, redelivery count %d) %s", c.spec.Type, m.number, m.MessageID, m.RedeliveryCount, wrong)
	}
	// Where one consumer is active, a redelivery brings back all that is not
	// acknowledged, and an acknowledgement may cross with it.
	nacks := c.spec.Type == bridge.Shared || c.spec.Type == bridge.KeyShared
	switch act := random.IntN(10); {
	case again || act > 2 || stay && act == 0:
		if wrong == "" || excused {
			c.book.acknowledge(m)
		}
		s.ack(m.MessageID)
	case act > 0 && nacks:
		c.book.refuse(m)
		s.nack(m.MessageID)
	default: // forgets it: it is unacknowledged when the session dies
	}
}
