package bridge

import "sync/atomic"

// Limits are the bounds of sessions that may change while these are open.
type Limits struct {
	// MaxTopics bounds the topics, partitions counted, of one session over many; 0: no bound.
	MaxTopics int
	// TailBytes bounds the encoded frames that the tail of a topic or a partition keeps.
	TailBytes int
	// MaxInFlight and MaxInFlightBytes bound the publishes of one session that
	// are not answered yet, in number and in the memory they take; at a bound its
	// socket is not read any more.
	MaxInFlight      int
	MaxInFlightBytes int
	// MaxPublishBytes bounds the memory of all publishes that are not answered;
	// beyond it they fail. 0: no such bound.
	MaxPublishBytes int64
}

// Bounds are the [Limits] that count now. They may be set and read from any goroutine.
type Bounds struct{ now atomic.Pointer[Limits] }

// Now returns them. What it returns is never changed. They have been set.
func (b *Bounds) Now() *Limits { return b.now.Load() }

// Set makes others count.
func (b *Bounds) Set(l Limits) { b.now.Store(&l) }
