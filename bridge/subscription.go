package bridge

import (
	"context"
	"strings"
	"sync"

	"github.com/pulsegate/pulsegate/codec"
)

// maxGroupWindow bounds the windows of the sessions on one upstream consumer.
// A broker stops sending to a consumer with 50,000 unacknowledged messages
// (maxUnackedMessagesPerConsumer), which one upstream consumer per session
// would never reach; so neither may the sessions that share one.
const maxGroupWindow = 40_000

// leaverKey is what two consumers that cannot be connected at once have in common.
func (s *ConsumerSpec) leaverKey() leaverKey {
	if s.Type == Shared {
		return leaverKey{}
	}
	return leaverKey{s.topicName(), "subscription", s.Subscription}
}

// subscription is one upstream consumer and the sessions that share it: a
// whole pool entry. Only Shared subscriptions have more than one session.
//
// mu guards everything below it. It is held while messages are given to
// sessions' queues and taken from them, and across calls of an Outlet, which never
// block, but not across any of the upstream.
//
// Flow: the upstream is granted a permit for each free place of a session's
// window, so it delivers only what a session has room for. What was granted
// for a session that left arrives all the same and waits here, at most that
// session's window.
type subscription struct {
	b    *Bridge
	spec ConsumerSpec
	own  bool // has exactly one session for its whole life

	opened chan struct{} // closed once up or err is set; both are constant from then on
	up     Consumer
	err    error

	mu       sync.Mutex
	sessions map[*consumerSession]struct{}
	ready    readyQueue
	turn     *consumerSession // gets the next message too, see nextSession
	taken    int              // messages of its turn
	ahead    ahead
	members  int // sessions attached or about to be
	window   int // sum of their windows
	gone     bool
	lost     error                  // why the upstream ended for good
	granted  int                    // permits the upstream holds
	free     int                    // places of all sessions
	waiting  []waiting              // for a session with room, oldest first
	serial   uint64                 // of the last message of a non-persistent topic
	held     map[position]*delivery // every message delivered and not acknowledged
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
	return strings.HasPrefix(topic, "non-persistent://")
}

// ordered reports that the subscription has one consumer at a time, which gets
// all messages in order.
func (s *ConsumerSpec) ordered() bool { return s.Type == Exclusive || s.Type == Failover }

// consumerGroup returns a subscription with place for one more session of
// this spec and window, creating it if there is none.
func (b *Bridge) consumerGroup(ctx context.Context, spec ConsumerSpec, window int, own bool) (*subscription, error) {
	own = own || spec.Type != Shared
	sub := b.joinGroup(spec, window, own)
	if sub == nil {
		return nil, errBridgeClosed
	}
	select {
	case <-sub.opened:
		if sub.err != nil {
			sub.leave(window)
			return nil, sub.err
		}
		return sub, nil
	case <-ctx.Done():
		sub.leave(window)
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

func (b *Bridge) joinGroup(spec ConsumerSpec, window int, own bool) *subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !own {
		for _, sub := range b.groups[spec] {
			if sub.join(window) {
				return sub
			}
		}
	}
	sub := &subscription{
		b: b, spec: spec, own: own, opened: make(chan struct{}), members: 1, window: window,
		sessions: map[*consumerSession]struct{}{}, held: map[position]*delivery{},
	}
	if !own {
		b.groups[spec] = append(b.groups[spec], sub)
	}
	b.work.Add(1)
	go sub.create(b.leaving[spec.leaverKey()])
	return sub
}

// join counts one more session if the group may take it.
func (sub *subscription) join(window int) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.gone || sub.window+window > maxGroupWindow {
		return false
	}
	sub.members++
	sub.window += window
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
	release, err := b.slot(ctx, sub.spec.topicName())
	if err == nil {
		spec := sub.spec
		spec.Queue = b.prefetch(spec.topicName(), spec.Queue)
		sub.up, err = b.up.Subscribe(ctx, spec, sub)
		release()
	}
	sub.err = err
	if err == nil {
		b.stats.upstreamConsumers.Add(1)
	} else {
		sub.unpool()
	}
	close(sub.opened)
}

// unpool makes the group unfindable.
func (sub *subscription) unpool() {
	b := sub.b
	sub.mu.Lock()
	sub.gone = true
	sub.mu.Unlock()
	if sub.own {
		return
	}
	b.mu.Lock()
	groups := b.groups[sub.spec]
	for i, g := range groups {
		if g == sub {
			groups = append(groups[:i:i], groups[i+1:]...)
			break
		}
	}
	if len(groups) == 0 {
		delete(b.groups, sub.spec)
	} else {
		b.groups[sub.spec] = groups
	}
	b.mu.Unlock()
}

// leave counts one session less; the last one closes the upstream consumer,
// which gives what is unacknowledged back to the broker at once.
func (sub *subscription) leave(window int) {
	sub.mu.Lock()
	sub.members--
	sub.window -= window
	last := sub.members == 0
	if last {
		sub.gone = true
		sub.b.stats.unacked.Add(-int64(len(sub.held)))
		clear(sub.held)
		sub.waiting = nil
	}
	sub.mu.Unlock()
	if !last {
		return
	}
	sub.unpool()
	left := sub.b.announceLeaving(sub.spec.leaverKey())
	sub.b.goClose(func() {
		<-sub.opened
		if sub.err == nil {
			sub.up.Close()
			sub.b.stats.upstreamConsumers.Add(-1)
		}
		left()
	})
}
