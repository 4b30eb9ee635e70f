package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/server/route"
)

// open asks the bridge for the session of an upgrade. The caller holds mu; the
// answer comes over c's mail.
func (c *conn) open(r *route.Request) (cancel func()) {
	done := func(session bridge.Session, err error) {
		if !c.leave(wantOpened, func(m *mail) { m.opened = &outcome{session, err} }) && session != nil {
			session.Close()
		}
	}
	switch c.kind = r.Kind; r.Kind {
	case route.Producer:
		return c.s.o.Bridge.Produce(r.Producer, c, done)
	case route.Consumer:
		return c.s.o.Bridge.Consume(r.Consumer, r.Consume, c, done)
	default:
		return c.s.o.Bridge.Read(r.Reader, r.Read, c, done)
	}
}

// attach takes the bridge's answer: the upgrade succeeds or is refused.
func (w *worker) attach(c *conn) {
	c.note.Lock()
	m := c.mail
	var o *outcome
	if m != nil {
		o, m.opened = m.opened, nil
	}
	c.note.Unlock()
	if o == nil {
		return
	}
	w.awaitsNoMore(c)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.recoverSession()
	if c.phase != phaseOpening {
		if o.session != nil {
			o.session.Close()
		}
		return
	}
	if o.err == nil && w.s.draining.Load() {
		o.session.Close()
		o.err = errDraining
	}
	if o.err != nil {
		no := openFailure(c.kind, o.err)
		w.s.metrics.handshake(no.Status)
		c.tellRefusal("session refused", no, "kind", c.kind.String(), "topic", c.req.topic)
		c.sayNo(no)
		return
	}
	req := c.req
	if w.s.log.Enabled(w.s.ctx, slog.LevelDebug) {
		args := []any{"kind", c.kind.String(), "remote", c.remote.String(), "topic", req.topic}
		if c.who != nil {
			args = append(args, "role", c.who.grant.Role)
		}
		w.s.log.Debug("session opened", args...)
	}
	c.req, c.stalled = nil, false
	c.session = o.session
	c.id = w.s.lastSession.Add(1)
	now := w.s.now()
	c.opened = time.Since(w.s.started)
	c.lastPing = now
	c.lastSeen.Store(now)
	c.reader.SetDeflate(c.deflate)
	c.setPhase(phaseOpen)
	w.s.metrics.handshake(http.StatusSwitchingProtocols)
	w.s.sessions[c.kind].Add(1)
	c.leave(wantFlush|wantRead, func(m *mail) { m.raw = append(m.raw, req.accept...) })
	c.boundKernel()
	w.attachStanding(c)
	c.frames(req.buf, true)
	w.scheduleLocked(c)
}

// sessionEnded counts and logs the end of a session. The worker calls it once.
func (s *Server) sessionEnded(c *conn) {
	s.sessions[c.kind].Add(-1)
	s.metrics.closed(int(c.closeCode))
	if !s.log.Enabled(s.ctx, slog.LevelDebug) {
		return
	}
	s.log.Debug("session closed", "kind", c.kind.String(), "remote", c.remote.String(), "code", c.closeCode,
		"received", c.messages, "sentBytes", c.sent.Load(),
		"duration", (time.Since(s.started) - c.opened).Round(time.Microsecond))
}
