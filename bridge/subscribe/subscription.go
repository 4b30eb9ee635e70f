package subscribe

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/latency"
	names "github.com/pulsegate/pulsegate/topic"
)

// leaverKey is what two consumers that cannot be connected at once have in common.
func leaverKey(s *bridge.ConsumerSpec) pool.LeaverKey {
	if s.Type == bridge.Shared {
		return pool.LeaverKey{}
	}
	return pool.LeaverKey{Topic: topicName(s), Kind: "subscription", Name: s.Subscription}
}

// subscription is the sessions that share one upstream consumer, or more where
// one is not enough, see [feed]. Only on Shared subscriptions may there be more than
// one session, see [group].
//
// mu guards everything below it. Under it the [ledger] decides, and nothing is called but
// [bridge.Consumer.Congested]; what was decided is carried out by unlock.
type subscription struct {
	consumers *Consumers
	spec      keptSpec

	opened latch // the first feed is there or err is set
	err    error // constant from then on

	own bool      // has exactly one session for its whole life; it is in no group
	id  [1]uint64 // see [pool.Keeper.ID], constant; 0: it is one session's own

	mu        sync.Mutex
	ledger    ledger
	arrival   latency.Arrival
	growing   bool          // another feed is being opened
	gone      bool          // takes no more sessions
	growAfter time.Duration // see clock
	lost      error         // why the upstream ended for good
}

// unlock ends a step of the ledger: it releases mu, which the caller holds, and
// carries out what was decided.
func (sub *subscription) unlock(e *effects) {
	grow := e.short && !sub.own && !sub.growing && !sub.gone && sub.lost == nil && clock() >= sub.growAfter
	sub.growing = sub.growing || grow
	sub.mu.Unlock()
	e.perform()
	if grow && !sub.consumers.pool.Start(sub.openAnother) {
		sub.mu.Lock()
		sub.growing = false
		sub.mu.Unlock()
	}
}

// subscriptionFor returns a subscription of this spec for one more session: one
// that there is already, or a new one.
func (cs *Consumers) subscriptionFor(ctx context.Context, spec bridge.ConsumerSpec, own bool) (*subscription, error) {
	own = own || spec.Type != bridge.Shared
	sub := cs.joinGroup(spec, own)
	select {
	case <-sub.opened.done():
		if sub.err != nil {
			sub.leave()
			return nil, sub.err
		}
		return sub, nil
	case <-ctx.Done():
		sub.leave()
		return nil, pool.OpenError(ctx, "subscribing "+spec.Subscription+" to "+topicName(&spec))
	}
}

// topicName is what a session consumes, as its client wrote it: one topic, many, or a pattern.
func topicName(s *bridge.ConsumerSpec) string {
	switch {
	case s.Topic != "":
		return s.Topic
	case s.Topics != "":
		return s.Topics
	}
	return s.TopicsPattern
}

func (cs *Consumers) joinGroup(spec bridge.ConsumerSpec, own bool) *subscription {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !own {
		if sub := cs.groups[spec].join(cs.shared); sub != nil {
			return sub
		}
	}
	sub := &subscription{
		consumers: cs, spec: keepSpec(spec), own: own,
		ledger: ledger{
			many: spec.Topic == "", passing: spec.Topic != "" && !names.Persistent(spec.Topic), solo: own, perFeed: cs.perFeed, budget: cs.memory, unacked: &cs.unacked, full: &cs.full,
			expected: 1,
		},
	}
	sub.opened.begin()
	if !own {
		sub.id[0] = cs.pool.ID()
		g := cs.groups[spec]
		if g == nil {
			g = &group{}
			cs.groups[spec] = g
		}
		g.entries = append(g.entries, sub)
	}
	leaving := cs.pool.Leaving(leaverKey(&spec))
	cs.pool.Go(func() { sub.create(leaving) })
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
	ctx, stop := sub.consumers.pool.Limited()
	defer stop()
	pool.AwaitLeaver(ctx, leaving)
	f, err := sub.openFeed(ctx)
	sub.err = err
	if err == nil {
		sub.mu.Lock()
		sub.ledger.feeds = []*feed{f}
		sub.mu.Unlock()
	} else {
		sub.unpool()
	}
	sub.opened.happen()
}

// unpool makes the subscription unfindable.
func (sub *subscription) unpool() {
	cs := sub.consumers
	sub.mu.Lock()
	sub.gone = true
	sub.mu.Unlock()
	if sub.own {
		return
	}
	spec := sub.spec.get()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	g := cs.groups[spec]
	if g == nil {
		return
	}
	if i := slices.Index(g.entries, sub); i >= 0 {
		g.entries = slices.Delete(g.entries, i, i+1)
	}
	if len(g.entries) == 0 {
		delete(cs.groups, spec)
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
	spec := sub.spec.get()
	keeper := sub.consumers.pool
	left := keeper.AnnounceLeaving(leaverKey(&spec))
	keeper.Go(func() {
		<-sub.opened.done()
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
	all := make([]*member, 0, sub.ledger.sessions.len())
	for s := range sub.ledger.sessions.all() {
		all = append(all, s)
	}
	sub.mu.Unlock()
	for _, s := range all {
		s.out.End(bridge.CodeOf(err), err.Error())
	}
}
