package inturn

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestShared has a thousand ask for each of two things while a first one is made: each thing is made once more, for all of them,
// and what they get was begun after they asked.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 1000
		s := NewShared[string, int](2)
		world := 1 // what is looked at
		made := map[string]int{}
		look := func(key string) func() int {
			return func() int {
				seen := world
				made[key]++
				time.Sleep(time.Second)
				return seen
			}
		}
		var all sync.WaitGroup
		all.Go(func() {
			if got, err := s.Do(t.Context(), "a", look("a")); got != 1 || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		})
		synctest.Wait() // it is being made
		world = 2
		begun := time.Now()
		for _, key := range []string{"a", "b"} {
			for range many {
				all.Go(func() {
					if got, err := s.Do(t.Context(), key, look(key)); got != 2 || err != nil {
						t.Errorf("%s: %d, %v", key, got, err)
					}
				})
			}
		}
		synctest.Wait()
		if _, err := s.Do(t.Context(), "c", look("c")); !errors.Is(err, ErrFull) {
			t.Errorf("one thing too many: %v", err)
		}
		all.Wait()
		if made["a"] != 2 || made["b"] != 1 || made["c"] != 0 {
			t.Errorf("made %v", made)
		}
		if took := time.Since(begun); took != 5*time.Second { // three times a second, and two pauses
			t.Errorf("it took %v", took)
		}
	})
}

// TestSharedLeft has all leave who wait for something, one of them with the turn: it is not made, and its place is free.
func TestSharedLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared[string, int](1)
		if got, err := s.Do(t.Context(), "a", func() int { time.Sleep(time.Hour); return 1 }); got != 1 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		ctx, leave := context.WithCancel(t.Context()) // during the pause
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := s.Do(ctx, "a", func() int { t.Error("it ran"); return 0 }); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		leave()
		all.Wait()
		if len(s.next) != 0 {
			t.Errorf("%d are kept", len(s.next))
		}
		// One who stays gets the turn of one who leaves.
		ctx, leave = context.WithCancel(t.Context())
		all.Go(func() { _, _ = s.Do(ctx, "b", func() int { t.Error("it ran"); return 0 }) })
		synctest.Wait()
		all.Go(func() {
			if got, err := s.Do(t.Context(), "b", func() int { return 2 }); got != 2 || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
	})
}

// TestSharedPanics has the making panic: who makes it panics, those who wait are told, and the line goes on.
func TestSharedPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared[string, int](1)
		_, _ = s.Do(t.Context(), "a", func() int { time.Sleep(time.Second); return 0 })
		var all sync.WaitGroup
		var mu sync.Mutex
		panics, told := 0, 0
		for range 10 {
			all.Go(func() {
				defer func() {
					if recover() != nil {
						mu.Lock()
						panics++
						mu.Unlock()
					}
				}()
				if _, err := s.Do(t.Context(), "a", func() int { panic("boom") }); errors.Is(err, ErrFailed) {
					mu.Lock()
					told++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if panics != 1 || told != 9 {
			t.Errorf("%d panics, %d told", panics, told)
		}
		if got, err := s.Do(t.Context(), "a", func() int { return 3 }); got != 3 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	})
}
