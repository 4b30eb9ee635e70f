package server

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"unique"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/route"
)

func isSessionPath(path string) bool { return route.IsSession(path) }

// upgrade begins to open a session. The caller holds mu. The response is sent
// when the bridge has answered.
func (c *conn) upgrade(h *http1.Head, req *http.Request) {
	if no := c.tryUpgrade(h, req); no != nil {
		c.refuseUpgrade(h, no)
	}
}

// refuseUpgrade refuses an upgrade that did not get as far as the bridge. The
// query is not logged: it may hold a token.
func (c *conn) refuseUpgrade(h *http1.Head, no *http1.Refusal) {
	c.s.metrics.handshake(no.Status)
	c.tellRefusal("session refused", no, "path", h.Path)
	c.sayNo(no)
}

func (c *conn) tryUpgrade(h *http1.Head, req *http.Request) *http1.Refusal {
	s := c.s
	if no := http1.CheckUpgrade(h, req.Header); no != nil {
		return no
	}
	if !http1.OriginAllowed(s.set().origins, req.Header) {
		return http1.Refused(http.StatusForbidden, "this Origin is not allowed")
	}
	r, no := s.parseRoute(h)
	if no != nil {
		return no
	}
	if c.refused {
		return http1.OverLimit(limitConnections, http.StatusServiceUnavailable, "the server has no room for more connections")
	}
	if s.draining.Load() {
		return http1.Refused(http.StatusServiceUnavailable, errDraining.Error())
	}
	if s.o.Memory.Exhausted() {
		s.o.Memory.Refused()
		return http1.OverLimit(limitMemory, http.StatusServiceUnavailable, "the server's memory is used up, try again later")
	}
	if s.o.TrustForwardedFor {
		c.remote = forwardedFor(req.Header, c.remote)
	}
	counted, ok := s.addresses.take(c.remote.Addr())
	if !ok {
		return http1.OverLimit(limitAddress, http.StatusTooManyRequests, "too many sessions from this address")
	}
	c.counted = counted
	c.req.accept, c.deflate = acceptance(req.Header, s.o.Compression)
	c.req.topic = r.Topic()
	c.agent = unique.Make(shownAgent(req.Header.Get("User-Agent")))
	c.setPhase(phaseOpening)
	if s.o.Gate != nil {
		c.req.cancel = c.admit(req, r)
	} else {
		c.req.cancel = c.open(r)
	}
	return nil
}

// maxAgent bounds what is kept of the name that a client gives itself, in bytes.
const maxAgent = 120

// shownAgent is what is kept of it. It is a copy: the text is a part of the request.
func shownAgent(name string) string { return strings.Clone(name[:min(len(name), maxAgent)]) }

func (s *Server) parseRoute(h *http1.Head) (*route.Request, *http1.Refusal) {
	// The session keeps parts of both: without a copy it would keep the whole head.
	r, err := route.Parse(strings.Clone(h.Path), strings.Clone(h.Query), s.set().route)
	if err != nil {
		e := &route.Error{Status: http.StatusInternalServerError, Reason: "internal error"}
		errors.As(err, &e)
		return nil, http1.Refused(e.Status, e.Reason)
	}
	return r, nil
}

// acceptance is the response that opens a session (RFC 6455 section 4.2.2). No
// subprotocol is ever chosen.
func acceptance(header http.Header, compression bool) (response []byte, deflate bool) {
	b := append([]byte(nil), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(b, ws.AcceptKey(header.Get("Sec-Websocket-Key"))...)
	if compression {
		if extension, ok := ws.NegotiateDeflate(header["Sec-Websocket-Extensions"]); ok {
			deflate = true
			b = append(append(b, "\r\nSec-WebSocket-Extensions: "...), extension...)
		}
	}
	return append(b, "\r\n\r\n"...), deflate
}

// forwardedFor takes the client's address from what a trusted proxy tells.
func forwardedFor(header http.Header, otherwise netip.AddrPort) netip.AddrPort {
	first, _, _ := strings.Cut(header.Get("X-Forwarded-For"), ",")
	first = strings.TrimSpace(first)
	if ap, err := netip.ParseAddrPort(first); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if a, err := netip.ParseAddr(strings.Trim(first, "[]")); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 0)
	}
	return otherwise
}
