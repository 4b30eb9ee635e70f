package bridge

import "sync/atomic"

// FullWindows counts the sessions of one kind whose window is full: they get nothing before they
// acknowledge something. It may be used from any goroutine.
type FullWindows struct {
	now   atomic.Int64
	times atomic.Uint64
}

// Count notes that a session's window has become full, or is full no longer.
func (f *FullWindows) Count(full bool) {
	if full {
		f.now.Add(1)
		f.times.Add(1)
	} else {
		f.now.Add(-1)
	}
}

// Now is how many are full.
func (f *FullWindows) Now() int64 { return f.now.Load() }

// Times is how often one became full.
func (f *FullWindows) Times() uint64 { return f.times.Load() }
