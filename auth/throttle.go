package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	throttleWindow = time.Minute
	// maxSources bounds what failures are counted for, in each of two generations.
	maxSources = 1 << 16
)

// source is who failures are counted for: all who come from an address, or one
// user of Basic there.
type source struct {
	address netip.Addr
	user    uint64 // hash of a name, 0: all
}

// throttle counts failed logins by their source over about a minute: the failures
// of the current window, and of the one before as far as it reaches into the last
// minute. It only counts: what a failure means for others from the same address
// is for [Gate.identify] to say, as very many may be behind one.
type throttle struct {
	most atomic.Int64 // 0: nothing is counted
	now  func() time.Time
	seed maphash.Seed // no one can choose names whose hashes are the same

	mu            sync.Mutex // guards what follows
	since         time.Time
	count, before map[source]int
}

func newThrottle(most int) *throttle {
	t := &throttle{now: time.Now, seed: maphash.MakeSeed(), count: map[source]int{}}
	t.most.Store(int64(most))
	return t
}

// source returns where a user of Basic comes from; "": anyone. An IPv6 client has a
// whole /64, so that is what counts.
func (t *throttle) source(a netip.Addr, user string) source {
	s := source{address: counted(a)}
	if user != "" {
		s.user = max(1, maphash.String(t.seed, user))
	}
	return s
}

func counted(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

// often reports whether a source has failed too often.
func (t *throttle) often(s source) bool {
	most := int(t.most.Load())
	if most <= 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	elapsed := t.advance(false)
	left := 1 - float64(elapsed)/float64(throttleWindow)
	return t.count[s]+int(float64(t.before[s])*left) >= most
}

// failed counts a failure.
func (t *throttle) failed(s source) {
	if t.most.Load() <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(len(t.count) >= maxSources)
	t.count[s]++
}

// advance begins a new window when the current one is over, or when it is full. It
// returns how long the current one has lasted. The caller holds mu.
func (t *throttle) advance(full bool) time.Duration {
	now := t.now()
	elapsed := now.Sub(t.since)
	if elapsed < throttleWindow && !full {
		return elapsed
	}
	t.before = t.count
	if elapsed >= 2*throttleWindow {
		t.before = nil
	}
	t.count, t.since = map[source]int{}, now
	return 0
}
