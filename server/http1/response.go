package http1

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Recorder is an [http.ResponseWriter] that collects a whole response.
type Recorder struct {
	Status int
	Body   []byte
	Reason string // why the request is refused, for the log
	Told   bool   // the operator knows already

	header http.Header
	whole  *Whole // what it was given, nil: nothing
}

// KeepReason notes why the request is refused.
func (r *Recorder) KeepReason(reason string) { r.Reason = reason }

// Header implements [http.ResponseWriter].
func (r *Recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader implements [http.ResponseWriter].
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 {
		r.Status = status
	}
}

// Write implements [http.ResponseWriter].
func (r *Recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.Body = append(r.Body, p...)
	return len(p), nil
}

// Append appends the response as it goes over the wire; closes: the connection ends with it. The answer to a
// HEAD request has no body (RFC 9110 section 9.3.2). With nothing in dst it may be bytes that others have, too: they
// are only read and, by append, copied.
func (r *Recorder) Append(dst []byte, noBody bool, closes bool) []byte {
	if r.whole != nil && len(dst) == 0 && !noBody {
		return r.whole.bytes(closes)
	}
	r.WriteHeader(http.StatusOK)
	dst = appendStatusLine(dst, r.Status)
	for name, values := range r.header {
		if name == "Content-Length" || name == "Connection" || name == "Transfer-Encoding" {
			continue
		}
		for _, v := range values {
			dst = append(append(append(append(dst, name...), ": "...), v...), "\r\n"...)
		}
	}
	if r.Status != http.StatusNoContent && r.Status != http.StatusNotModified {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(r.Body)), 10)
		dst = append(dst, "\r\n"...)
	} else {
		noBody = true
	}
	if closes {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	if noBody {
		return dst
	}
	return append(dst, r.Body...)
}

func appendStatusLine(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(append(append(dst, ' '), http.StatusText(status)...), "\r\nDate: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	return append(dst, "\r\n"...)
}

// WriteReason answers as Pulsar's admin API does: {"reason":"…"}.
func WriteReason(w http.ResponseWriter, status int, reason string) {
	if rec, ok := w.(*Recorder); ok {
		rec.Reason = reason
	}
	WriteJSON(w, status, struct {
		Reason string `json:"reason"`
	}{reason})
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"reason":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// StatusLine begins a response, without a date.
func StatusLine(status int) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
}

// AppendFields appends header fields, of which net/http or we have made sure that they hold no line end.
func AppendFields(b []byte, header http.Header) []byte {
	for name, values := range header {
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	return b
}
