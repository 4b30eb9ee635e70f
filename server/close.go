package server

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/route"
)

// How a connection ends. Package life has the table: what there may be, and what each
// event does. Here is what tells the table, and what does as it says:
//
//	we end a session         stop ‥ flush puts the close frame in the output: said ‥ dropIfSent
//	its client closes it     Close of frameHandler: the same way
//	it half-closes           peerEnded ‥ conclude, when nothing is owed to it any more ‥ the same way
//	its socket breaks        onClose wakes the worker ‥ leftover, then bury
//	a deadline passes        check calls stop, giveUp or handshakeTimeout
//	the server stops         depart and drainConn, see drain.go
//	a request is refused     sayNo, see request.go
//	something panics         recoverSession, abandon, contained
//
// Each of these ends with the closed socket, of which nbio tells, and with bury.

// Close codes of RFC 6455 section 7.4.1.
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closeNoStatus  = 1005
	closePolicy    = 1008
	closeInternal  = 1011
	closeRestart   = 1012 // this and the next are registered at IANA
	closeTryAgain  = 1013
)

// closing is a close frame to send.
type closing struct {
	code   uint16 // 1005: a frame without a code
	reason string
}

// state is where c stands. Whoever does not hold mu may find that it has moved on.
func (c *conn) state() life.State { return life.State(c.life.Load()) }

// stage is where c stands and since which tick.
func (c *conn) stage() (life.Stage, uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state().Stage(), c.since
}

// on moves c on by what has happened, and does all that this asks for but the close
// frame, of which it tells. The caller holds mu.
func (c *conn) on(e life.Event) (frame bool) {
	before := c.state()
	now, do := before.Next(e)
	if now.Stage() != before.Stage() || now == life.Leaving && before != life.Leaving {
		c.since = c.s.now()
	}
	c.life.Store(uint32(now))
	if do&life.Unstall != 0 {
		c.unstall()
	}
	if do&life.ReadOn != 0 {
		c.wake(wantRead)
	}
	if do&life.GivePlace != 0 {
		c.s.awaiting.give()
	}
	switch {
	case do&life.HangUp != 0:
		c.hangUp()
	case do&life.ShutWrite != 0:
		c.shutdown(unix.SHUT_WR)
	}
	return do&life.Frame != 0
}

// stop ends c's session for an event. cl is sent if the session's close frame is not under
// way yet. The caller holds mu.
func (c *conn) stop(e life.Event, cl closing) {
	if c.closeCode == 0 && c.state().Stage() == life.Session {
		c.closeCode = cl.code
	}
	if c.on(e) {
		c.sendClose(cl)
	} else {
		c.wake(wantFlush)
	}
}

// cut ends c at once.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on(life.Cut)
}

// sendClose asks for a close frame. The first one asked for counts.
func (c *conn) sendClose(cl closing) {
	c.leave(wantFlush, func(m *mail) {
		if m.close == nil {
			m.close = &cl
		}
	})
}

// broken ends a session whose stream cannot be read any further. The caller
// holds mu.
func (c *conn) broken(err error) {
	ce := &ws.CloseError{Code: closeInternal}
	errors.As(err, &ce)
	c.stop(life.Fail, closing{code: ce.Code, reason: ce.Reason})
}

// refusedBy ends a session by what it said of a message. The caller holds mu.
func (c *conn) refusedBy(err error) {
	e := &codec.Error{Code: codec.CodeUnknown, Detail: err.Error()}
	errors.As(err, &e)
	c.stop(life.Stop, closing{code: uint16(e.Code.CloseCode()), reason: e.CloseReason()})
}

// said is called when a session's close frame is in the output: no message follows.
func (w *worker) said(c *conn, cl *closing) {
	c.mu.Lock()
	before := c.state()
	if before.Stage() == life.Session {
		c.closeCode = cl.code
	}
	c.on(life.LastOut)
	w.scheduleLocked(c)
	c.mu.Unlock()
	if before != life.Farewell { // else the client ends it
		c.tellClosing(cl)
	}
}

// tellClosing tells the operator of a session that we end, for what its client or
// the cluster did.
func (c *conn) tellClosing(cl *closing) {
	limit := ""
	switch cl.code {
	case closeNormal, closeGoingAway, closeNoStatus:
		return // nobody is at fault
	case ws.CodeTooBig:
		limit = limitMessage
	case closeTryAgain:
		limit = limitMemory
	}
	c.s.incidents.add(incident{what: "session ended", code: int(cl.code), limit: limit, reason: cl.reason, remote: c.remote(), more: []any{"kind", c.kind.String()}})
}

// dropIfSent ends the connection, or our side of it, if that is to be done when the
// last output is sent, and it is. A peer that is still sending would lose what we wrote
// last if both sides were ended.
func (w *worker) dropIfSent(c *conn) {
	if c.unsent.Load() != 0 || !c.state().Shuts() {
		return
	}
	if c.tls != nil && c.tls.Farewell() {
		w.out.reset(0)
		if w.write(c, false); c.unsent.Load() != 0 {
			return // it comes again when that is sent
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on(life.AllSent)
}

// What a client is owed when it has ended its direction, by a FIN or over TLS by
// a close_notify: the answer to each request that was complete, and to each
// publish. Then its connection is closed.
//
// From outside a client that only half-closes looks like one that is gone: that one's
// system answers the first that is written to it with a reset, which ends the connection.

// peerEnded notes that nothing more comes from the peer. The caller holds mu and
// has used all that came.
func (c *conn) peerEnded() {
	if !c.ended.Swap(true) {
		c.inputCame()
		c.wake(wantEnd)
	}
}

// conclude ends the connection of a peer that has ended its direction, unless it
// is still owed something. It is called again whenever something happens to it.
func (w *worker) conclude(c *conn) {
	if w.settleEnd(c) {
		w.dropIfSent(c)
	}
}

// settleEnd moves c on, whose peer has ended its direction, unless there is still something to be read. It reports whether it
// has looked.
func (w *worker) settleEnd(c *conn) (looked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.recoverSession()
	if c.toRead.Load() || c.wants.Load()&wantRead != 0 || c.state().Closed() {
		return false // it is called again behind what is to be read; leftover sees to what a closed socket left
	}
	switch state := c.state(); {
	case state == life.Handshake && c.req.tls.stepping: // what came last is being worked on
	case state == life.Head && len(c.req.buf) > 0:
		c.refuse(http1.Refused(http.StatusBadRequest, "the request is incomplete"))
	case state == life.Opening && w.s.awaiting.take():
		c.on(life.Hold)
	case state.Stage() == life.Session:
		if c.stalled || c.kind == route.Producer && c.session.InFlight() > 0 {
			break
		}
		c.stop(life.PeerEnd, closing{code: closeGoingAway, reason: "the client has ended its side of the connection"})
		c.closeCode = 0 // no close frame came
	default:
		c.on(life.PeerEnd)
	}
	w.scheduleLocked(c)
	return true
}

// maxAwaiting is how many may wait for their session to be opened after they
// have ended their direction. Most of those have gone, and what they asked for
// costs what it costs all the same: beyond so many they are taken for gone at once.
const maxAwaiting = 64

// handshakeTimeout ends a connection that did not send a request in time.
func (c *conn) handshakeTimeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.req == nil || len(c.req.buf) == 0 {
		c.on(life.Cut)
		return
	}
	if c.s.draining.Load() {
		c.refuse(http1.Refused(http.StatusServiceUnavailable, errDraining.Error()))
		return
	}
	c.refuse(http1.OverLimit(limitHandshake, http.StatusRequestTimeout, "the request did not arrive in time"))
}

// giveUp ends a connection that had its time. If not all of its output is in the
// kernel by then, what is there is of no use, and the kernel shall let it go.
func (c *conn) giveUp() {
	if c.unsent.Load() > 0 {
		c.whileOpen(func() { _ = c.nc.SetLinger(1, 0) })
	}
	c.cut()
}

// recoverSession ends a session whose handling panicked; deferred, with mu held.
func (c *conn) recoverSession() {
	if p := recover(); p != nil {
		c.s.panicked("handling input", p, debug.Stack())
		if stage := c.state().Stage(); stage == life.Session || stage == life.Farewells {
			c.stop(life.Fail, closing{code: closeInternal, reason: "internal error"})
		} else {
			c.on(life.Cut)
		}
	}
}

// abandon ends a connection whose worker panicked while serving it.
func (w *worker) abandon(c *conn) {
	w.out.reset(0)
	c.mu.Lock()
	c.on(life.Cut)
	c.closeCode = closeInternal
	c.mu.Unlock()
	w.detach(c)
	if c.state().Closed() {
		c.wake(wantGone) // of its socket nobody tells a second time
	}
}

// leftover gives what came before c's socket was closed another turn. It reports
// whether there is more, or a costly message is not finished; then c is served
// again.
func (w *worker) leftover(c *conn) (more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.listens() || !c.yielded || c.s.ctx.Err() != nil {
		return false
	}
	w.receive(c) // of the socket there is nothing more
	if !c.listens() || !c.yielded {
		return false
	}
	c.on(life.Loss)
	return true
}

// bury forgets a connection whose socket is closed.
func (w *worker) bury(c *conn) {
	c.note.Lock()
	c.gone = true
	m := c.mail
	c.mail = nil
	c.note.Unlock()

	c.mu.Lock()
	c.on(life.Bury)
	c.reader.Release()
	c.unstall()
	req := c.req
	c.req = nil
	c.countInput()
	c.mu.Unlock()

	switch {
	case m != nil && m.opened != nil:
		if m.opened.session != nil {
			w.s.closeSession(m.opened.session)
		}
	case req != nil && req.cancel != nil:
		w.s.contained("giving up a request", req.cancel)
	}
	w.detach(c)
	c.holdUnread(-int(c.unsent.Load()))
	c.backlog = nil
	w.wheel.Remove(c)
	w.s.forget(c)
}

// detach ends c's session, if there is one. A costly message of it that is worked on is
// finished first; see [conn.workCostly].
func (w *worker) detach(c *conn) {
	c.mu.Lock()
	session := c.session
	c.session = nil
	busy := session != nil && c.costly != nil && c.costly.message == nil
	if busy {
		c.costly.left = session
	}
	c.mu.Unlock()
	if session != nil {
		if !busy {
			w.s.closeSession(session)
		}
		w.s.sessionEnded(c)
	}
}

// sessionEnded counts and logs the end of a session. The worker calls it once.
func (s *Server) sessionEnded(c *conn) {
	s.sessions[c.kind].Add(-1)
	s.metrics.closed(int(c.closeCode))
	if !s.log.Enabled(s.ctx, slog.LevelDebug) {
		return
	}
	s.log.Debug("session closed", "kind", c.kind.String(), "remote", c.remote().String(), "code", c.closeCode,
		"received", c.messages, "sent_bytes", c.sent.Load(),
		"duration", (time.Since(s.started) - c.opened).Round(time.Microsecond))
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
