package server

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/codec/ws"
)

// flush writes what waits for c: answers of HTTP, a pong, the session's frames,
// a close frame, in one write.
//
// What the kernel does not take is kept, see [conn.later]. So a session is asked
// for output only while less than [Server.unreadBound] waits; its last message may
// go beyond.
func (w *worker) flush(c *conn) {
	c.awaiting.Store(false)
	unsent := int(c.unsent.Load())
	bound := w.s.unreadBound()
	full := unsent >= bound
	m := c.collect(full)
	out := &w.out
	out.reset(min(passBytes, bound-unsent))
	out.deflate = c.session != nil && c.deflate // before there is one, an upgrade may be deciding about it
	speaks := c.session != nil && !c.closeSent
	if m != nil {
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
			w.s.metrics.messagesOut.Add(out.frames)
		}
	}
	more, ends := out.refused, false
	if m != nil && m.close != nil {
		more = false
		if !c.closeSent {
			c.closeSent, ends = true, true
			out.together()
			out.buf = appendClose(out.buf, *m.close)
			w.finish(c, m.close)
		}
		if m.close.last {
			c.drop = true
			w.detach(c)
		}
	}
	w.write(c, more)
	if ends && c.unsent.Load() > 0 {
		c.makeRoom()
	}
	if m != nil && m.hasRaw {
		w.answered(c, m.after)
	} else if c.answering && c.unsent.Load() == 0 {
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

// finish is called when the close frame is in the output: no message follows.
func (w *worker) finish(c *conn, cl *closing) {
	c.mu.Lock()
	if c.phase == phaseOpen {
		c.closeCode = cl.code
		c.setPhase(phaseClosing)
		c.unstall()
		// The peer's answer may stand behind input that was not taken.
		c.wake(wantRead)
	}
	c.half = c.phase == phaseDiscard // there is no answer to wait for
	parting := c.parting && c.phase == phaseClosing
	c.mu.Unlock()
	c.tellClosing(cl)
	if !parting { // else what comes before the answer still counts
		w.detach(c)
	}
	w.schedule(c)
}

// tellClosing tells the operator of a session that we end, for what its client or
// the cluster did.
func (c *conn) tellClosing(cl *closing) {
	switch {
	case cl.last, cl.code == closeNormal, cl.code == closeGoingAway, cl.code == closeNoStatus:
		return // the client ends it, or nobody is at fault
	}
	limit := ""
	switch cl.code {
	case ws.CodeTooBig:
		limit = limitMessage
	case closeTryAgain:
		limit = limitMemory
	}
	c.s.incidents.add(incident{what: "session ended", code: int(cl.code), limit: limit, reason: cl.reason, remote: c.remote, more: []any{"kind", c.kind.String()}})
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
		w.s.bytesOut.Add(uint64(n))
		b = b[n:]
	}
	if len(b) > 0 {
		if c.holdUnread(len(b)) == int64(len(b)) {
			c.lastTake.Store(w.s.now())
		}
		if err := c.later(b); err != nil {
			c.hangUp()
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
	c.awaiting.Store(true)
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
	s.bytesOut.Add(uint64(n))
	c.lastTake.Store(s.now())
	left := c.holdUnread(-n)
	if c.awaiting.Load() && (left == 0 || left < int64(s.unreadBound())/2) {
		c.wake(wantFlush)
	}
}

// dropIfSent ends the connection, or after a violation our side of it, when the
// last output is sent. A peer that is still sending would lose what we wrote
// last if both sides were ended.
func (w *worker) dropIfSent(c *conn) {
	if c.unsent.Load() != 0 || c.shut || !c.drop && !c.half {
		return
	}
	if c.tls != nil && c.tls.Farewell() {
		w.out.reset(0)
		if w.write(c, false); c.unsent.Load() != 0 {
			return // it comes again when that is sent
		}
	}
	c.shut = true
	if c.drop {
		c.hangUp()
	} else {
		c.shutdown(unix.SHUT_WR)
	}
}

// hangUp ends both directions of the socket. The poller then closes it, on the
// event of the shutdown: were it closed on another goroutine, its number could be in use
// again while an event for the old one is still on its way, and end the new one.
func (c *conn) hangUp() { c.shutdown(unix.SHUT_RDWR) }

func (c *conn) shutdown(how int) {
	c.whileOpen(func() {
		if raw, err := c.nc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), how) })
		}
	})
}

// whileOpen calls f unless the socket is closed, which it is not while f runs:
// its descriptor cannot have become another connection's.
func (c *conn) whileOpen(f func()) {
	c.nc.Lock()
	defer c.nc.Unlock()
	if closed, _ := c.nc.IsClosed(); !closed {
		f()
	}
}
