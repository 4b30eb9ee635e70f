package server

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
)

// flush writes what waits for c: answers of HTTP, a pong, the session's frames,
// a close frame, in one write.
//
// What the kernel does not take is kept, see [conn.later]. So a session is asked
// for output only while less than [Server.unreadBound] waits; its last message may
// go beyond.
func (w *worker) flush(c *conn) {
	c.tellTaken.Store(false)
	unsent := int(c.unsent.Load())
	bound := w.s.unreadBound()
	full := unsent >= bound
	m := c.collect(full)
	out := &w.out
	out.reset(min(passBytes, bound-unsent))
	out.deflate = c.session != nil && c.deflate // before there is one, an upgrade may be deciding about it
	speaks := c.session != nil && !c.state().Said()
	switch {
	case m == nil:
	case c.session == nil:
		out.single, out.constant = m.raw, true // it may be there once for many
	default:
		out.buf = append(out.buf, m.raw...)
		if speaks {
			out.buf = append(out.buf, m.pongs...)
		}
	}
	if speaks {
		out.room += out.len()
		before := out.len()
		c.session.Fill(out)
		if n := out.len() - before; n > 0 {
			if unsent == 0 { // the kernel takes some of it at once
				c.lastSeen.Store(w.s.now())
			}
			c.sent.Add(uint64(n))
			c.traffic().messagesOut.Add(out.frames)
		}
	}
	more, ends := out.refused, false
	if m != nil && m.close != nil {
		more = false
		if !c.state().Said() {
			ends = true
			out.together()
			out.buf = appendClose(out.buf, *m.close)
			w.said(c, m.close)
		}
	}
	if c.session != nil && !c.state().Attached() {
		w.detach(c)
	}
	w.write(c, more)
	if ends && c.unsent.Load() > 0 {
		c.makeRoom()
	}
	if m != nil && m.hasRaw {
		w.answered(c, m.after)
	} else if c.state() == life.Answered && c.unsent.Load() == 0 {
		w.answered(c, keepOpen)
	}
	if c.session == nil {
		w.outputTaken(c)
	}
	w.dropIfSent(c)
}

// collect takes c's mail. While output waits unread pongs are left for later,
// so that pings alone cannot make it grow.
func (c *conn) collect(full bool) *mail {
	c.note.Lock()
	defer c.note.Unlock()
	m := c.mail
	if m == nil || m.opened != nil {
		return nil
	}
	c.mail = nil
	if full && len(m.pongs) > 0 && m.close == nil {
		c.mail = &mail{pongs: m.pongs}
		m.pongs = nil
	}
	return m
}

func appendClose(dst []byte, cl closing) []byte {
	if cl.code == closeNoStatus {
		return ws.AppendFrame(dst, ws.OpClose, nil)
	}
	return ws.AppendClose(dst, cl.code, cl.reason)
}

// write hands the collected output to the kernel. more: the session has more of it.
func (w *worker) write(c *conn, more bool) {
	b := w.out.bytes()
	if c.tls != nil {
		if cap(w.sealed) > keptOutput {
			w.sealed = nil
		}
		c.tls.Seal(&w.sealed, b)
		b = w.sealed
	}
	if len(b) > 0 && c.unsent.Load() == 0 {
		n := c.writeNow(b)
		c.traffic().bytesOut.Add(uint64(n))
		b = b[n:]
	}
	if len(b) > 0 {
		if c.holdUnread(len(b)) == int64(len(b)) {
			c.lastTake.Store(w.s.now())
		}
		if err := c.later(b, c.tls == nil && w.out.single != nil && w.out.constant); err != nil {
			c.cut()
			return
		}
	}
	unsent := c.unsent.Load()
	if unsent == 0 {
		if more {
			c.wake(wantFlush)
		}
		return
	}
	w.schedule(c)
	if more && unsent < int64(w.s.unreadBound())/2 {
		c.wake(wantFlush)
		return
	}
	// From here on onWritten wakes us; it may have come just before.
	c.tellTaken.Store(true)
	if c.unsent.Load() < unsent {
		c.wake(wantFlush)
	}
}

// writeNow writes what the kernel takes at once. A broken socket is closed by its
// poller; see hangUp.
func (c *conn) writeNow(b []byte) (n int) {
	n = len(b) // of a closed socket nothing is left to be sent
	c.whileOpen(func() {
		for n = 0; n < len(b); {
			m, err := unix.Write(c.nc.Hash(), b[n:]) // nbio's hash of a connection is its descriptor
			switch {
			case err == nil:
				n += m
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return
			default:
				n = len(b) // the poller has the error, too, and closes the socket
			}
		}
	})
	return n
}

// onWritten is called when the kernel took n bytes of what was kept.
func (s *Server) onWritten(c *conn, n int) {
	c.traffic().bytesOut.Add(uint64(n))
	c.lastTake.Store(s.now())
	left := c.holdUnread(-n)
	if c.tellTaken.Load() && (left == 0 || left < int64(s.unreadBound())/2) {
		c.wake(wantFlush)
	}
}

// later keeps output that the kernel does not take now, until it does; constant: b does not
// change, and can be kept as it is. Only the worker calls it, as it does write.
func (c *conn) later(b []byte, constant bool) error {
	begins := c.backlog == nil
	if begins && constant {
		c.backlog = keep(b[:len(b):len(b)])
	} else {
		c.backlog = c.backlog.with(b)
	}
	if !begins {
		return nil
	}
	return c.s.watch.room(c, true)
}

// writeLater writes what was kept, as far as the kernel takes it.
func (c *conn) writeLater() {
	if c.backlog == nil {
		return
	}
	n := c.writeNow(c.backlog.bytes())
	if *c.backlog = (*c.backlog)[n:]; len(*c.backlog) == 0 {
		c.backlog = nil
		_ = c.s.watch.room(c, false) // if it fails a worker is called for nothing
	}
	if n > 0 {
		c.s.onWritten(c, n)
	}
}

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
