package bridge

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
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
// mu guards everything below it. It is held while messages are given to
// sessions' queues and taken from them, and across calls of an Outlet, which never
// block, but not across any of the upstream except [Consumer.Congested].
//
// Flow: the upstream is granted a permit for each free place of a session's
// window, up to [Options.UnackedPerConsumer], so it delivers only what a session
// has room for. What was granted for a session that left arrives all the same and
// waits here, or goes back.
type subscription struct {
	b    *Bridge
	spec ConsumerSpec
	own  bool // has exactly one session for its whole life; it is in no group

	opened chan struct{} // closed once the first feed is there or err is set
	err    error         // constant from then on

	mu        sync.Mutex
	feeds     []*feed // a slice of it may be used without mu; one at least while sessions are attached
	growing   bool    // another feed is being opened
	growAfter time.Time
	sessions  map[*consumerSession]struct{}
	ready     readyQueue
	turn      *consumerSession // gets the next message too, see nextSession
	taken     int              // messages of its turn
	ahead     ahead
	members   int // sessions attached or about to be
	gone      bool
	lost      error                  // why the upstream ended for good
	granted   int                    // permits the feeds hold
	free      int                    // what all sessions have room for now
	places    int                    // what is left of all their windows and permits
	waiting   []waiting              // for a session with room, oldest first
	serial    uint64                 // of the last message of a non-persistent topic
	held      map[position]*delivery // every message delivered and not acknowledged
}

// position identifies a message within a subscription, also one over many
// topics, as no two topics share a ledger. All messages of a non-persistent topic
// have one id, so serial tells them apart.
type position struct {
	ledger, entry    int64
	partition, batch int32
	serial           uint64 // 0 on persistent topics
}

func positionOf(id *codec.MessageID) position {
	return position{ledger: id.LedgerID, entry: id.EntryID, partition: id.Partition, batch: id.BatchIndex}
}

// volatile reports that the id is of a non-persistent topic.
func (sub *subscription) volatile(id *codec.MessageID) bool {
	topic := sub.spec.Topic
	if topic == "" {
		topic = id.Topic
	}
	return !names.Persistent(topic)
}

// ordered reports that the subscription has one consumer at a time, which gets
// all messages in order.
func (s *ConsumerSpec) ordered() bool { return s.Type == Exclusive || s.Type == Failover }

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
		if sub := b.groups[spec].place(b.opts.SharedConsumers); sub != nil {
			return sub
		}
	}
	sub := &subscription{
		b: b, spec: spec, own: own, opened: make(chan struct{}), members: 1,
		sessions: map[*consumerSession]struct{}{}, held: map[position]*delivery{},
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
	sub.members++
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
		sub.feeds = []*feed{f}
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
	sub.mu.Lock()
	sub.members--
	last := sub.members == 0
	var again []returned
	if last {
		sub.gone = true
		sub.b.stats.unacked.Add(-int64(len(sub.held)))
		clear(sub.held)
		for _, w := range sub.waiting {
			sub.holdQueued(-messageSize(w.m))
		}
		sub.waiting = nil
	} else {
		again = sub.surplus()
	}
	sub.mu.Unlock()
	if !last {
		redeliver(again)
		return
	}
	sub.unpool()
	left := sub.b.announceLeaving(sub.spec.leaverKey())
	sub.b.goClose(func() {
		<-sub.opened
		sub.mu.Lock()
		feeds := sub.feeds
		sub.mu.Unlock()
		for _, f := range feeds {
			f.close()
		}
		left()
	})
}
