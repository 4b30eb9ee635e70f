package embedded

import (
	"context"
	"slices"
	"strconv"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// consumer is a [bridge.Consumer]: a member of one subscription on one topic or
// on several (partitions, a list, a pattern). Its permits are for all of them
// together. Everything is guarded by Upstream.mu.
type consumer struct {
	outlet
	spec    bridge.ConsumerSpec
	name    string
	pattern *bridge.TopicsPattern // of a TopicsPattern; else nil
	members []*member
	ledgers map[int64]*member // by the topic's ledger, which no other topic has
	turn    int               // where the next Permit begins to look for messages
}

// Subscribe is as [bridge.Upstream] says.
func (u *Upstream) Subscribe(ctx context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error) {
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	c, err := u.subscribe(spec, r)
	u.handOver()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (u *Upstream) subscribe(spec bridge.ConsumerSpec, r bridge.Receiver) (*consumer, error) {
	if spec.Subscription == "" {
		return nil, errorf(bridge.ErrInvalid, "the subscription's name is empty")
	}
	c := &consumer{spec: spec, name: spec.Name, ledgers: map[int64]*member{}}
	c.outlet = outlet{u: u, recv: r, topics: spec.Topic == ""}
	if c.name == "" {
		c.name = u.newName()
	}
	topics, err := u.topicsOf(c)
	if err != nil {
		return nil, err
	}
	for _, t := range topics {
		if err := c.mayJoin(t); err != nil {
			return nil, err
		}
	}
	// Nothing may be left behind half done: all is charged before anyone joins.
	created := 0
	for _, t := range topics {
		if t.subs[spec.Subscription] == nil {
			created++
		}
	}
	if err := u.charge(int64(created)*subscriptionCost, "subscription "+spec.Subscription); err != nil {
		return nil, err
	}
	for _, t := range topics {
		c.join(t)
	}
	u.consumers[c] = struct{}{}
	if c.pattern != nil {
		u.patterns[c] = struct{}{}
	}
	return c, nil
}

// newName makes a name for a producer or consumer that asked for none.
func (u *Upstream) newName() string {
	u.lastName++
	return "embedded-" + strconv.Itoa(u.lastName)
}

// topicsOf resolves what a consumer's spec names.
func (u *Upstream) topicsOf(c *consumer) ([]*topic, error) {
	spec := &c.spec
	switch {
	case spec.TopicsPattern != "":
		p, err := u.parsePattern(spec.TopicsPattern)
		if err != nil {
			return nil, err
		}
		c.pattern = p
		topics, err := u.matching(p)
		if err == nil {
			err = spec.CheckTopics(len(topics))
		}
		return topics, err
	case spec.Topics != "":
		var topics []*topic
		seen := map[*topic]struct{}{}
		names := spec.TopicNames()
		if err := spec.CheckTopics(len(names)); err != nil {
			return nil, err
		}
		for _, full := range names {
			more, err := u.resolve(full)
			if err != nil {
				return nil, err
			}
			for _, t := range more {
				if _, ok := seen[t]; !ok {
					seen[t] = struct{}{}
					topics = append(topics, t)
				}
			}
			if err := spec.CheckTopics(len(topics)); err != nil {
				return nil, err
			}
		}
		return topics, nil
	}
	return u.resolve(spec.Topic)
}

// mayJoin tells why the consumer cannot become a member on t.
func (c *consumer) mayJoin(t *topic) error {
	s := t.subs[c.spec.Subscription]
	if s == nil || len(s.members) == 0 {
		return nil
	}
	switch {
	case s.typ != c.spec.Type:
		return errorf(bridge.ErrBusy, "subscription %s of %s has %s consumers", s.name, t.String(), s.typ)
	case s.typ == bridge.Exclusive:
		return errorf(bridge.ErrBusy, "exclusive consumer is already connected to subscription %s of %s", s.name, t.String())
	case s.durable == c.spec.NonDurable:
		return errorf(bridge.ErrBusy, "subscription %s of %s is connected as durable=%t", s.name, t.String(), s.durable)
	}
	return nil
}

// join makes the consumer a member on t. The subscription, if it is new, was charged.
func (c *consumer) join(t *topic) {
	s := t.subs[c.spec.Subscription]
	if s == nil {
		s = &subscription{t: t, name: c.spec.Subscription, durable: !c.spec.NonDurable, mark: t.end()}
		if c.spec.Earliest {
			s.mark = t.first
		}
		s.next = s.mark
		t.subs[s.name] = s
	}
	s.typ = c.spec.Type
	c.u.lastMember++
	mb := &member{s: s, c: c, number: c.u.lastMember}
	c.members = append(c.members, mb)
	c.ledgers[t.ledger] = mb
	s.join(mb)
}

// Permit allows n more calls of Deliver.
func (c *consumer) Permit(n int) {
	if n <= 0 {
		return
	}
	c.u.mu.Lock()
	if !c.closing.Load() {
		had := c.permits
		c.permits += n
		// With permits left, what could be delivered has been already.
		if had <= 0 {
			c.serve()
		}
	}
	c.u.handOver()
}

// serve delivers from all topics while there are permits, each time beginning
// with another one. Called with mu held.
func (c *consumer) serve() {
	c.turn++
	for i := 0; i < len(c.members) && c.permits > 0; i++ {
		mb := c.members[(c.turn+i)%len(c.members)]
		mb.s.permitted(mb)
	}
}

// refund gives the permit of a delivery back that is not made. It is used again
// at the end of the step. Called with mu held.
func (c *consumer) refund() {
	if c.closing.Load() {
		return
	}
	c.permits++
	if n := len(c.u.repaid); n == 0 || c.u.repaid[n-1] != c {
		c.u.repaid = append(c.u.repaid, c)
	}
}

// Ack acknowledges messages, or a whole batch if an id names no place in it. An
// id far ahead of what was ever delivered is passed over when memory is full.
func (c *consumer) Ack(ids ...codec.MessageID) {
	c.u.mu.Lock()
	for i := range ids {
		if mb := c.ledgers[ids[i].LedgerID]; mb != nil {
			mb.s.acknowledge(&ids[i])
		}
	}
	c.u.handOver()
}

// acknowledge is Ack for one. The upstream's mutex is held.
func (s *subscription) acknowledge(id *codec.MessageID) {
	from, to := s.t.rangeOf(id)
	// An id ahead of the window makes it reach that far.
	if ahead := to - s.mark - int64(s.window.len()); ahead <= 1 || s.t.u.reserve(ahead*slotCost) {
		for seq := from; seq < to; seq++ {
			s.ack(seq)
		}
	}
	s.dispatch()
}

// Congested implements [bridge.Consumer]: all is done at once.
func (c *consumer) Congested(func()) bool { return false }

// Redeliver gives messages back; what the consumer does not have is passed over.
// They come again at once, those of one topic in the order published unless
// they go to different consumers.
func (c *consumer) Redeliver(ids []codec.MessageID) {
	c.u.mu.Lock()
	var subs []*subscription
	for i := range ids {
		mb := c.ledgers[ids[i].LedgerID]
		if mb == nil {
			continue
		}
		if mb.redeliver(&ids[i]) && !slices.Contains(subs, mb.s) {
			subs = append(subs, mb.s)
		}
	}
	for _, s := range subs {
		s.dispatch()
	}
	c.u.handOver()
}

// redeliver gives one message, or a whole batch, back. It reports whether the
// member had anything of it.
func (mb *member) redeliver(id *codec.MessageID) bool {
	s, any := mb.s, false
	from, to := s.t.rangeOf(id)
	for seq := max(from, s.mark); seq < to && seq < s.mark+int64(s.window.len()); seq++ {
		sl := s.slot(seq)
		if sl.state != delivered || sl.owner != mb {
			continue
		}
		any = true
		sl.count++
		s.takeBack(seq, sl)
		if limit := mb.c.spec.MaxRedeliver; limit > 0 && int(sl.count) > limit {
			s.bury(mb, s.t.message(seq), sl)
			continue
		}
		s.requeue(seq, sl)
	}
	return any
}

// Unsubscribe deletes the subscription on all topics, or on none if another
// consumer is connected.
func (c *consumer) Unsubscribe(ctx context.Context) error {
	if err := c.u.begin(ctx); err != nil {
		return err
	}
	defer c.u.handOver()
	for _, mb := range c.members {
		if len(mb.s.members) > 1 {
			return errorf(bridge.ErrSubscriptions, "subscription %s of %s has other connected consumers", mb.s.name, mb.s.t.String())
		}
	}
	c.permits = 0
	delete(c.u.patterns, c)
	for _, mb := range slices.Clone(c.members) {
		c.part(mb)
		if t := mb.s.t; t.subs[mb.s.name] == mb.s {
			mb.s.remove()
		}
	}
	return nil
}

// part ends one membership.
func (c *consumer) part(mb *member) {
	i := slices.Index(c.members, mb)
	if i < 0 {
		return
	}
	c.members = slices.Delete(c.members, i, i+1)
	delete(c.ledgers, mb.s.t.ledger)
	mb.s.leave(mb)
}

// Connected implements [bridge.Consumer]: there is nothing between.
func (c *consumer) Connected() bool { return true }

// EndOfTopic is as [bridge.Consumer] says: on several topics, of all of them.
func (c *consumer) EndOfTopic(ctx context.Context) (bool, error) {
	if err := c.u.begin(ctx); err != nil {
		return false, err
	}
	defer c.u.mu.Unlock()
	if len(c.members) == 0 {
		return false, nil
	}
	for _, mb := range c.members {
		if !mb.s.t.terminated || mb.s.backlog() > 0 {
			return false, nil
		}
	}
	return true, nil
}

// end stops deliveries; with an error the receiver is told. Called with mu held.
func (c *consumer) end(err error) {
	delete(c.u.consumers, c)
	delete(c.u.patterns, c)
	c.permits = 0
	if err != nil {
		c.lose(err)
		return
	}
	c.closing.Store(true)
}

// Close leaves the subscription.
func (c *consumer) Close() {
	u := c.u
	u.mu.Lock()
	c.end(nil)
	if c.busy {
		ch := c.idleChan()
		u.mu.Unlock()
		<-ch
		u.mu.Lock()
	}
	for _, mb := range slices.Clone(c.members) {
		c.part(mb)
	}
	c.discard()
	u.handOver()
}
