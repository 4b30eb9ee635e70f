package bridgetest

import "github.com/pulsegate/pulsegate/codec/ws"

// Sink is an [Outlet] that takes everything and keeps nothing, for benchmarks.
type Sink struct {
	Outlet
	buf []byte
}

// Wake does nothing: the benchmark knows when there is something.
func (o *Sink) Wake() {}

// Room is always there.
func (o *Sink) Room() bool { return true }

// Append has the frame encoded.
func (o *Sink) Append(add func([]byte) []byte) { o.buf = add(o.buf[:0]) }

// Shared does nothing.
func (o *Sink) Shared(*ws.Frame) {}
