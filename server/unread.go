package server

import (
	"math"

	"golang.org/x/sys/unix"
)

// A client that does not read is at no fault before its session's idle timeout.
// Until then what waits for it is bounded, here by Options.MaxUnread, or less where memory is short, and in the
// kernel by keptInKernel, and its session is asked for no more. When it has to go,
// whatever the reason, the close frame is put behind what waits, and the kernel is
// made to take all of it if it can: the client finds it there when it reads again.

const (
	// keptInKernel bounds the output that the kernel takes for a client beyond what
	// the client's own kernel has room for. It is less than a socket may hold, so
	// that there is room for the end of the output when the connection ends.
	keptInKernel = 1 << 20

	// lastRoom is the size of a socket's buffer, in bytes, that the end of the
	// output asks for. What the kernel grants is twice net.core.wmem_max at most,
	// which is as much.
	lastRoom = 2 * 212992
)

// boundKernel makes the kernel take no more than keptInKernel bytes that the
// client's window has no room for.
func (c *conn) boundKernel() {
	c.whileOpen(func() { _ = unix.SetsockoptInt(c.nc.Hash(), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, keptInKernel) })
}

// makeRoom makes the kernel take as much as it can of what waits. It announces
// the new room by an event, on which the worker writes.
func (c *conn) makeRoom() {
	c.whileOpen(func() {
		fd := c.nc.Hash()
		if size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil && size < lastRoom {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, lastRoom/2) // the kernel doubles it
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, math.MaxInt32)
	})
}

// lastTraffic is the tick at which something last came from the client, or the
// kernel last took output for it.
func (c *conn) lastTraffic() uint32 {
	seen, take := c.lastSeen.Load(), c.lastTake.Load()
	if int32(take-seen) > 0 {
		return take
	}
	return seen
}

// slowAt is the tick at which the client has taken none of its output for too
// long. ok: there is such a bound. An answer does not hold a stop for longer than a
// client that answers no close frame.
func (w *worker) slowAt(c *conn, p phase) (at uint32, ok bool) {
	t := &w.s.set().ticks
	span := t.answer
	if w.s.draining.Load() {
		span = min(span, t.close)
	}
	switch p {
	case phaseOpen:
		span = t.slow
	case phaseClosing, phaseDiscard:
		return 0, false // these have a deadline of their own
	}
	return c.lastTake.Load() + span, span > 0 && c.unsent.Load() > 0
}

// overAt is the tick at which a connection that is ending is ended, whatever still
// waits. A client that takes its output gets some time more for each piece.
func (w *worker) overAt(c *conn, p phase, since uint32) uint32 {
	t := &w.s.set().ticks
	span := t.close
	if p == phaseDiscard && c.unsent.Load() == 0 {
		span = t.linger
	}
	from := since
	if take := c.lastTake.Load(); int32(take-from) > 0 {
		from = take
	}
	if most := since + t.closeMost; int32(most-(from+span)) < 0 {
		return most
	}
	return from + span
}

// countUnread tells the operator of a client that is closed because it does not
// read.
func (w *worker) countUnread(c *conn) {
	w.s.metrics.slow.Add(1)
	w.s.slowWarning.warn(w.s.log, "closed a client that does not read its output", "remote", c.remote.String(), "unread", c.unsent.Load())
}

// giveUp ends a connection that had its time. If not all of its output is in the
// kernel by then, what is there is of no use, and the kernel shall let it go.
func (c *conn) giveUp() {
	if c.unsent.Load() > 0 {
		c.whileOpen(func() { _ = c.nc.SetLinger(1, 0) })
	}
	c.hangUp()
}
