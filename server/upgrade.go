package server

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/route"
)

func isSessionPath(path string) bool { return route.IsSession(path) }

// upgrade begins to open a session. The caller holds mu. The response is sent
// when the bridge has answered.
func (c *conn) upgrade(h *head, req *http.Request) {
	if no := c.tryUpgrade(h, req); no != nil {
		c.refuseUpgrade(h, no)
	}
}

// refuseUpgrade refuses an upgrade that did not get as far as the bridge. The
// query is not logged: it may hold a token.
func (c *conn) refuseUpgrade(h *head, no *refusal) {
	c.s.metrics.handshake(no.status)
	c.tellRefusal("session refused", no, "path", h.path)
	c.sayNo(no)
}

func (c *conn) tryUpgrade(h *head, req *http.Request) *refusal {
	s := c.s
	if no := checkUpgrade(h, req.Header); no != nil {
		return no
	}
	if !originAllowed(s.set().origins, req.Header) {
		return refused(http.StatusForbidden, "this Origin is not allowed")
	}
	r, no := s.parseRoute(h)
	if no != nil {
		return no
	}
	if c.refused {
		return overLimit(limitConnections, http.StatusServiceUnavailable, "the server has no room for more connections")
	}
	if s.draining.Load() {
		return refused(http.StatusServiceUnavailable, errDraining.Error())
	}
	if s.o.Memory.Exhausted() {
		s.o.Memory.Refused()
		return overLimit(limitMemory, http.StatusServiceUnavailable, "the server's memory is used up, try again later")
	}
	if s.o.TrustForwardedFor {
		c.remote = forwardedFor(req.Header, c.remote)
	}
	counted, ok := s.addresses.take(c.remote.Addr())
	if !ok {
		return overLimit(limitAddress, http.StatusTooManyRequests, "too many sessions from this address")
	}
	c.counted = counted
	c.req.accept, c.deflate = acceptance(req.Header, s.o.Compression)
	c.req.topic = r.Topic()
	c.setPhase(phaseOpening)
	if s.o.Gate != nil {
		c.req.cancel = c.admit(req, r)
	} else {
		c.req.cancel = c.open(r)
	}
	return nil
}

func (s *Server) parseRoute(h *head) (*route.Request, *refusal) {
	// The session keeps parts of both: without a copy it would keep the whole head.
	r, err := route.Parse(strings.Clone(h.path), strings.Clone(h.query), s.set().route)
	if err != nil {
		e := &route.Error{Status: http.StatusInternalServerError, Reason: "internal error"}
		errors.As(err, &e)
		return nil, refused(e.Status, e.Reason)
	}
	return r, nil
}

// maxKey bounds a Sec-WebSocket-Key, in bytes.
const maxKey = 1024

// checkUpgrade checks a client's handshake (RFC 6455 section 4.2.1). The key should
// be 16 bytes in base64, but nothing depends on it: devices send other lengths, and
// text that is no base64. RFC 6455's own example does not stand up to a strict decoder.
func checkUpgrade(h *head, header http.Header) *refusal {
	if h.method != http.MethodGet {
		return &refusal{status: http.StatusMethodNotAllowed, reason: "a session is opened with GET", header: "Allow: GET"}
	}
	if !hasToken(header["Upgrade"], "websocket") {
		return &refusal{status: http.StatusUpgradeRequired, reason: "a session is opened with a WebSocket upgrade", header: "Upgrade: websocket"}
	}
	if !h.http11 {
		return refused(http.StatusBadRequest, "a WebSocket upgrade needs HTTP/1.1")
	}
	if !hasConnectionToken(header, "upgrade") {
		return refused(http.StatusBadRequest, "header field Connection must name Upgrade")
	}
	if v := header.Get("Sec-Websocket-Version"); v != "13" {
		return &refusal{status: http.StatusUpgradeRequired, reason: "only version 13 of the WebSocket protocol is spoken here", header: "Sec-WebSocket-Version: 13"}
	}
	switch key := header.Get("Sec-Websocket-Key"); {
	case key == "":
		return refused(http.StatusBadRequest, "no header field Sec-WebSocket-Key")
	case len(key) > maxKey:
		return refused(http.StatusBadRequest, "header field Sec-WebSocket-Key is too long")
	}
	if h.body > 0 {
		return refused(http.StatusBadRequest, "a WebSocket upgrade has no body")
	}
	return nil
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

// originAllowed checks where a browser's page came from (RFC 6455 section
// 10.2). Clients that are no browsers send no Origin and are not held up.
func originAllowed(allowed map[string]bool, header http.Header) bool {
	origin := header.Get("Origin")
	return len(allowed) == 0 || origin == "" || allowed[normalOrigin(origin)]
}

func originSet(origins []string) map[string]bool {
	set := map[string]bool{}
	for _, o := range origins {
		set[normalOrigin(o)] = true
	}
	return set
}

// normalOrigin makes origins comparable: scheme and host are case-insensitive,
// and the port of the scheme may be left out.
func normalOrigin(o string) string {
	o = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(o), "/"))
	if s, ok := strings.CutSuffix(o, ":443"); ok && strings.HasPrefix(o, "https://") {
		return s
	}
	if s, ok := strings.CutSuffix(o, ":80"); ok && strings.HasPrefix(o, "http://") {
		return s
	}
	return o
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
