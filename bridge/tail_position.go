package bridge

import (
	"context"
	"sync"

	"github.com/pulsegate/pulsegate/codec"
)

// positionQuery asks for the end of a topic on behalf of many sessions that
// join it. An answer counts only for sessions that came before the question
// was put, so there is at most one question under way and one to be put next.
type positionQuery struct {
	ask func(context.Context) ([]codec.MessageID, error)

	mu      sync.Mutex
	running bool
	next    *positionAnswer
}

type positionAnswer struct {
	done chan struct{} // closed once the rest is set
	ids  []codec.MessageID
	err  error
}

// get waits for an answer to a question put after the call.
func (q *positionQuery) get(ctx context.Context, b *Bridge) ([]codec.MessageID, error) {
	q.mu.Lock()
	a := q.next
	if a == nil {
		a = &positionAnswer{done: make(chan struct{})}
		q.next = a
	}
	run := !q.running
	q.running = true
	q.mu.Unlock()
	if run && !b.start(func() { q.run(b) }) {
		return nil, errBridgeClosed
	}
	select {
	case <-a.done:
		return a.ids, a.err
	case <-ctx.Done():
		return nil, openError(ctx, "asking for the end of the topic")
	}
}

func (q *positionQuery) run(b *Bridge) {
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
		a.ids, a.err = q.ask(ctx)
		stop()
		close(a.done)
	}
}
