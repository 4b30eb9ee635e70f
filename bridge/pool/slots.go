package pool

import (
	"context"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// topicShare is the part of Options.OpenConcurrency that one topic may have: a
// topic whose broker does not answer must not keep all others waiting.
const topicShare = 8

// slotPatience is how long a creation may keep its slots. Those on topics whose broker does not answer, however many they are, must not
// keep all others waiting until they are given up.
const slotPatience = time.Second

// topicSlots bounds the creations under way on one topic.
type topicSlots struct {
	slots chan struct{}
	users int // who has or wants one; guarded by the Keeper's mutex
}

// Slot waits for one of the slots for creations under way. The caller calls the
// returned function when its creation is over; after slotPatience the slot is another's anyway.
func (k *Keeper) Slot(ctx context.Context, topic string) (release func(), err error) {
	k.mu.Lock()
	t := k.creating[topic]
	if t == nil {
		t = &topicSlots{slots: make(chan struct{}, max(1, cap(k.slots)/topicShare))}
		k.creating[topic] = t
	}
	t.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		if t.users--; t.users == 0 {
			delete(k.creating, topic)
		}
		k.mu.Unlock()
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, OpenError(ctx, "waiting to be connected to "+topic)
	}
	select {
	case k.slots <- struct{}{}:
	case <-ctx.Done():
		<-t.slots
		leave()
		return nil, OpenError(ctx, "waiting to be connected to "+topic)
	}
	give := sync.OnceFunc(func() {
		<-k.slots
		<-t.slots
		leave()
	})
	late := time.AfterFunc(k.patience, give)
	return func() {
		late.Stop()
		give()
	}, nil
}

// OpenError names why an opening whose context ended did not come about.
func OpenError(ctx context.Context, doing string) error {
	if context.Cause(ctx) == context.DeadlineExceeded {
		return &bridge.Error{Kind: bridge.ErrTimeout, Detail: doing}
	}
	return ErrShutdown
}
