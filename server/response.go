package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// recorder is an [http.ResponseWriter] that collects a whole response.
type recorder struct {
	header http.Header
	status int
	body   []byte
	reason string // why the request is refused, for the log
	told   bool   // the operator knows already
}

// Header implements [http.ResponseWriter].
func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, p...)
	return len(p), nil
}

// appendResponse appends the response as it goes over the wire. The answer to a
// HEAD request has no body (RFC 9110 section 9.3.2).
func (r *recorder) appendResponse(dst []byte, noBody bool, after afterwards) []byte {
	r.WriteHeader(http.StatusOK)
	dst = appendStatusLine(dst, r.status)
	for name, values := range r.header {
		if name == "Content-Length" || name == "Connection" || name == "Transfer-Encoding" {
			continue
		}
		for _, v := range values {
			dst = append(append(append(append(dst, name...), ": "...), v...), "\r\n"...)
		}
	}
	if r.status != http.StatusNoContent && r.status != http.StatusNotModified {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(r.body)), 10)
		dst = append(dst, "\r\n"...)
	} else {
		noBody = true
	}
	if after == closeAfter {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	if noBody {
		return dst
	}
	return append(dst, r.body...)
}

func appendStatusLine(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(append(append(dst, ' '), http.StatusText(status)...), "\r\nDate: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	return append(dst, "\r\n"...)
}

// writeReason answers as Pulsar's admin API does: {"reason":"…"}.
func writeReason(w http.ResponseWriter, status int, reason string) {
	if rec, ok := w.(*recorder); ok {
		rec.reason = reason
	}
	writeJSON(w, status, struct {
		Reason string `json:"reason"`
	}{reason})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"reason":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// refuse answers a request that is no session with a reason, tells the operator, and
// ends the connection. The caller holds mu.
func (c *conn) refuse(no *refusal) {
	c.tellRefusal("request refused", no)
	c.sayNo(no)
}

func (c *conn) tellRefusal(what string, no *refusal, more ...any) {
	c.s.incidents.add(incident{what: what, code: no.status, limit: no.limit, reason: no.reason, remote: c.remote, more: more})
}

// sayNo answers with a reason and ends the connection. The caller holds mu.
func (c *conn) sayNo(no *refusal) {
	rec := &recorder{}
	if no.header != "" {
		name, value, _ := strings.Cut(no.header, ": ")
		rec.Header().Set(name, value)
	}
	writeReason(rec, no.status, no.reason)
	raw := rec.appendResponse(nil, false, closeAfter)
	c.req, c.stalled = nil, false
	c.setPhase(phaseDiscard)
	c.leave(wantFlush, func(m *mail) { m.raw, m.hasRaw, m.after = append(m.raw, raw...), true, closeAfter })
}
