package bridge

import (
	"sync/atomic"
	"time"
)

// SeldomEvery is the least time between two lines in the log about the same.
const SeldomEvery = 10 * time.Second

// Seldom counts what clients can bring about as often as they like and is to be told the operator: the first time at once, what follows
// together. Its zero value has counted nothing. It may be used from any goroutine.
type Seldom struct {
	count atomic.Int64 // since the last line
	last  atomic.Int64 // when that was, in Unix nanoseconds
}

// Add counts one, and returns how many there were when they are to be logged now;
// 0: not yet.
func (s *Seldom) Add(now time.Time) int64 {
	s.count.Add(1)
	last := s.last.Load()
	if now.UnixNano()-last < int64(SeldomEvery) || !s.last.CompareAndSwap(last, now.UnixNano()) {
		return 0
	}
	return s.count.Swap(0)
}
