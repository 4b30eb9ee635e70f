package server

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// requestTimeout bounds the work on a request that is no session.
const requestTimeout = 30 * time.Second

// request is the HTTP side of a connection. It belongs to the incoming side,
// guarded by conn.mu, and is dropped when a session opens.
type request struct {
	buf     []byte  // input not yet used, from a request's first byte on
	scanned int     // bytes of buf in which the head's end is known not to be
	asked   bool    // the client was told to send the body (100)
	accept  []byte  // the response to an upgrade, if the session opens
	topic   string  // of the upgrade, for the log
	cancel  func()  // gives up what is being worked on
	stream  *stream // what takes the input behind the head; nil: nothing
	taken   int     // bytes of its own buffer of input
}

// requests works on what was collected. The caller holds mu.
func (c *conn) requests() {
	if c.phase == phaseProxy && !c.proxyHeader() {
		return
	}
	for c.phase == phaseHead {
		if rest := skipEmptyLines(c.req.buf); len(rest) < len(c.req.buf) {
			c.req.buf, c.req.scanned = rest, 0
		}
		if len(c.req.buf) == 0 || !c.nextRequest() {
			return
		}
	}
}

// nextRequest begins the work on the next request if it is complete.
func (c *conn) nextRequest() (begun bool) {
	r := c.req
	from := r.scanned
	end := headEnd(r.buf, from)
	r.scanned = len(r.buf)
	if no := c.tooLong(end); no != nil {
		c.refuse(no)
		return true
	}
	if end < 0 {
		if no := checkBegun(r.buf, from); no != nil {
			c.refuse(no)
			return true
		}
		return false
	}
	h, no := checkHead(r.buf[:end], c.s.isBrokers)
	if no != nil {
		c.refuse(no)
		return true
	}
	if h.stream {
		c.stream(&h, r.buf[:end], end)
		return true
	}
	if len(r.buf) < end+h.body {
		r.scanned = 0
		if h.waits && !r.asked {
			r.asked = true
			c.leave(wantFlush, func(m *mail) { m.raw = append(m.raw, "HTTP/1.1 100 Continue\r\n\r\n"...) })
		}
		return false
	}
	req, err := readRequest(r.buf[:end], r.buf[end:end+h.body])
	if err != nil {
		c.refuseMalformed(&h)
		return true
	}
	req.TLS = c.clientTLS()
	r.buf, r.scanned, r.asked = bytes.Clone(r.buf[end+h.body:]), 0, false
	if isSessionPath(h.path) {
		c.upgrade(&h, req)
	} else {
		c.handle(&h, req)
	}
	return true
}

// refuseMalformed answers a head that net/http does not take. For a session's
// path the reason names the segment at fault, if that is it.
func (c *conn) refuseMalformed(h *head) {
	malformed := refused(http.StatusBadRequest, "malformed request")
	if !isSessionPath(h.path) {
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
func (c *conn) tooLong(end int) *refusal {
	most, buf := c.s.set(), c.req.buf
	line := bytes.IndexByte(buf[:min(len(buf), most.maxURLBytes+64)], '\n')
	if line < 0 && len(buf) >= most.maxURLBytes+64 {
		return overLimit(limitURL, http.StatusRequestURITooLong, "the request line is too long")
	}
	if line >= 0 {
		if fields := bytes.Fields(buf[:line]); len(fields) > 1 && len(fields[1]) > most.maxURLBytes {
			return overLimit(limitURL, http.StatusRequestURITooLong, "the URL is too long")
		}
	}
	if end > most.maxHeaderBytes || end < 0 && len(buf) > most.maxHeaderBytes {
		return overLimit(limitHead, http.StatusRequestHeaderFieldsTooLarge, "the request's head is too long")
	}
	return nil
}

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// readRequest parses a head that was checked.
func readRequest(head, body []byte) (*http.Request, error) {
	br := readers.Get().(*bufio.Reader)
	br.Reset(bytes.NewReader(head))
	req, err := http.ReadRequest(br)
	br.Reset(nil)
	readers.Put(br)
	if err != nil {
		return nil, err
	}
	req.Body, req.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(bytes.Clone(body)))
	}
	return req, nil
}

// handle runs a request that is no session. The caller holds mu.
func (c *conn) handle(h *head, req *http.Request) {
	s := c.s
	if !s.requests.take() {
		c.refuse(overLimit(limitRequests, http.StatusServiceUnavailable, "too many requests at once"))
		return
	}
	after := closeAfter
	if keepsAlive(h, req) && !s.leaving.Load() && !c.refused {
		after = keepOpen
	}
	remote := c.remote
	req.RemoteAddr = remote.String()
	ctx, cancel := context.WithTimeout(s.ctx, requestTimeout)
	c.req.cancel = cancel
	c.setPhase(phaseBusy)
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		defer s.requests.give()
		defer cancel()
		rec := s.run(req.WithContext(ctx))
		s.tellAnswer(req, rec, remote)
		c.leave(wantFlush, func(m *mail) {
			m.raw, m.hasRaw, m.after = rec.appendResponse(m.raw, req.Method == http.MethodHead, after), true, after
		})
	}()
}

// tellAnswer tells the operator of a request that was refused by its handler. What
// balancers ask all the time is no incident, whatever the answer.
func (s *Server) tellAnswer(req *http.Request, rec *recorder, remote netip.AddrPort) {
	path := req.URL.EscapedPath()
	if rec.status < http.StatusBadRequest || rec.told || path == pathReady || path == pathStatus {
		return
	}
	s.incidents.add(incident{what: "request refused", code: rec.status, reason: rec.reason, remote: remote, more: []any{"path", path}})
}

// run calls the handler. A panic in it is answered with 500.
func (s *Server) run(req *http.Request) (rec *recorder) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked("serving "+req.URL.Path, p, debug.Stack())
			rec = &recorder{}
			writeReason(rec, http.StatusInternalServerError, "internal error")
		}
	}()
	rec = &recorder{}
	s.handler.ServeHTTP(rec, req)
	return rec
}

func keepsAlive(h *head, req *http.Request) bool {
	return h.http11 && !hasConnectionToken(req.Header, "close")
}

func hasConnectionToken(header http.Header, token string) bool {
	return hasToken(header["Connection"], token)
}

// hasToken reports whether one of the values, each a list separated by commas,
// has the token in any case.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// answered is called when a response is in the output.
func (w *worker) answered(c *conn, after afterwards) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.recoverSession()
	if after == closeAfter || w.s.draining.Load() {
		c.half = true
		if c.phase != phaseGone {
			c.setPhase(phaseDiscard)
		}
		w.scheduleLocked(c)
		return
	}
	if c.phase != phaseBusy {
		return
	}
	c.req.cancel = nil
	// A client that does not take its answers gets no more of them.
	if c.answering = c.unsent.Load() > 0; c.answering {
		return // the flush that finds it taken comes here again
	}
	c.setPhase(phaseHead)
	c.stalled = false
	c.requests()
	w.scheduleLocked(c)
	c.wake(wantRead)
}

// handshakeTimeout ends a connection that did not send a request in time.
func (c *conn) handshakeTimeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.req == nil || len(c.req.buf) == 0 {
		c.setPhase(phaseDiscard)
		c.hangUp()
		return
	}
	if c.s.draining.Load() {
		c.refuse(refused(http.StatusServiceUnavailable, errDraining.Error()))
		return
	}
	c.refuse(overLimit(limitHandshake, http.StatusRequestTimeout, "the request did not come in time"))
}
