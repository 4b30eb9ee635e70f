package server

import (
	"time"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/latency"
)

const (
	// passBytes is how much output one session may produce before the others of
	// its worker have their turn. Its frames leave in one write.
	passBytes = 64 << 10

	// passPlain is how much of it may be compressed: 0.5 ms of work, whatever
	// becomes of it.
	passPlain = 256 << 10

	// keptOutput bounds the buffer that a worker keeps between sessions.
	keptOutput = 1 << 20
)

// output collects what is to be written for one connection at a time. It is a
// worker's and is the [bridge.Writer] of its sessions.
type output struct {
	buf      []byte
	single   []byte // one shared frame, or an answer of HTTP, and nothing else: written without a copy
	constant bool   // single does not change, and may be kept
	room     int    // bytes up to which more frames are taken
	deflate  bool
	plain    int  // bytes that were compressed, or will be for others
	refused  bool // there was no room when asked
	frames   uint64
	now      time.Duration // 0: the clock is to be read when somebody asks
}

func (o *output) reset(room int) {
	if cap(o.buf) > keptOutput {
		o.buf = nil
	}
	o.buf, o.single, o.constant = o.buf[:0], nil, false
	o.room, o.plain, o.refused, o.frames = room, 0, false, 0
}

func (o *output) len() int { return len(o.buf) + len(o.single) }

// bytes is all that was collected, valid until the next reset.
func (o *output) bytes() []byte {
	if o.single != nil {
		return o.single
	}
	return o.buf
}

// together makes buf hold all that was collected.
func (o *output) together() {
	if o.single != nil {
		o.buf = append(o.buf, o.single...)
		o.single = nil
	}
}

// Now implements [bridge.Writer].
func (o *output) Now() time.Duration {
	if o.now == 0 {
		o.now = latency.Now()
	}
	return o.now
}

// later says that some time has passed since Now was asked.
func (o *output) later() { o.now = 0 }

// Room implements [bridge.Writer].
func (o *output) Room() bool {
	if o.len() < o.room && o.plain < passPlain {
		return true
	}
	o.refused = true
	return false
}

// Append implements [bridge.Writer].
func (o *output) Append(add func(dst []byte) []byte) {
	o.together()
	o.frames++
	if o.deflate {
		o.buf = ws.AppendTextDeflated(o.buf, func(dst []byte) []byte {
			before := len(dst)
			dst = add(dst)
			o.plain += len(dst) - before
			return dst
		})
	} else {
		o.buf = ws.AppendText(o.buf, add)
	}
}

// Shared implements [bridge.Writer].
func (o *output) Shared(f *ws.Frame) {
	o.together()
	o.frames++
	b := f.Plain()
	if o.deflate {
		b = f.Deflated()
		o.plain += f.Len()
	}
	if len(o.buf) == 0 {
		o.single = b
		return
	}
	o.buf = append(o.buf, b...)
}
