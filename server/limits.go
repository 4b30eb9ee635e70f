package server

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// bound counts what may happen a limited number of times at once; 0: unlimited.
type bound struct {
	most int64
	used atomic.Int64
}

func (b *bound) take() bool {
	if b.used.Add(1) > b.most && b.most > 0 {
		b.used.Add(-1)
		return false
	}
	return true
}

func (b *bound) give() { b.used.Add(-1) }

// addressBound bounds the sessions of each client address; 0: unlimited, and
// nothing is counted.
type addressBound struct {
	most int
	mu   sync.Mutex
	used map[netip.Addr]int
}

func (b *addressBound) take(a netip.Addr) bool {
	if b.most <= 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used[a] >= b.most {
		return false
	}
	b.used[a]++
	return true
}

func (b *addressBound) give(a netip.Addr) {
	if b.most <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used[a]--; b.used[a] <= 0 {
		delete(b.used, a)
	}
}

// warningPause is the least time between two warnings of the same kind.
const warningPause = 10 * time.Second

// warning logs at most one line in a while, with the number of those left out.
type warning struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (w *warning) warn(log *slog.Logger, msg string, args ...any) {
	w.mu.Lock()
	now := time.Now()
	if now.Sub(w.last) < warningPause {
		w.skipped++
		w.mu.Unlock()
		return
	}
	args = append(args, "since_last", w.skipped)
	w.last, w.skipped = now, 0
	w.mu.Unlock()
	log.Warn(msg, args...)
}
