package auth

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCacheBoundsItsQuestions has questions pile up behind an admin API that
// does not answer. There is a bound, and what is known is kept fresh beside them.
func TestCacheBoundsItsQuestions(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	answer := make(chan struct{})
	var known, unknown atomic.Int32
	c := newCache(ctx, &work, time.Hour, func(ctx context.Context, key string) (*int, error) {
		n := 1
		if key == "known" {
			known.Add(1)
			return &n, nil
		}
		unknown.Add(1)
		select {
		case <-answer:
			return &n, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	c.changed, c.failed = func() {}, func(string, error) {}
	c.hold("known", false)
	if _, err := c.get(ctx, "known", time.Minute); err != nil {
		t.Fatal(err)
	}
	for i := range maxLoads + 100 {
		c.peek(strconv.Itoa(i))
	}
	eventually(t, "as many questions as may be asked at once", func() bool { return unknown.Load() == loadsAtOnce })
	c.mu.Lock()
	loads := c.loads
	c.mu.Unlock()
	if loads != maxLoads {
		t.Errorf("%d questions wait", loads)
	}
	if _, err := c.get(ctx, "one more", time.Minute); !errors.Is(err, errManyLoads) {
		t.Errorf("one more question: %v", err)
	}
	c.sweep(time.Now().Add(time.Hour))
	eventually(t, "what is known to be asked again", func() bool { return known.Load() == 2 })

	close(answer)
	eventually(t, "all answers", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.loads == 0
	})
	if _, err := c.get(ctx, "one more", time.Minute); err != nil {
		t.Errorf("one more question: %v", err)
	}
}
