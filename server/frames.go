package server

import (
	"bytes"
	"errors"
	"runtime/debug"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

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

// frames handles WebSocket input. own: data is the connection's and can be kept.
// The caller holds mu.
func (c *conn) frames(data []byte, own bool) {
	for len(data) > 0 {
		n, err := c.reader.Feed(&c.s.set().frames, data, (*frameHandler)(c))
		data = data[n:]
		if c.stalled {
			if c.rest = data; !own {
				c.rest = bytes.Clone(data)
			}
			return
		}
		if err != nil {
			c.broken(err)
		}
	}
	if c.phase == phaseDiscard {
		c.reader.Release()
	}
}

// broken ends a session whose stream cannot be read any further. The caller
// holds mu.
func (c *conn) broken(err error) {
	ce := &ws.CloseError{Code: closeInternal}
	errors.As(err, &ce)
	c.stop(phaseDiscard, closing{code: ce.Code, reason: ce.Reason})
}

// refusedBy ends a session by what it said of a message. The caller holds mu.
func (c *conn) refusedBy(err error) {
	e := &codec.Error{Code: codec.CodeUnknown, Detail: err.Error()}
	errors.As(err, &e)
	c.stop(phaseClosing, closing{code: uint16(e.Code.CloseCode()), reason: e.CloseReason()})
}

// stop ends the session with a close frame. The caller holds mu.
func (c *conn) stop(next phase, cl closing) {
	if c.phase == phaseOpen {
		c.closeCode = cl.code
	}
	c.setPhase(next)
	c.unstall()
	c.sendClose(cl)
}

// frameHandler takes what a [ws.Reader] finds. Its methods run with mu held.
type frameHandler conn

// Message hands a message to the session. Text and binary are the same to it.
func (h *frameHandler) Message(_ ws.Opcode, payload []byte) (more bool) {
	c := (*conn)(h)
	if !c.listens() {
		return true
	}
	c.messages++
	c.s.metrics.messagesIn.Add(1)
	if err := c.session.Handle(payload); err != nil {
		if c.parting {
			c.parting = false // its close frame is under way already
			return true
		}
		c.refusedBy(err)
		return true
	}
	if !c.session.Full() {
		return !c.turnOver(len(payload))
	}
	// Resume may have been called before the session was marked as stalled: it
	// is then no longer full, and if it is called later, the worker waits for mu.
	c.stalled = true
	if !c.session.Full() {
		c.stalled = false
	}
	return !c.stalled && !c.turnOver(len(payload))
}

// maxPongs bounds the answers to pings, in bytes, that wait to be written.
const maxPongs = 16 << 10

// Ping answers. Where too many answers wait, all but the latest are left out,
// as RFC 6455 section 5.5.3 allows.
func (h *frameHandler) Ping(payload []byte) {
	c := (*conn)(h)
	if c.phase == phaseOpen {
		c.leave(wantFlush, func(m *mail) {
			if len(m.pongs)+len(payload) > maxPongs {
				m.pongs = m.pongs[:0]
			}
			m.pongs = ws.AppendFrame(m.pongs, ws.OpPong, payload)
		})
	}
}

// Pong needs nothing: it counted as traffic when it was read.
func (h *frameHandler) Pong([]byte) {}

// Close is the peer's close frame. It is answered with the same code, unless it
// is the answer to ours.
func (h *frameHandler) Close(code uint16, _ string) {
	(*conn)(h).stop(phaseDiscard, closing{code: code, last: true})
}

// recoverSession ends a session whose handling panicked; deferred, with mu held.
func (c *conn) recoverSession() {
	if p := recover(); p != nil {
		c.s.panicked("handling input", p, debug.Stack())
		if c.phase == phaseOpen || c.phase == phaseClosing {
			c.stop(phaseDiscard, closing{code: closeInternal, reason: "internal error"})
		} else {
			c.hangUp()
		}
	}
}
