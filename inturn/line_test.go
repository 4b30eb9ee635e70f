package inturn

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLine has ten ask for what takes a second: one has it at a time, with a second's pause behind, and the eleventh is told
// that there are too many.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 10
		l := New(most)
		begun := time.Now()
		running := false
		var all sync.WaitGroup
		for range most {
			all.Go(func() {
				err := l.Do(t.Context(), func() {
					if running {
						t.Error("two at a time")
					}
					running = true
					time.Sleep(time.Second)
					running = false
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := l.Do(t.Context(), func() { t.Error("it ran") }); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		all.Wait()
		if took := time.Since(begun); took != (2*most-1)*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := l.Do(t.Context(), func() {}); err != nil {
			t.Errorf("a place is not given back: %v", err)
		}
	})
}

// TestLineLeft has some leave before their turn: they do not run, and their places are free.
func TestLineLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(2)
		go func() { _ = l.Do(t.Context(), func() { time.Sleep(time.Second) }) }()
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- l.Do(ctx, func() { t.Error("it ran") }) }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		ran := false
		if err := l.Do(t.Context(), func() { ran = true }); err != nil || !ran {
			t.Errorf("%v, ran: %v", err, ran)
		}
		if err := l.Do(ctx, func() { t.Error("it ran") }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
