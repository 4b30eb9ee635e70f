package bridge

import "context"

// topicShare is the part of Options.OpenConcurrency that one topic may have: a
// topic whose broker does not answer must not keep all others waiting.
const topicShare = 8

// topicSlots bounds the creations under way on one topic.
type topicSlots struct {
	places chan struct{}
	users  int // who has or wants a place; guarded by the bridge's mutex
}

// slot waits for a place among the creations under way. The caller calls the
// returned function when its creation is over.
func (b *Bridge) slot(ctx context.Context, topic string) (release func(), err error) {
	b.mu.Lock()
	t := b.opening[topic]
	if t == nil {
		t = &topicSlots{places: make(chan struct{}, max(1, cap(b.slots)/topicShare))}
		b.opening[topic] = t
	}
	t.users++
	b.mu.Unlock()
	leave := func() {
		b.mu.Lock()
		if t.users--; t.users == 0 {
			delete(b.opening, topic)
		}
		b.mu.Unlock()
	}
	select {
	case t.places <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, openError(ctx, "waiting to be connected to "+topic)
	}
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		<-t.places
		leave()
		return nil, openError(ctx, "waiting to be connected to "+topic)
	}
	return func() {
		<-b.slots
		<-t.places
		leave()
	}, nil
}

// slotFor is slot for a consumer. One over many topics waits for none, and takes
// none from others for as long as all of them take: its upstream opens them a few
// at a time, see [Upstream.Subscribe].
func (b *Bridge) slotFor(ctx context.Context, spec *ConsumerSpec) (release func(), err error) {
	if spec.Topic == "" {
		return func() {}, nil
	}
	return b.slot(ctx, spec.Topic)
}

// openError names why an opening whose context ended did not come about.
func openError(ctx context.Context, doing string) error {
	if context.Cause(ctx) == context.DeadlineExceeded {
		return &Error{Kind: ErrTimeout, Detail: doing}
	}
	return errBridgeClosed
}
