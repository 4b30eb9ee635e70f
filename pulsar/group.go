package pulsar

import (
	"errors"
	"sync"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	names "github.com/pulsegate/pulsegate/topic"
)

// ErrTooManyTopics says that a group would be on more topics than it may.
var ErrTooManyTopics = errors.New("too many topics and partitions")

// Selection is what topics a [Group] is on: those of Topics or, if Match is set, those of Namespace that it chooses. Of topics that are partitioned it
// is all partitions.
type Selection struct {
	Topics []string // full names, each once
	// Namespace is tenant/namespace, and Match is given the full names of its persistent topics, without a partition.
	Namespace string
	Match     func(topic string) bool
	// Max bounds the topics, partitions counted; 0: no bound. What is found later and would be too many is left out.
	Max int
}

// GroupHandler is the owner of a group. What is said of the methods of [Handler] is true of these: only that methods about different consumers may be called at
// the same time, as each may have its own connection.
type GroupHandler interface {
	// Opened is called once: when the broker has all consumers, or with the reason why it has not. Deliver may be called before.
	Opened(g *Group, err error)
	Deliver(x *Consumer, m *Received)
	Tell(x *Consumer, e Event)
	// Ended is called at most once, after Opened without an error: one of the topics cannot be consumed any more, and with it the
	// group has ended. One that was found by Match is left instead.
	Ended(g *Group, err error)
}

// Group is a consumer on each of several topics and partitions, also on those that are added later: there it begins at the first message.
// Its methods may be called from any goroutine and do not block.
type Group struct {
	client       *Client
	sel          Selection
	subscription string
	o, fresh     *ConsumerOptions // for what is there, and what is added
	permits      *Permits
	handler      GroupHandler
	more         alarm       // looks for new partitions
	watch        *topicWatch // tells of topics; set with sel.Match

	mu      sync.Mutex // guards what follows; taken with no other held, and none but groupTurns.mu is while it is
	parts   map[string]*groupPart
	bases   map[string]bool // topics, whether they have partitions; of sel.Match, whose topics come and go, none
	waiting int             // of parts: neither opened nor refused
	queue   []queued        // of those, what is not asked for yet
	opening int             // and what is
	opened  bool            // the owner was told
	full    bool            // and the operator, that some that were found are left out
	listed  bool            // the topics that there were are being consumed
	early   []member        // those told of before that
	ended   bool
}

// groupPart is a group's place on a topic, or on a partition, from when that is queued until it is left. When it is found again, there is another.
type groupPart struct {
	x *Consumer // nil: it is not made yet; guarded by Group.mu
}

// member is a topic, or a partition, of a group.
type member struct {
	topic, base string
}

// OpenGroup opens a consumer on each of the topics, of many a few at a time and in turn with other groups. handler is told when all can be
// used, or that one cannot.
func (c *Client) OpenGroup(sel Selection, subscription string, o *ConsumerOptions, permits *Permits, handler GroupHandler) *Group {
	if sel.Match != nil { // one that was deleted since it was listed is not to be made again
		existing := *o
		existing.NoTopicCreation = true
		o = &existing
	}
	g := &Group{
		client: c, sel: sel, subscription: subscription, o: o, fresh: o.growing(), permits: permits, handler: handler, parts: map[string]*groupPart{}, bases: map[string]bool{},
	}
	g.more.ring = g.Search
	if sel.Match != nil {
		var err error
		if g.watch, err = c.watchTopics(g); err != nil {
			g.end(err)
			return g
		}
	}
	g.find(sel.Topics, func(list []member, err error) {
		if err == nil && sel.Max > 0 && len(list) > sel.Max {
			err = ErrTooManyTopics
		}
		if err != nil {
			g.end(err)
			return
		}
		g.join(list, g.o)
		g.started()
	})
	return g
}

// Consumers lists the consumers there are now.
func (g *Group) Consumers() []*Consumer {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*Consumer, 0, len(g.parts))
	for _, at := range g.parts {
		if at.x != nil {
			list = append(list, at.x)
		}
	}
	return list
}

// Consumer is the one on a topic, or on a partition; nil: there is none.
func (g *Group) Consumer(topic string) *Consumer {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parts[topic].consumer()
}

// Part is the consumer on a partition of topic, or for -1 on topic itself; nil: there is none.
func (g *Group) Part(topic string, partition int32) *Consumer {
	var at [200]byte // seldom longer
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parts[string(names.AppendPartition(at[:0], topic, partition))].consumer()
}

// consumer is the one that is there, if any. at may be nil.
func (at *groupPart) consumer() *Consumer {
	if at == nil {
		return nil
	}
	return at.x
}

// Close ends all consumers. done, which may be nil, is called when all have ended as [Consumer.Close] says.
func (g *Group) Close(done func()) {
	g.mu.Lock()
	tell := !g.opened && !g.ended
	g.ended, g.opened, g.queue = true, true, nil
	g.mu.Unlock()
	if tell {
		g.handler.Opened(g, ErrClosed)
	}
	g.closeAll(done)
}

func (g *Group) closeAll(done func()) {
	g.client.alarms.clear(&g.more)
	if g.watch != nil {
		g.client.unwatchTopics(g)
	}
	list := g.Consumers()
	var mu sync.Mutex // guards left
	left := len(list) + 1
	gone := func() {
		mu.Lock()
		left--
		last := left == 0
		mu.Unlock()
		if last && done != nil {
			done()
		}
	}
	for _, x := range list {
		x.Close(gone)
	}
	gone()
}

// end ends the group, unless it has ended.
func (g *Group) end(err error) {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return
	}
	opened := g.opened
	g.ended, g.opened, g.queue = true, true, nil
	g.mu.Unlock()
	g.closeAll(nil)
	if opened {
		g.handler.Ended(g, err)
	} else {
		g.handler.Opened(g, err)
	}
}

// join makes the consumers for parts, and notes that the group is open once there is none to wait for.
func (g *Group) join(list []member, o *ConsumerOptions) {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return
	}
	g.waiting++ // so that it is not open before all are queued
	for _, p := range list {
		if _, known := g.parts[p.topic]; known {
			continue
		}
		if g.sel.Max > 0 && len(g.parts) >= g.sel.Max {
			if !g.full {
				g.full = true
				g.client.o.Log.Warn("a topic that was found is left out, as there are too many", "topic", p.topic, "subscription", g.subscription, "most", g.sel.Max)
			}
			break
		}
		at := &groupPart{}
		g.parts[p.topic] = at
		if g.sel.Match == nil {
			g.bases[p.base] = p.topic != p.base
		}
		g.queue = append(g.queue, queued{p, at, o})
		g.waiting++
	}
	g.mu.Unlock()
	g.openMore()
	g.settle()
}

// settle notes that one less is waited for.
func (g *Group) settle() {
	g.mu.Lock()
	g.waiting--
	over := g.waiting == 0 && !g.ended
	tell := over && !g.opened
	g.opened = g.opened || tell
	again := over && g.growsLocked()
	g.mu.Unlock()
	if again {
		g.client.alarms.set(&g.more, partitionDiscovery)
	}
	if tell {
		g.handler.Opened(g, nil)
	}
}

// growsLocked reports that partitions may be added which nobody tells of.
func (g *Group) growsLocked() bool {
	for _, partitioned := range g.bases {
		if partitioned {
			return true
		}
	}
	return false
}

// keep notes the consumer of a part, unless that has been left.
func (g *Group) keep(at *groupPart, x *Consumer) {
	g.mu.Lock()
	if g.parts[x.topic] == at {
		at.x = x
	}
	g.mu.Unlock()
}

// leave forgets a part whose consumer is not to be had. The next search may find its topic again.
func (g *Group) leave(at *groupPart, topic string) {
	g.mu.Lock()
	if g.parts[topic] == at { // else the topic was found again
		delete(g.parts, topic)
	}
	g.mu.Unlock()
	if g.watch != nil {
		g.watch.forgot()
	}
}

// groupMember is the Handler of one of a group's consumers.
type groupMember struct {
	g    *Group
	at   *groupPart
	turn *groupTurn // of its opening; nil: it needs none, or is opened
}

// Opened implements [Handler].
func (p *groupMember) Opened(x *Consumer, err error) {
	g := p.g
	if err != nil {
		g.leave(p.at, x.topic)
		g.mu.Lock()
		opened, ended := g.opened, g.ended
		g.mu.Unlock()
		switch c, _ := code(err); {
		case ended:
		case g.sel.Match != nil && (c == wire.TopicNotFound || errors.Is(err, errTopicGone)): // it was deleted since it was listed
		case opened:
			g.client.o.Log.Warn("a topic that was found cannot be consumed", "topic", x.topic, "subscription", g.subscription, "error", err)
		default:
			g.end(err)
		}
	} else {
		g.keep(p.at, x) // messages may come before who makes x has come to that
	}
	turn := p.turn
	p.turn = nil
	g.gotOpen(turn)
	g.settle()
}

// Deliver implements [Handler].
func (p *groupMember) Deliver(x *Consumer, m *Received) { p.g.handler.Deliver(x, m) }

// Rest implements [Rester].
func (p *groupMember) Rest(x *Consumer) {
	if r, ok := p.g.handler.(Rester); ok {
		r.Rest(x)
	}
}

// Tell implements [Handler].
func (p *groupMember) Tell(x *Consumer, e Event) { p.g.handler.Tell(x, e) }

// Ended implements [Handler].
func (p *groupMember) Ended(x *Consumer, err error) {
	p.g.leave(p.at, x.topic)
	if p.g.sel.Match == nil || errors.Is(err, ErrClosed) {
		p.g.end(err)
		return
	}
	p.g.client.o.Log.Warn("a topic of a pattern is left", "topic", x.topic, "subscription", p.g.subscription, "error", err)
}

// Search looks for new topics and partitions, as is done once a minute.
func (g *Group) Search() {
	g.mu.Lock()
	var bases []string
	for base, partitioned := range g.bases {
		if partitioned {
			bases = append(bases, base)
		}
	}
	over := g.ended
	g.mu.Unlock()
	if over {
		return
	}
	g.find(bases, func(list []member, err error) {
		if err != nil {
			g.client.o.Log.Debug("look for new topics and partitions", "subscription", g.subscription, "error", err)
		}
		g.join(list, g.fresh)
	})
}

// find lists all parts that the group may be on. done is called once, with what was found and the first error.
func (g *Group) find(topics []string, done func([]member, error)) {
	if g.sel.Match != nil {
		g.client.TopicsOf(g.sel.Namespace, g.o.Principal, func(list []string, err error) {
			done(g.matching(list), err)
		})
		return
	}
	var mu sync.Mutex // guards what follows
	left := len(topics) + 1
	var parts []member
	var first error
	one := func(base string, n int, err error) {
		mu.Lock()
		if err != nil && first == nil {
			first = err
		}
		switch {
		case base == "" || err != nil:
		case n == 0:
			parts = append(parts, member{base, base})
		default:
			for i := range n {
				parts = append(parts, member{names.PartitionName(base, i), base})
			}
		}
		left--
		last := left == 0
		mu.Unlock()
		if last {
			done(parts, first)
		}
	}
	for _, topic := range topics {
		g.client.Partitions(topic, g.o.Principal, func(n int, err error) { one(topic, n, err) })
	}
	one("", 0, nil)
}

// TopicsOf lists the persistent topics of a namespace, tenant/namespace, partitions one by one, as principal may see them, see
// [ProducerOptions.Principal]. done is called once.
func (c *Client) TopicsOf(namespace, principal string, done func(topics []string, err error)) {
	c.topicsOf(namespace, principal, "", func(answer *wire.GetTopicsResponse, err error) { done(answer.Topics, err) })
}

// topicsOf is TopicsOf for one who may have the list already: hash is what the broker said of it, "": nothing. With an error the answer is empty.
func (c *Client) topicsOf(namespace, principal, hash string, done func(answer *wire.GetTopicsResponse, err error)) {
	answer := &wire.GetTopicsResponse{}
	c.askService(principal, listings, func() error {
		*answer = wire.GetTopicsResponse{}
		return c.get("/admin/v2/namespaces/"+namespace+"/topics?mode=PERSISTENT", principal, &answer.Topics)
	}, func(id uint64) wire.Command {
		return &wire.GetTopics{RequestID: id, Namespace: namespace, Mode: wire.PersistentTopics, TopicsHash: hash}
	}, func(cmd wire.Command) bool {
		a, ok := cmd.(*wire.GetTopicsResponse)
		if ok {
			*answer = *a
		}
		return ok
	}, func(err error) {
		if err != nil {
			done(&wire.GetTopicsResponse{}, err)
			return
		}
		done(answer, nil)
	})
}
