package pulsar

import (
	"sync/atomic"
	"time"
)

// seldomEvery is the least time between two lines in the log about what anybody who may publish can bring about.
const seldomEvery = 10 * time.Second

// seldom counts what is to be logged the first time at once, and what follows together.
type seldom struct {
	count atomic.Int64 // since the last line
	last  atomic.Int64 // when that was, in Unix nanoseconds
}

// add counts one, and returns how many there were when they are to be logged now; 0: not yet.
func (s *seldom) add(now time.Time) int64 {
	s.count.Add(1)
	last := s.last.Load()
	if now.UnixNano()-last < int64(seldomEvery) || !s.last.CompareAndSwap(last, now.UnixNano()) {
		return 0
	}
	return s.count.Swap(0)
}
