package bridge

import (
	"context"
	"slices"
	"sync"
	"time"
)

// leaverKey is what two consumers that cannot be connected at once have in common.
func (s *ConsumerSpec) leaverKey() leaverKey {
	if s.Type == Shared {
		return leaverKey{}
	}
	return leaverKey{s.topicName(), "subscription", s.Subscription}
}

// subscription is the sessions that share one upstream consumer, or more where
// one is not enough, see [feed]. Only on Shared subscriptions may there be more than
// one session, see [group].
//
// mu guards everything below it. Under it the [ledger] decides, and nothing is called but
// [Consumer.Congested]; what was decided is carried out by unlock.
type subscription struct {
	b    *Bridge
	spec ConsumerSpec
	own  bool // has exactly one session for its whole life; it is in no group

	opened chan struct{} // closed once the first feed is there or err is set
	err    error         // constant from then on

	mu        sync.Mutex
	ledger    ledger
	arrival   arrival
	growing   bool // another feed is being opened
	growAfter time.Time
	gone      bool  // takes no more sessions
	lost      error // why the upstream ended for good
}

// unlock ends a step of the ledger: it releases mu, which the caller holds, and
// carries out what was decided.
func (sub *subscription) unlock(e *effects) {
	grow := e.short && !sub.own && !sub.growing && !sub.gone && sub.lost == nil && !time.Now().Before(sub.growAfter)
	sub.growing = sub.growing || grow
	sub.mu.Unlock()
	e.perform()
	if grow && !sub.b.start(sub.openAnother) {
		sub.mu.Lock()
		sub.growing = false
		sub.mu.Unlock()
	}
}

// singleActive reports that the subscription has one consumer at a time, which gets
// all messages in order.
func (s *ConsumerSpec) singleActive() bool { return s.Type == Exclusive || s.Type == Failover }

// consumerGroup returns a subscription of this spec for one more session: one
// that there is already, or a new one.
func (b *Bridge) consumerGroup(ctx context.Context, spec ConsumerSpec, own bool) (*subscription, error) {
	own = own || spec.Type != Shared
	sub := b.joinGroup(spec, own)
	if sub == nil {
		return nil, errBridgeClosed
	}
	select {
	case <-sub.opened:
		if sub.err != nil {
			sub.leave()
			return nil, sub.err
		}
		return sub, nil
	case <-ctx.Done():
		sub.leave()
		return nil, openError(ctx, "subscribing "+spec.Subscription+" to "+spec.topicName())
	}
}

func (s *ConsumerSpec) topicName() string {
	switch {
	case s.Topic != "":
		return s.Topic
	case s.Topics != "":
		return s.Topics
	}
	return s.TopicsPattern
}

func (b *Bridge) joinGroup(spec ConsumerSpec, own bool) *subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !own {
		if sub := b.groups[spec].join(b.opts.SharedConsumers); sub != nil {
			return sub
		}
	}
	sub := &subscription{
		b: b, spec: spec, own: own, opened: make(chan struct{}),
		ledger: ledger{
			topic: spec.Topic, solo: own, perFeed: b.opts.UnackedPerConsumer, budget: b.opts.Memory, unacked: &b.stats.unacked, full: &b.stats.sums.full[ofConsumers],
			expected: 1, sessions: map[*member]struct{}{}, held: map[heldKey]*delivery{},
		},
	}
	if !own {
		g := b.groups[spec]
		if g == nil {
			g = &group{}
			b.groups[spec] = g
		}
		g.entries = append(g.entries, sub)
	}
	b.work.Add(1)
	go sub.create(b.leaving[spec.leaverKey()])
	return sub
}

// join counts one more session if it may be taken.
func (sub *subscription) join() bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.gone {
		return false
	}
	sub.ledger.join()
	return true
}

// create subscribes upstream. If a member of the same subscription is just
// leaving, it waits for that: a client that reconnects must not find its own
// previous connection in the way.
func (sub *subscription) create(leaving <-chan struct{}) {
	b := sub.b
	defer b.work.Done()
	ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
	defer stop()
	awaitLeaver(ctx, leaving)
	f, err := sub.openFeed(ctx)
	sub.err = err
	if err == nil {
		sub.mu.Lock()
		sub.ledger.feeds = []*feed{f}
		sub.mu.Unlock()
	} else {
		sub.unpool()
	}
	close(sub.opened)
}

// unpool makes the subscription unfindable.
func (sub *subscription) unpool() {
	b := sub.b
	sub.mu.Lock()
	sub.gone = true
	sub.mu.Unlock()
	if sub.own {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[sub.spec]
	if g == nil {
		return
	}
	if i := slices.Index(g.entries, sub); i >= 0 {
		g.entries = slices.Delete(g.entries, i, i+1)
	}
	if len(g.entries) == 0 {
		delete(b.groups, sub.spec)
	}
}

// leave counts one session less; the last one closes the upstream consumers,
// which gives what is unacknowledged back to the broker at once.
func (sub *subscription) leave() {
	var e effects
	sub.mu.Lock()
	last := sub.ledger.leave(&e)
	if last {
		sub.gone = true
	}
	sub.unlock(&e)
	if !last {
		return
	}
	sub.unpool()
	left := sub.b.announceLeaving(sub.spec.leaverKey())
	sub.b.goClose(func() {
		<-sub.opened
		for _, f := range sub.feeds() {
			f.close()
		}
		left()
	})
}

// feeds are the upstream consumers there are now.
func (sub *subscription) feeds() []*feed {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.ledger.feeds
}

// endAll ends all sessions: an upstream consumer is gone for good.
func (sub *subscription) endAll(err error) {
	sub.unpool()
	sub.mu.Lock()
	sub.lost = err
	all := make([]*member, 0, len(sub.ledger.sessions))
	for s := range sub.ledger.sessions {
		all = append(all, s)
	}
	sub.mu.Unlock()
	for _, s := range all {
		s.out.End(codeOf(err), err.Error())
	}
}
