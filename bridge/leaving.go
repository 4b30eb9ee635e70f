package bridge

import "context"

// leaverKey names what only one upstream client can have at a time: a named
// producer's place on a topic, or a subscription that is not Shared. The zero key is for
// clients that are in nobody's way.
type leaverKey struct{ topic, kind, name string }

// announceLeaving lets later clients of the same key wait until the returned
// function is called: a client that reconnects must not find its own previous
// connection in the way.
func (b *Bridge) announceLeaving(key leaverKey) (left func()) {
	if key == (leaverKey{}) {
		return func() {}
	}
	ch := make(chan struct{})
	b.mu.Lock()
	before := b.leaving[key]
	b.leaving[key] = ch
	b.mu.Unlock()
	return func() {
		if before != nil {
			<-before
		}
		close(ch)
		b.mu.Lock()
		if b.leaving[key] == ch {
			delete(b.leaving, key)
		}
		b.mu.Unlock()
	}
}

// awaitLeaver waits for what announceLeaving has announced, nil for nothing.
func awaitLeaver(ctx context.Context, leaving <-chan struct{}) {
	if leaving == nil {
		return
	}
	select {
	case <-leaving:
	case <-ctx.Done():
	}
}
