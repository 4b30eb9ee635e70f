package server

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// bound counts what may happen a limited number of times at once; 0: unlimited.
type bound struct {
	most atomic.Int64
	used atomic.Int64
}

func (b *bound) take() bool {
	if most := b.most.Load(); b.used.Add(1) > most && most > 0 {
		b.used.Add(-1)
		return false
	}
	return true
}

func (b *bound) give() { b.used.Add(-1) }

// count counts one that is there already, whatever the bound.
func (b *bound) count() { b.used.Add(1) }

// addressBound bounds the sessions of each client address; 0: unlimited, and
// nothing is counted.
type addressBound struct {
	most atomic.Int64
	mu   sync.Mutex // guards used
	used map[netip.Addr]int
}

// take counts a session if there is room for it; ok: there is.
func (b *addressBound) take(a netip.Addr) (counted, ok bool) {
	most := b.most.Load()
	if most <= 0 {
		return false, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if int64(b.used[a]) >= most {
		return false, false
	}
	b.used[a]++
	return true, true
}

// count counts a session that is there already, whatever the bound.
func (b *addressBound) count(a netip.Addr) (counted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used[a]++
	return true
}

// give takes back one that was counted.
func (b *addressBound) give(a netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used[a]--; b.used[a] <= 0 {
		delete(b.used, a)
	}
}
