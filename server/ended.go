package server

import (
	"net/http"

	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/route"
)

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
	c.mu.Lock()
	if c.toRead.Load() || c.wants.Load()&wantRead != 0 {
		c.mu.Unlock()
		return // it is called again behind what is to be read
	}
	drop := false
	switch c.phase {
	case phaseTLS:
		if c.req.tls.stepping {
			break // what came last is being worked on
		}
		fallthrough
	case phaseProxy, phaseHead:
		if c.phase == phaseHead && len(c.req.buf) > 0 {
			c.refuse(http1.Refused(http.StatusBadRequest, "the request is not complete"))
			break
		}
		c.setPhase(phaseDiscard)
		drop = true
	case phaseOpening:
		if !c.awaits {
			c.awaits = w.s.awaiting.take()
			drop = !c.awaits
		}
	case phaseOpen:
		if c.stalled || c.kind == route.Producer && c.session.InFlight() > 0 {
			break
		}
		c.stop(phaseDiscard, closing{code: closeGoingAway, reason: "the client has ended its side of the connection", last: true})
		c.closeCode = 0 // no close frame came
	case phaseClosing: // nor will it
		c.setPhase(phaseDiscard)
		drop = c.closeSent // else it ends with the frame
	}
	w.scheduleLocked(c)
	c.mu.Unlock()
	if drop {
		c.drop = true
		w.dropIfSent(c)
	}
}

// maxAwaiting is how many may wait for their session to be opened after they
// have ended their direction. Most of those have gone, and what they asked for
// costs what it costs all the same: beyond so many they are taken for gone at once.
const maxAwaiting = 64

// awaitsNoMore is called when a connection's session is open, or its socket closed.
func (w *worker) awaitsNoMore(c *conn) {
	if c.awaits {
		c.awaits = false
		w.s.awaiting.give()
	}
}
