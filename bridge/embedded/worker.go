package embedded

import (
	"container/heap"
	"slices"
	"time"
)

// work is the worker goroutine: it empties the outlets that others left to it
// and runs the timers.
func (u *Upstream) work() {
	defer u.worker.Done()
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	var mine []*outlet
	for {
		u.mu.Lock()
		u.ring(time.Now())
		u.settle()
		u.leaveToWorker(0)
		mine, u.ready = u.ready, mine[:0]
		if len(mine) == 0 {
			if u.closed {
				u.mu.Unlock()
				return
			}
			if len(u.timers) > 0 {
				alarm.Reset(time.Until(u.timers[0].at))
			} else {
				alarm.Stop()
			}
			u.mu.Unlock()
			select {
			case <-u.wake:
			case <-alarm.C:
			case <-u.stop:
			}
			continue
		}
		u.mu.Unlock()
		for i, o := range mine {
			o.empty(inlineCalls)
			mine[i] = nil
		}
	}
}

// wakeWorker makes the worker look again. It does not block.
func (u *Upstream) wakeWorker() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// timed is something that is due at some time.
type timed interface {
	// due runs with mu held, if live.
	due()
	// live reports whether there is still something to do then. Called with mu held.
	live() bool
}

type timer struct {
	at   time.Time
	what timed
}

// timerHeap is a container/heap, soonest first.
type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(v any)        { *h = append(*h, v.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return v
}

// timersKept is how many timers there may be before dead ones are looked for.
const timersKept = 1024

// at has what run at that time. Called with mu held.
//
// Timers are not stopped: one whose message was acknowledged stays until its
// time comes, or until there are twice as many as were alive at the last look.
func (u *Upstream) at(when time.Time, what timed) {
	if len(u.timers) >= timersKept && len(u.timers) >= 2*u.timersLive {
		u.timers = slices.DeleteFunc(u.timers, func(t timer) bool { return !t.what.live() })
		heap.Init(&u.timers)
		u.timersLive = len(u.timers)
	}
	heap.Push(&u.timers, timer{when, what})
	if u.timers[0].at.Equal(when) {
		u.wakeWorker()
	}
}

// ring runs what is due. Called with mu held.
func (u *Upstream) ring(now time.Time) {
	for len(u.timers) > 0 && !u.timers[0].at.After(now) {
		if t := heap.Pop(&u.timers).(timer); t.what.live() {
			t.what.due()
		}
	}
}
