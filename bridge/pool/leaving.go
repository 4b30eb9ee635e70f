package pool

import "context"

// LeaverKey names what only one upstream client can have at a time: a named
// producer of a topic, or a subscription that is not Shared. The zero key is for
// clients that are in nobody's way.
type LeaverKey struct{ Topic, Kind, Name string }

// AnnounceLeaving lets later clients of the same key wait until the returned
// function is called: a client that reconnects must not find its own previous
// connection in the way.
func (k *Keeper) AnnounceLeaving(key LeaverKey) (left func()) {
	if key == (LeaverKey{}) {
		return func() {}
	}
	ch := make(chan struct{})
	k.mu.Lock()
	before := k.leaving[key]
	k.leaving[key] = ch
	k.mu.Unlock()
	return func() {
		if before != nil {
			<-before
		}
		close(ch)
		k.mu.Lock()
		if k.leaving[key] == ch {
			delete(k.leaving, key)
		}
		k.mu.Unlock()
	}
}

// Leaving is what a client of a key has to wait for, with [AwaitLeaver], before it is created; nil for nothing.
func (k *Keeper) Leaving(key LeaverKey) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.leaving[key]
}

// AwaitLeaver waits for what AnnounceLeaving has announced, nil for nothing.
func AwaitLeaver(ctx context.Context, leaving <-chan struct{}) {
	if leaving == nil {
		return
	}
	select {
	case <-leaving:
	case <-ctx.Done():
	}
}
