package bridge

import (
	"context"
	"sync"
)

// query asks the upstream about a topic on behalf of many sessions that
// join it. An answer counts only for sessions that came before the question
// was put, so there is at most one question under way and one to be put next.
type query[T any] struct {
	what string // is asked for
	ask  func(context.Context) (T, error)

	mu      sync.Mutex
	running bool
	next    *answer[T]
}

type answer[T any] struct {
	done  chan struct{} // closed once the rest is set
	value T
	err   error
}

// get waits for an answer to a question put after the call.
func (q *query[T]) get(ctx context.Context, b *Bridge) (value T, err error) {
	q.mu.Lock()
	a := q.next
	if a == nil {
		a = &answer[T]{done: make(chan struct{})}
		q.next = a
	}
	run := !q.running
	q.running = true
	q.mu.Unlock()
	if run && !b.start(func() { q.run(b) }) {
		return value, errBridgeClosed
	}
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		return value, openError(ctx, "asking for "+q.what)
	}
}

func (q *query[T]) run(b *Bridge) {
	for {
		q.mu.Lock()
		a := q.next
		q.next = nil
		if a == nil {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
		a.value, a.err = q.ask(ctx)
		stop()
		close(a.done)
	}
}
