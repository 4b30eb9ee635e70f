package bridge

import (
	"sync/atomic"
	"time"
)

// Limits are the bounds among the [Options] that may change while sessions are
// open. Zero means what it means there.
type Limits struct {
	MaxTopics        int
	TailBytes        int
	MaxInFlight      int
	MaxInFlightBytes int
	MaxPublishBytes  int64
}

func (o *Options) limits() Limits {
	return Limits{
		MaxTopics: o.MaxTopics, TailBytes: o.TailBytes,
		MaxInFlight: o.MaxInFlight, MaxInFlightBytes: o.MaxInFlightBytes, MaxPublishBytes: o.MaxPublishBytes,
	}
}

// SetLimits makes other limits count, at once for open sessions, too, but for the
// topics of a session over many, and what a producer at the broker may have on
// its way: they are decided when it is opened. It may be called from any goroutine.
func (b *Bridge) SetLimits(l Limits) {
	o := Options{TailBytes: l.TailBytes, MaxInFlight: l.MaxInFlight, MaxInFlightBytes: l.MaxInFlightBytes}
	o.setDefaults()
	l.TailBytes, l.MaxInFlight, l.MaxInFlightBytes = o.TailBytes, o.MaxInFlight, o.MaxInFlightBytes
	b.limits.Store(&l)
}

// limitLines is the least time between two lines in the log about a limit that is
// reached.
const limitLines = 10 * time.Second

// reached counts what fails at a limit that has nobody else to tell the operator.
type reached struct {
	count atomic.Int64 // since the last line
	last  atomic.Int64 // when that was, in Unix nanoseconds
}

// add counts one, and returns how many there were when they are to be logged now;
// 0: not yet.
func (r *reached) add(now time.Time) int64 {
	r.count.Add(1)
	last := r.last.Load()
	if now.UnixNano()-last < int64(limitLines) || !r.last.CompareAndSwap(last, now.UnixNano()) {
		return 0
	}
	return r.count.Swap(0)
}

func (b *Bridge) tellPublishLimit() {
	if n := b.publishLimit.add(time.Now()); n > 0 {
		b.opts.Logger.Info("publishes are answered with an error", "limit", "webSocketPulsarClientMemoryLimitInMB",
			"bytes", b.limits.Load().MaxPublishBytes, "count", n)
	}
}
