package pulsar

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
)

// waitFor has the client do something and waits until that calls done, ctx ends, or the cluster turns out to be out of
// reach, which the client would try for longer. What comes when nobody waits any more is given to drop.
func waitFor[T any](ctx context.Context, u *Upstream, what string, do func(done func(T, error)), drop func(T)) (T, error) {
	unreachable, stop := u.dial.watch(ctx)
	defer stop()
	a := &awaited[T]{got: make(chan result[T], 1)}
	do(func(value T, err error) {
		if !a.take(result[T]{value, err}) && err == nil {
			drop(value)
		}
	})
	select {
	case r := <-a.got:
		return r.value, wrap(what, r.err)
	case err := <-unreachable:
		return a.leave(what, &bridge.Error{Kind: bridge.ErrUnavailable, Detail: what + ": " + err.Error()})
	case <-ctx.Done():
		return a.leave(what, gaveUp(ctx, what))
	case <-u.ctx.Done():
		return a.leave(what, errClosed)
	}
}

// awaited is what is waited for. mu guards left.
type awaited[T any] struct {
	got  chan result[T] // of one
	mu   sync.Mutex
	left bool // nobody waits any more
}

// take reports whether somebody waits.
func (a *awaited[T]) take(r result[T]) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.left {
		a.got <- r
	}
	return !a.left
}

// leave stops waiting, unless the answer has come meanwhile.
func (a *awaited[T]) leave(what string, why error) (T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case r := <-a.got:
		return r.value, wrap(what, r.err)
	default:
		a.left = true
		var none T
		return none, why
	}
}

// leaveIt is for answers that need no care when nobody waits for them.
func leaveIt[T any](T) {}
