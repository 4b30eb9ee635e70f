// Package seldom keeps what others can bring about as often as they like from filling the log.
package seldom

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Every is the least time between two lines about the same.
const Every = 10 * time.Second

// Line is one kind of thing that is told an operator: the first time at once, what follows together. Its zero value has counted nothing.
// It may be used from any goroutine.
type Line struct {
	count atomic.Int64 // since the last line
	last  atomic.Int64 // when that was, in Unix nanoseconds
}

// Log counts one, and writes a line if it is time for one, with how many there were since the last as count.
func (l *Line) Log(log *slog.Logger, level slog.Level, msg string, args ...any) {
	if n := l.Add(time.Now()); n > 0 {
		log.Log(context.Background(), level, msg, append(args, "count", n)...)
	}
}

// Add counts one, and returns how many there were since the last line if it is time for one now; else 0.
func (l *Line) Add(now time.Time) int64 {
	l.count.Add(1)
	last := l.last.Load()
	if now.UnixNano()-last < int64(Every) || !l.last.CompareAndSwap(last, now.UnixNano()) {
		return 0
	}
	return l.count.Swap(0)
}
