package auth

import (
	"net/netip"
	"sync"
	"time"
)

const (
	throttleWindow = time.Minute
	// maxAddresses bounds the addresses that failures are counted for, in each of
	// two generations.
	maxAddresses = 1 << 16
)

// throttle counts failed logins by address over about a minute: the failures of
// the current window, and of the one before as far as it reaches into the last
// minute. An IPv6 client has a whole /64, so that is what counts.
type throttle struct {
	most int // 0: nothing is counted
	now  func() time.Time

	mu            sync.Mutex // guards what follows
	since         time.Time
	count, before map[netip.Addr]int
}

func newThrottle(most int) *throttle {
	return &throttle{most: most, now: time.Now, count: map[netip.Addr]int{}}
}

func counted(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

// blocked reports whether an address has failed too often.
func (t *throttle) blocked(a netip.Addr) bool {
	if t.most <= 0 {
		return false
	}
	a = counted(a)
	t.mu.Lock()
	defer t.mu.Unlock()
	elapsed := t.turn(false)
	left := 1 - float64(elapsed)/float64(throttleWindow)
	return t.count[a]+int(float64(t.before[a])*left) >= t.most
}

// failed counts a failure.
func (t *throttle) failed(a netip.Addr) {
	if t.most <= 0 {
		return
	}
	a = counted(a)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(len(t.count) >= maxAddresses)
	t.count[a]++
}

// turn begins a new window when the current one is over, or when it is full. It
// returns how long the current one has lasted. The caller holds mu.
func (t *throttle) turn(full bool) time.Duration {
	now := t.now()
	elapsed := now.Sub(t.since)
	if elapsed < throttleWindow && !full {
		return elapsed
	}
	t.before = t.count
	if elapsed >= 2*throttleWindow {
		t.before = nil
	}
	t.count, t.since = map[netip.Addr]int{}, now
	return 0
}
