//go:build pulsar

package twobrokers

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// timeout bounds everything a test waits for: above all that the topics of a broker that was killed are served by the other, which waits
// for ZooKeeper to miss it, for the other to take each and to read its state, on a machine that is busy.
const timeout = 3 * time.Minute

// topic is one with one producer, whose messages are numbered from 0, and all that is known of them. Its methods may be called from
// any goroutine.
type topic struct {
	name   string // tenant/namespace/topic
	parted bool   // it has partitions, so that there is no order

	mu       sync.Mutex // guards what follows
	changed  chan struct{}
	answered map[int]bool
	views    []*view
	wrong    []string
}

// view is what one subscription, or one reader, has had of a topic. Its topic guards it.
type view struct {
	of      *topic
	name    string
	ordered bool // each message comes once, in order
	got     map[int]int
	next    int  // the number that an ordered one has next
	quiet   bool // nothing may come any more
}

func newTopic(name string) *topic {
	return &topic{name: name, changed: make(chan struct{}), answered: map[int]bool{}}
}

func (x *topic) view(name string, ordered bool) *view {
	v := &view{of: x, name: name, ordered: ordered, got: map[int]int{}}
	x.views = append(x.views, v)
	return v
}

func (x *topic) change(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
	close(x.changed)
	x.changed = make(chan struct{})
}

func (x *topic) complainLocked(format string, args ...any) {
	x.wrong = append(x.wrong, x.name+": "+fmt.Sprintf(format, args...))
}

func (x *topic) complain(format string, args ...any) {
	x.change(func() { x.complainLocked(format, args...) })
}

// answer notes that a message was confirmed.
func (x *topic) answer(n int) { x.change(func() { x.answered[n] = true }) }

// take notes that a message has come.
func (v *view) take(payload string) {
	v.of.change(func() {
		var n int
		if _, err := fmt.Sscan(payload, &n); err != nil {
			v.of.complainLocked("%s: payload %q", v.name, payload)
			return
		}
		v.got[n]++
		switch {
		case v.quiet:
			v.of.complainLocked("%s: %d came again, long after it was acknowledged", v.name, n)
		case !v.ordered:
		case n != v.next:
			v.of.complainLocked("%s: %d came instead of %d", v.name, n, v.next)
			v.next = n + 1
		default:
			v.next++
		}
	})
}

// missing are the messages that were confirmed and have not come.
func (v *view) missing() (list []int) {
	for n := range v.of.answered {
		if v.got[n] == 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// await waits until holds does, which is called with the topic's lock held.
func (x *topic) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(timeout)
	for {
		x.mu.Lock()
		changed := x.changed
		over := holds()
		x.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			x.mu.Lock()
			defer x.mu.Unlock()
			for _, v := range x.views {
				t.Logf("%s, %s: %d are missing, such as %v", x.name, v.name, len(v.missing()), v.missing()[:min(5, len(v.missing()))])
			}
			t.Fatalf("%s: waited %s in vain for %s: %d messages are confirmed", x.name, timeout, what, len(x.answered))
		}
	}
}

// awaitMore waits until n more messages are confirmed.
func (x *topic) awaitMore(t *testing.T, n int) {
	t.Helper()
	x.mu.Lock()
	want := len(x.answered) + n
	x.mu.Unlock()
	x.await(t, "more messages to be confirmed", func() bool { return len(x.answered) >= want })
}

// awaitAll waits until everybody has had what is confirmed.
func (x *topic) awaitAll(t *testing.T) {
	t.Helper()
	for _, v := range x.views {
		x.await(t, v.name+" to have everything", func() bool { return len(v.missing()) == 0 })
	}
}

// check reports what went wrong, and sums up.
func (x *topic) check(t *testing.T) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range x.wrong[:min(10, len(x.wrong))] {
		t.Error(w)
	}
	for _, v := range x.views {
		again := 0
		for _, times := range v.got {
			again += times - 1
		}
		t.Logf("%s, %s: %d confirmed, %d had, %d of them again", x.name, v.name, len(x.answered), len(v.got), again)
	}
}
