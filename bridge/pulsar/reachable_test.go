package pulsar

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestProbesAreShared has very many wait for a cluster that is reached, and then is not: there is a probe a second, and all are told.
func TestProbesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials, told, at atomic.Int32
		var down atomic.Bool
		r := &reachability{hosts: []string{"h:1"}, dial: func(context.Context, string) error {
			dials.Add(1)
			if at.Add(1) > 1 {
				t.Error("two probes at a time")
			}
			defer at.Add(-1)
			time.Sleep(100 * time.Millisecond)
			if down.Load() {
				return errors.New("down")
			}
			return nil
		}}
		const waiting = 1000
		for range waiting {
			stop := r.whenOut(t.Context(), func(error) { told.Add(1) })
			defer stop()
		}
		time.Sleep(outOfReachAfter + 10*probeEvery)
		synctest.Wait()
		if n := dials.Load(); n < 5 || n > 11 {
			t.Errorf("%d probes in ten seconds", n)
		}
		if told.Load() != 0 {
			t.Error("somebody was told that a cluster is down that is not")
		}
		down.Store(true)
		dials.Store(0)
		time.Sleep(3 * probeEvery)
		synctest.Wait()
		if told.Load() != waiting || dials.Load() > 3 {
			t.Errorf("%d were told, by %d probes", told.Load(), dials.Load())
		}
	})
}

// TestProbeGivenUp lets who probes give up: another who waits probes in its place.
func TestProbeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r := &reachability{hosts: []string{"h:1"}, dial: func(ctx context.Context, _ string) error {
			select {
			case <-free:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		first, giveUp := context.WithCancel(t.Context())
		one, two := make(chan error, 1), make(chan error, 1)
		go func() { one <- r.check(first) }()
		synctest.Wait()
		go func() { two <- r.check(t.Context()) }()
		synctest.Wait()
		giveUp()
		if err := <-one; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		close(free)
		if err := <-two; err != nil {
			t.Error(err)
		}
	})
}

func TestReachabilityHosts(t *testing.T) {
	for url, want := range map[string]string{
		"pulsar://a:1,b":      "a:1 b:6650",
		"pulsar+ssl://a":      "a:6651",
		"http://a:8080/":      "a:8080",
		"https://[::1],h:444": "[::1]:443 h:444",
	} {
		r, err := newReachability(url)
		if got := strings.Join(r.hosts, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v", url, got, err)
		}
	}
	if _, err := newReachability("a:1"); err == nil {
		t.Error("no scheme was taken")
	}
}
