package bridgetest

import (
	"time"

	"github.com/pulsegate/pulsegate/codec/ws"
)

// Sink is an [Outlet] that takes everything and keeps nothing, for benchmarks.
type Sink struct {
	Outlet
	Worker *Worker // that writes for it; nil: the clock is read each time
	buf    []byte
}

// Worker reads the clock once for many sinks that are filled in a row, as a server's does.
type Worker struct {
	now  time.Duration
	uses int
}

// filled is how many sinks are filled with one reading.
const filled = 8

// Now implements [bridge.Writer].
func (o *Sink) Now() time.Duration {
	w := o.Worker
	if w == nil {
		return o.Outlet.Now()
	}
	if w.uses%filled == 0 {
		w.now = o.Outlet.Now()
	}
	w.uses++
	return w.now
}

// Wake does nothing: the benchmark knows when there is something.
func (o *Sink) Wake() {}

// Room is always there.
func (o *Sink) Room() bool { return true }

// Append has the frame encoded.
func (o *Sink) Append(add func([]byte) []byte) { o.buf = add(o.buf[:0]) }

// Shared does nothing.
func (o *Sink) Shared(*ws.Frame) {}
