package server

import (
	"context"
	"time"

	"github.com/pulsegate/pulsegate/server/route"
)

// begunTimeout bounds how long a stop waits for the rest of a request that has
// begun to come.
const begunTimeout = time.Second

const drainReason = "the server is shutting down"

// Drain stops accepting connections and sessions and ends those there are, each
// with close code 1001: consumers and readers at once, producers when their
// publishes in flight are answered. What a producer sends meanwhile is not
// taken, so that it is not half done. Who has sent a part of a request only, or
// takes no output, is not waited for as long as else. Drain returns when all connections are
// closed, or with an error when ctx ends. Close must still be called.
func (s *Server) Drain(ctx context.Context) error {
	s.drainedAt.Store(s.now())
	s.draining.Store(true)
	s.stopAccepting()
	if s.conns.Load() == 0 {
		return nil
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drainsFirst reports that c takes no more input because the server stops. The
// caller holds mu.
func (c *conn) drainsFirst() bool {
	return c.kind == route.Producer && c.s.draining.Load()
}

// drainConn moves c on while the server stops. It is called once for every
// connection, and again whenever something happens to it or its deadline comes.
func (w *worker) drainConn(c *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.phase {
	case phaseHead, phaseProxy, phaseOpen:
		// What is there already counts, read or not: a request gets its answer, an
		// acknowledgement is taken.
		c.receive(w.buf, false)
	}
	switch c.phase {
	case phaseHead, phaseTLS, phaseProxy:
		if len(c.req.buf) == 0 { // a handshake of TLS may have begun, but no request
			c.setPhase(phaseDiscard)
			c.hangUp()
		}
	case phaseOpen:
		if c.kind == route.Producer && c.session.InFlight() > 0 || w.handsOver(c) {
			break
		}
		c.stop(phaseClosing, closing{code: closeGoingAway, reason: drainReason})
	case phaseGone:
		return
	}
	w.scheduleLocked(c)
}
