package server

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
)

// requestTimeout bounds the work on a request that is no session.
const requestTimeout = 30 * time.Second

// request is the HTTP side of a connection. It belongs to the incoming side,
// guarded by conn.mu, and is dropped when a session opens.
type request struct {
	buf     []byte  // input not yet used, from a request's first byte on
	spent   int     // bytes at most that were taken off the front of buf and are still held with it
	scanned int     // bytes of buf in which the head's end is known not to be
	whole   int     // bytes of the request, its body included, once its head was read; 0: it was not
	asked   bool    // the client was told to send the body (100)
	accept  []byte  // the response to an upgrade, if the session opens
	topic   string  // of the upgrade, for the log
	cancel  func()  // gives up what is being worked on
	stream  *stream // what takes the input behind the head; nil: nothing
	taken   int     // bytes of its own buffer of input

	tls *tlsHandshake // nil: without TLS
}

// requests works on what was collected. The caller holds mu.
func (c *conn) requests() {
	if c.state() == life.Proxy && !c.proxyHeader() {
		return
	}
	for c.state() == life.Head {
		if rest := http1.SkipEmptyLines(c.req.buf); len(rest) < len(c.req.buf) {
			c.req.spend(len(c.req.buf) - len(rest))
		}
		if len(c.req.buf) == 0 || !c.nextRequest() {
			return
		}
	}
	c.holdBack() // whatever the end of the last request has let in
}

// nextRequest begins the work on the next request if it is complete.
func (c *conn) nextRequest() (begun bool) {
	r := c.req
	if len(r.buf) < r.whole {
		return false
	}
	from := r.scanned
	end := http1.HeadEnd(r.buf, from)
	r.scanned = len(r.buf)
	if no := c.tooLong(end); no != nil {
		c.refuse(no)
		return true
	}
	if end < 0 {
		if no := http1.CheckBegun(r.buf, from); no != nil {
			c.refuse(no)
			return true
		}
		return false
	}
	h, no := http1.CheckHead(r.buf[:end], c.s.isBrokers)
	if no != nil {
		c.refuse(no)
		return true
	}
	if h.Streamed {
		c.stream(&h, r.buf[:end], end)
		return true
	}
	if len(r.buf) < end+h.Body {
		r.scanned, r.whole = 0, end+h.Body
		if h.Waits && !r.asked {
			r.asked = true
			c.leave(wantFlush, func(m *mail) { m.raw = append(m.raw, "HTTP/1.1 100 Continue\r\n\r\n"...) })
		}
		return false
	}
	req, err := http1.ReadRequest(r.buf[:end], r.buf[end:end+h.Body])
	if err != nil {
		c.refuseMalformed(&h)
		return true
	}
	req.TLS = c.clientTLS()
	r.spend(end + h.Body)
	if isSessionPath(h.Path) {
		c.upgrade(&h, req)
	} else {
		c.handle(&h, req)
	}
	return true
}

// spend takes the first n bytes off the input: a request whose work begins, or empty lines before it. What is left is copied only
// when that is no more than was spent since, so that requests that come at once cost what their bytes cost.
func (r *request) spend(n int) {
	r.buf, r.spent, r.scanned, r.whole, r.asked = r.buf[n:], r.spent+n, 0, 0, false
	if r.spent >= len(r.buf) {
		r.buf, r.spent = bytes.Clone(r.buf), 0
	}
}

// held is how much memory the input takes, in bytes.
func (r *request) held() int { return r.spent + cap(r.buf) + r.taken }

// holdBack stalls the input of a connection that has sent enough behind a request that is being worked on. The caller
// holds mu.
func (c *conn) holdBack() {
	if c.state().Stage() == life.Working {
		c.stalled = len(c.req.buf) > maxPending
	}
}

// refuseMalformed answers a head that net/http does not take. For a session's
// path the reason names the segment at fault, if that is it.
func (c *conn) refuseMalformed(h *http1.Head) {
	malformed := http1.Refused(http.StatusBadRequest, "malformed request")
	if !isSessionPath(h.Path) {
		c.refuse(malformed)
		return
	}
	if _, no := c.s.parseRoute(h); no != nil {
		malformed = no
	}
	c.refuseUpgrade(h, malformed)
}

// tooLong checks the limits of a head of which end bytes, or if negative not
// yet all, are there.
func (c *conn) tooLong(end int) *http1.Refusal {
	most, buf := c.s.set(), c.req.buf
	line := bytes.IndexByte(buf[:min(len(buf), most.maxURLBytes+64)], '\n')
	if line < 0 && len(buf) >= most.maxURLBytes+64 {
		return http1.OverLimit(limitURL, http.StatusRequestURITooLong, "the request line is too long")
	}
	if line >= 0 {
		if fields := bytes.Fields(buf[:line]); len(fields) > 1 && len(fields[1]) > most.maxURLBytes {
			return http1.OverLimit(limitURL, http.StatusRequestURITooLong, "the URL is too long")
		}
	}
	if end > most.maxHeaderBytes || end < 0 && len(buf) > most.maxHeaderBytes {
		return http1.OverLimit(limitHead, http.StatusRequestHeaderFieldsTooLarge, "the request head is too long")
	}
	return nil
}

// placeOf is the bound that a request for path, as it came, counts in. Those by which a balancer or whoever restarts a process
// asks whether it is well have places of their own, or clients whose requests take long could have it taken for dead: very
// many of them with passwords to be checked are enough. The one that is answered without waiting for anything needs none.
func (s *Server) placeOf(path string) *bound {
	switch path {
	case pathHealth:
		return new(bound)
	case pathReady, pathStatus:
		return &s.probes
	}
	return &s.requests
}

// handle runs a request that is no session. The caller holds mu.
func (c *conn) handle(h *http1.Head, req *http.Request) {
	s := c.s
	place := s.placeOf(h.Path)
	if !place.take() {
		c.refuse(http1.OverLimit(limitRequests, http.StatusServiceUnavailable, "too many concurrent requests"))
		return
	}
	after := closeAfter
	if h.KeepsAlive(req.Header) && !s.leaving.Load() && !c.refused {
		after = keepOpen
	}
	remote := c.remote()
	req.RemoteAddr = remote.String()
	ctx, cancel := context.WithTimeout(context.WithValue(s.ctx, http.LocalAddrContextKey, c.localAddr()), requestTimeout)
	c.req.cancel = cancel
	c.on(life.Asked)
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		defer place.give()
		defer cancel()
		rec := s.run(req.WithContext(ctx))
		s.tellAnswer(req, rec, remote)
		c.leave(wantFlush, func(m *mail) {
			m.raw, m.hasRaw, m.after = rec.Append(m.raw, req.Method == http.MethodHead, after == closeAfter), true, after
		})
	}()
}

// tellAnswer tells the operator of a request that was refused by its handler. What
// balancers ask all the time is no incident, whatever the answer.
func (s *Server) tellAnswer(req *http.Request, rec *http1.Recorder, remote netip.AddrPort) {
	path := req.URL.EscapedPath()
	if rec.Status < http.StatusBadRequest || rec.Told || path == pathReady || path == pathStatus {
		return
	}
	s.incidents.add(incident{what: "request refused", code: rec.Status, reason: rec.Reason, remote: remote, more: []any{"path", path}})
}

// run calls the handler. A panic in it is answered with 500.
func (s *Server) run(req *http.Request) (rec *http1.Recorder) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked("serving "+req.URL.Path, p, debug.Stack())
			rec = &http1.Recorder{}
			http1.WriteReason(rec, http.StatusInternalServerError, "internal error")
		}
	}()
	rec = &http1.Recorder{}
	s.handler.ServeHTTP(rec, req)
	return rec
}

// answered is called when a response is in the output.
func (w *worker) answered(c *conn, after afterwards) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.recoverSession()
	if after == closeAfter || w.s.draining.Load() {
		c.on(life.LastOut)
		w.scheduleLocked(c)
		return
	}
	if !c.state().Works() {
		return
	}
	c.req.cancel = nil
	// A client that does not take its answers gets no more of them.
	if c.unsent.Load() > 0 {
		c.on(life.Waits)
		return // the flush that finds it taken comes here again
	}
	c.on(life.Taken)
	c.requests()
	w.scheduleLocked(c)
	c.wake(wantRead)
}

// refuse answers a request that is no session with a reason, tells the operator, and
// ends the connection. The caller holds mu.
func (c *conn) refuse(no *http1.Refusal) {
	c.tellRefusal("request refused", no)
	c.sayNo(no)
}

func (c *conn) tellRefusal(what string, no *http1.Refusal, more ...any) {
	c.s.incidents.add(incident{what: what, code: no.Status, limit: no.Limit, reason: no.Reason, remote: c.remote(), more: more})
}

// sayNo answers with a reason and ends the connection. The caller holds mu.
func (c *conn) sayNo(no *http1.Refusal) {
	rec := &http1.Recorder{}
	if no.Header != "" {
		name, value, _ := strings.Cut(no.Header, ": ")
		rec.Header().Set(name, value)
	}
	http1.WriteReason(rec, no.Status, no.Reason)
	raw := rec.Append(nil, false, true)
	c.req = nil
	c.on(life.Fail)
	c.leave(wantFlush, func(m *mail) { m.raw, m.hasRaw, m.after = append(m.raw, raw...), true, closeAfter })
}
