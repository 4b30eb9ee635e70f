package login

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeptFailure has many ask whom nobody answers: they wait once, all together, and who comes in the seconds after is told the
// same at once.
func TestKeptFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		k := &kept{now: time.Now, ask: func(ctx context.Context) (answer, error) {
			asked++
			<-ctx.Done()
			return answer{}, errors.New("silent")
		}}
		wants := func(after time.Duration) {
			t.Helper()
			begun := time.Now()
			if _, err := k.get(t.Context()); err == nil || err.Error() != "silent" || time.Since(begun) != after {
				t.Errorf("%v after %v, not %v", err, time.Since(begun), after)
			}
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { wants(askTimeout) })
		}
		all.Wait()
		time.Sleep(askAgain - 1)
		wants(0)
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(time.Nanosecond)
		wants(askTimeout)
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestKeptLeft has one leave while others wait on, and then the last, which cuts the question off; that is no failure for who comes next.
func TestKeptLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut, works := 0, false
		k := &kept{now: time.Now, ask: func(ctx context.Context) (answer, error) {
			if works {
				return answer{token: "t", expires: time.Now().Add(time.Hour), renew: time.Now().Add(time.Hour)}, nil
			}
			<-ctx.Done()
			cut++
			return answer{}, ctx.Err()
		}}
		wait := func() (leave func()) {
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() { _, err := k.get(ctx); left <- err }()
			synctest.Wait()
			return func() {
				cancel()
				if err := <-left; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "wait for a token") {
					t.Error(err)
				}
				synctest.Wait()
			}
		}
		first, second := wait(), wait()
		if first(); cut != 0 {
			t.Error("who still waits is cut off")
		}
		if second(); cut != 1 {
			t.Error("the question goes on for nobody")
		}
		works = true
		if token, err := k.get(t.Context()); token != "t" || err != nil {
			t.Errorf("%q, %v", token, err)
		}
	})
}

// TestKeptRenews has only one wait for a newer token while the old one is valid, and nobody for a minute if there is none.
func TestKeptRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		k := &kept{now: time.Now, ask: func(ctx context.Context) (answer, error) {
			if asked++; asked > 1 {
				<-ctx.Done()
				return answer{}, ctx.Err()
			}
			return answer{token: "old", renew: time.Now().Add(time.Hour), expires: time.Now().Add(2 * time.Hour)}, nil
		}}
		wants := func(after time.Duration, questions int) {
			t.Helper()
			begun := time.Now()
			if token, err := k.get(t.Context()); token != "old" || err != nil || time.Since(begun) != after || asked != questions {
				t.Errorf("%q, %v after %v, asked %d times", token, err, time.Since(begun), asked)
			}
		}
		wants(0, 1)
		time.Sleep(time.Hour)
		var renews sync.WaitGroup
		renews.Go(func() { wants(askTimeout, 2) })
		synctest.Wait()
		wants(0, 2)
		renews.Wait()
		wants(0, 2)
		time.Sleep(renewAgain)
		wants(askTimeout, 3)
		k.forget()
		if _, err := k.get(t.Context()); err == nil {
			t.Error("a token that was forgotten is used")
		}
	})
}
