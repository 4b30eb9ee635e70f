package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unique"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
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
	c.s.metrics.refused(no)
	c.tellRefusal("session refused", no, "path", h.Path)
	c.sayNo(no)
}

func (c *conn) tryUpgrade(h *http1.Head, req *http.Request) *http1.Refusal {
	s := c.s
	if no := http1.CheckUpgrade(h, req.Header); no != nil {
		return no.Because("no_upgrade")
	}
	if !http1.OriginAllowed(s.set().origins, req.Header) {
		return http1.Refused(http.StatusForbidden, "this Origin is not allowed").Because("origin")
	}
	r, no := s.parseRoute(h)
	if no != nil {
		return no
	}
	if c.refused {
		return http1.OverLimit(limitConnections, http.StatusServiceUnavailable, "too many connections")
	}
	if s.draining.Load() {
		return http1.Refused(http.StatusServiceUnavailable, errDraining.Error()).Because("draining")
	}
	if s.o.Memory.Exhausted() {
		s.o.Memory.Refused()
		return http1.OverLimit(limitMemory, http.StatusServiceUnavailable, "the server's memory is used up, try again later")
	}
	if s.o.TrustForwardedFor {
		c.from(forwardedFor(req.Header, c.remote()))
	}
	counted, ok := s.addresses.take(c.remote().Addr())
	if !ok {
		return http1.OverLimit(limitAddress, http.StatusTooManyRequests, "too many sessions from this address")
	}
	c.counted = counted
	c.req.accept, c.deflate = acceptance(req.Header, s.o.Compression)
	c.req.topic = r.Topic()
	c.agent = unique.Make(shownAgent(req.Header.Get("User-Agent")))
	c.on(life.Wanted)
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
	// The session keeps parts of the query: without a copy it would keep the whole head.
	r, err := route.Parse(h.Path, strings.Clone(h.Query), s.set().route)
	if err != nil {
		e := &route.Error{Status: http.StatusInternalServerError, Reason: "internal error"}
		errors.As(err, &e)
		return nil, http1.Refused(e.Status, e.Reason)
	}
	return r, nil
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

// open asks the bridge for the session of an upgrade. The caller holds mu; the
// answer comes over c's mail.
func (c *conn) open(r *route.Request) (cancel func()) {
	done := func(session bridge.Session, err error) {
		if !c.leave(wantOpened, func(m *mail) { m.opened = &outcome{session, err} }) && session != nil {
			c.s.closeSession(session)
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

	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.recoverSession()
	if !c.state().Opens() {
		if o.session != nil {
			w.s.closeSession(o.session)
		}
		return
	}
	if o.err == nil && w.s.draining.Load() {
		w.s.closeSession(o.session)
		o.err = errDraining
	}
	if o.err != nil {
		no := openFailure(c.kind, o.err)
		w.s.metrics.refused(no)
		c.tellRefusal("session refused", no, "kind", c.kind.String(), "topic", c.req.topic)
		c.sayNo(no)
		return
	}
	req := c.req
	if w.s.log.Enabled(w.s.ctx, slog.LevelDebug) {
		args := []any{"kind", c.kind.String(), "remote", c.remote().String(), "topic", req.topic}
		if c.who != nil {
			args = append(args, "role", c.who.grant.Role)
		}
		w.s.log.Debug("session opened", args...)
	}
	c.req = nil
	c.session = o.session
	c.id = w.s.lastSession.Add(1)
	now := w.s.now()
	c.opened = time.Since(w.s.started)
	c.lastPing = now
	c.lastSeen.Store(now)
	c.reader.SetDeflate(c.deflate)
	c.on(life.Opened)
	w.s.metrics.upgraded.Inc()
	w.s.sessions[c.kind].Add(1)
	c.leave(wantFlush|wantRead, func(m *mail) { m.raw = append(m.raw, req.accept...) })
	c.boundKernel()
	w.attachStanding(c)
	c.frames(req.buf, true)
	w.scheduleLocked(c)
}

// errDraining refuses sessions while the server stops.
var errDraining = errors.New("the server is shutting down")

// openFailure turns the bridge's error into the answer to an upgrade.
func openFailure(kind route.Kind, err error) *http1.Refusal {
	reason := err.Error()
	var e *bridge.Error
	if errors.As(err, &e) && e.Detail != "" {
		reason = e.Detail
	}
	for _, known := range failures {
		if errors.Is(err, known.kind) {
			return &http1.Refusal{Status: known.status, Reason: known.text + reason, Limit: known.limit, Why: known.why}
		}
	}
	what := "Failed to create producer/consumer: "
	if kind == route.Reader {
		what = "Failed to create reader: "
	}
	return http1.Refused(http.StatusInternalServerError, what+reason).Because("other")
}

var failures = []struct {
	kind   error
	status int
	text   string // in front of the reason
	why    string // for the metrics
	limit  string // key of the limit that is reached, "" for none
}{
	{errDraining, http.StatusServiceUnavailable, "", "draining", ""},
	{bridge.ErrInvalid, http.StatusBadRequest, "Invalid query params: ", "request", ""},
	{bridge.ErrUnauthorized, http.StatusUnauthorized, "Failed to authenticate: ", "authentication", ""},
	{bridge.ErrForbidden, http.StatusForbidden, "Not authorized: ", "authorization", ""},
	{bridge.ErrNotFound, http.StatusNotFound, "Not found: ", "not_found", ""},
	{bridge.ErrBusy, http.StatusConflict, "Already connected: ", "already_connected", ""},
	{bridge.ErrFenced, http.StatusConflict, "Producer fenced: ", "fenced", ""},
	{bridge.ErrSchema, http.StatusConflict, "Incompatible schema: ", "schema", ""},
	{bridge.ErrTooMany, http.StatusTooManyRequests, "Too many requests: ", "broker_limit", ""},
	{bridge.ErrTerminated, http.StatusServiceUnavailable, "Topic terminated: ", "terminated", ""},
	{bridge.ErrBacklogQuota, http.StatusServiceUnavailable, "Backlog quota exceeded: ", "backlog_quota", ""},
	{bridge.ErrUnavailable, http.StatusServiceUnavailable, "Broker unreachable: ", "broker_unreachable", ""},
	{bridge.ErrClosed, http.StatusServiceUnavailable, "Closed: ", "closed", ""},
	{bridge.ErrMemoryFull, http.StatusServiceUnavailable, "Memory limit reached: ", "", limitMemory},
	{bridge.ErrTimeout, http.StatusGatewayTimeout, "The broker did not answer in time: ", "broker_timeout", ""},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "The broker did not answer in time: ", "broker_timeout", ""},
}
