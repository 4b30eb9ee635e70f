package server

import (
	"bytes"
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
)

// maxHandshakeInput bounds the bytes that wait for a handshake step, but for those
// of one read: with more the socket is not read. Most handshakes take less. A step takes all that
// waits; llib bounds each of their messages to 64 KiB.
const maxHandshakeInput = 16 << 10

// handshakers work on TLS handshakes, away from the loops: a signature with an
// RSA key takes about a millisecond, and a reconnecting crowd wants thousands.
// Connections wait in the order they came, each at most once, so their number
// bounds the queue; one that is gone when its turn comes costs nothing. All but
// one of the CPUs are used, so that open sessions are served meanwhile.
type handshakers struct {
	mu    sync.Mutex
	ready sync.Cond
	queue []*conn
	quit  bool
	done  sync.WaitGroup
}

func (h *handshakers) start(n int) {
	h.ready.L = &h.mu
	for range n {
		h.done.Go(func() {
			for c := h.next(); c != nil; c = h.next() {
				if c.handshakeStep() {
					h.push(c)
				}
			}
		})
	}
}

func (h *handshakers) push(c *conn) {
	h.mu.Lock()
	h.queue = append(h.queue, c)
	h.mu.Unlock()
	h.ready.Signal()
}

// next waits for a connection; nil: it is over.
func (h *handshakers) next() *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) == 0 && !h.quit {
		h.ready.Wait()
	}
	if h.quit {
		return nil
	}
	c := h.queue[0]
	h.queue[0] = nil
	if h.queue = h.queue[1:]; len(h.queue) == 0 {
		h.queue = nil
	}
	return c
}

func (h *handshakers) stop() {
	h.mu.Lock()
	h.quit = true
	h.queue = nil
	h.mu.Unlock()
	if h.ready.L != nil {
		h.ready.Broadcast()
	}
	h.done.Wait()
}

// tlsHandshake is what a connection needs until its handshake is complete, and of it
// until it is a session. [conn.mu] guards it, but for begun.
type tlsHandshake struct {
	in       []byte            // input that nobody works on yet
	held     int               // memory that the steps done have left for input, in bytes
	stepping bool              // the handshake is queued or worked on
	begun    bool              // a step was done; of who runs the steps
	peer     *x509.Certificate // the client's verified certificate
}

// gather takes input for the handshake. The caller holds mu.
func (c *conn) gather(data []byte) {
	hs := c.req.tls
	if len(data) == 0 {
		return
	}
	hs.in = append(hs.in, data...)
	c.stalled = len(hs.in) > maxHandshakeInput
	if !hs.stepping {
		hs.stepping = true
		c.s.handshakers.push(c)
	}
}

// handshakeStep works on what has come of a handshake. It reports whether more
// has come meanwhile.
func (c *conn) handshakeStep() (again bool) {
	c.mu.Lock()
	if c.state() != life.Handshake {
		c.mu.Unlock()
		return false
	}
	hs := c.req.tls
	in := hs.in
	hs.in = nil
	if c.stalled {
		c.wake(wantRead)
	}
	c.mu.Unlock()
	out, complete, err := c.advance(in)
	if err != nil && !hs.begun && looksLikeHTTP(in) {
		out = c.plainRefusal() // an alert would tell it nothing
	}
	hs.begun = true
	var peer *x509.Certificate
	if complete {
		state := c.tls.Complete()
		peer = c.s.o.TLS.Verified(&state)
		c.s.metrics.tlsHandshake(&state)
	}

	held := c.tls.Held()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state() != life.Handshake {
		return false
	}
	defer c.countInput()
	hs.held = held
	c.tls.Queue(out)
	switch {
	case err != nil:
		hs.stepping = false
		c.tlsFailed(err)
		return false
	case complete:
		hs.peer = peer
		c.established()
		return false
	case len(out) > 0:
		c.wake(wantFlush)
	}
	if hs.stepping = len(hs.in) > 0; !hs.stepping && c.ended.Load() {
		c.wake(wantEnd)
	}
	return hs.stepping
}

// looksLikeHTTP reports whether a client without TLS has come to the port with.
func looksLikeHTTP(b []byte) bool {
	method, _, ok := bytes.Cut(b, []byte(" "))
	return ok && len(method) < 10 && http1.IsToken(string(method))
}

// plainRefusal is the answer to a request that came without TLS.
func (c *conn) plainRefusal() []byte {
	rec := &http1.Recorder{}
	http1.WriteReason(rec, http.StatusBadRequest, "this port speaks only TLS")
	return rec.Append(nil, false, true)
}

// advance runs the handshake as far as the input goes.
func (c *conn) advance(in []byte) (out []byte, complete bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.s.panicked("in a TLS handshake", p, debug.Stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.tls.Handshake(in)
}

// established is called once, when the handshake is complete. A request may
// stand behind it already. The caller holds mu.
func (c *conn) established() {
	hs := c.req.tls
	if len(hs.in) > 0 {
		_ = c.tls.Append(hs.in) // an error shows when it is read
		hs.in = nil
	}
	c.tls.Ready()
	hs.stepping = false
	c.on(life.Secured) // the time for the request began when the connection came
	c.wake(wantFlush | wantRead)
}

// tlsFailed ends a connection whose handshake failed, or on which something came
// that is no TLS record of its peer's. The alert that says so is in the
// output. The caller holds mu.
func (c *conn) tlsFailed(err error) {
	if c.state() == life.Handshake {
		c.s.metrics.tlsFailed()
		c.s.log.Debug("TLS handshake failed", "remote", c.remote().String(), "error", err)
	}
	switch stage := c.state().Stage(); {
	case errors.Is(err, io.EOF): // close_notify: as if the peer had closed its socket
		c.peerEnded()
	case stage == life.Session, stage == life.Farewells:
		c.stop(life.PeerClose, closing{code: closePolicy}) // the close frame itself can no longer be sent
	default:
		c.on(life.Fail)
		c.leave(wantFlush, func(m *mail) { m.hasRaw, m.after = true, closeAfter })
	}
}

// clientTLS tells a request of the certificate that its client has shown, verified
// up to a trusted authority; nil if there is none. The caller holds mu.
func (c *conn) clientTLS() *stdtls.ConnectionState {
	if c.req.tls == nil || c.req.tls.peer == nil {
		return nil
	}
	chain := []*x509.Certificate{c.req.tls.peer}
	return &stdtls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
}

// secured reports whether input has to be decrypted. The caller holds mu.
func (c *conn) secured() bool {
	return c.tls != nil && c.state().Decrypts()
}
