package read

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/bridge/pool"
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
func (q *query[T]) get(ctx context.Context, keeper *pool.Keeper) (value T, err error) {
	q.mu.Lock()
	a := q.next
	if a == nil {
		a = &answer[T]{done: make(chan struct{})}
		q.next = a
	}
	run := !q.running
	q.running = true
	q.mu.Unlock()
	if run && !keeper.Start(func() { q.run(keeper) }) {
		return value, pool.ErrShutdown
	}
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		return value, pool.OpenError(ctx, "asking for "+q.what)
	}
}

func (q *query[T]) run(keeper *pool.Keeper) {
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
		ctx, stop := keeper.Limited()
		a.value, a.err = q.ask(ctx)
		stop()
		close(a.done)
	}
}
