// Package http1 reads the heads of HTTP/1 requests from bytes, decides what a request is
// and makes the bytes of its answer. It holds no state and knows no connection: whoever
// reads the socket hands it what has come.
package http1

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// maxHeaderLines bounds the number of header fields of a request.
const maxHeaderLines = 128

// MaxBody bounds the body of a request that is no session, in bytes.
const MaxBody = 64 << 10

// Head is what decides how a request is read on, checked strictly: whatever
// another server on the way could understand differently is refused
// (RFC 9112 sections 2.2, 3.2, 5.1, 5.2 and 6.3).
type Head struct {
	Method   string
	Path     string // as it came, not decoded
	Query    string
	HTTP11   bool
	Body     int  // bytes that follow, unless it is streamed
	Streamed bool // its body is read as it comes, however long it is
	Waits    bool // the client may wait for a 100 before it sends them
}

// HeadEnd returns the length of the request head at the start of buf, with its
// last empty line, or -1 if it is not complete. The first from bytes are known
// not to contain the end.
func HeadEnd(buf []byte, from int) int {
	for at := max(from-3, 0); ; {
		i := bytes.IndexByte(buf[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		switch rest := buf[at:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return at + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return at + 2
		}
	}
}

// SkipEmptyLines returns buf without empty lines at its start (RFC 9112 section 2.2).
func SkipEmptyLines(buf []byte) []byte {
	for {
		rest, ok := bytes.CutPrefix(buf, []byte("\r\n"))
		if !ok {
			rest, ok = bytes.CutPrefix(buf, []byte("\n"))
		}
		if !ok {
			return buf
		}
		buf = rest
	}
}

// tlsRecord is the first byte of a TLS client's first record.
const tlsRecord = 0x16

// CheckBegun looks at a head that is not complete, so that what will never be a
// request is answered at once. The first from bytes were looked at already.
func CheckBegun(buf []byte, from int) *Refusal {
	if buf[0] == tlsRecord {
		return Refused(http.StatusBadRequest, "this port does not speak TLS")
	}
	for i := max(from-1, 0); i < len(buf); i++ {
		b := buf[i]
		bareCR := b == '\r' && i+1 < len(buf) && buf[i+1] != '\n'
		if bareCR || b != '\r' && b != '\n' && forbidden(rune(b)) {
			return Refused(http.StatusBadRequest, "control character in the request head")
		}
	}
	if end := bytes.IndexByte(buf, '\n'); end >= from {
		return new(Head).requestLine(strings.TrimSuffix(string(buf[:end]), "\r"))
	}
	return nil
}

// CheckHead reads a complete head. Its lines end with CRLF, or all of them with LF
// alone (RFC 9112 section 2.2). In a head with both, another server on the way may
// have taken two lines for one. streams tells for which paths a body may have any length.
func CheckHead(b []byte, streams func(path string) bool) (h Head, no *Refusal) {
	newline := "\n"
	if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' {
		newline = "\r\n"
	}
	text, whole := strings.CutSuffix(string(b), newline+newline)
	if !whole {
		return h, Refused(http.StatusBadRequest, "mixed line endings in the request head")
	}
	line, rest, _ := strings.Cut(text, newline)
	if no = h.requestLine(line); no != nil {
		return h, no
	}
	h.Streamed = streams(h.Path)
	seen := map[string]string{}
	for lines := 0; rest != ""; lines++ {
		if lines == maxHeaderLines {
			return h, Refused(http.StatusRequestHeaderFieldsTooLarge, "too many header fields")
		}
		if line, rest, _ = strings.Cut(rest, newline); strings.ContainsFunc(line, forbidden) {
			return h, Refused(http.StatusBadRequest, "control character in the request head")
		}
		name, value, colon := strings.Cut(line, ":")
		if !colon || !IsToken(name) {
			return h, Refused(http.StatusBadRequest, "malformed header field")
		}
		if name = strings.ToLower(name); !onlyOnce(name) {
			continue
		}
		if _, twice := seen[name]; twice {
			return h, Refused(http.StatusBadRequest, "header field "+name+" given twice")
		}
		seen[name] = strings.Trim(value, " \t")
	}
	return h, h.framing(seen)
}

func (h *Head) requestLine(line string) *Refusal {
	method, rest, ok1 := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !IsToken(method) || target == "" || strings.ContainsFunc(line, forbidden) || strings.ContainsAny(target+version, " \t") {
		return Refused(http.StatusBadRequest, "malformed request line")
	}
	switch version {
	case "HTTP/1.1":
		h.HTTP11 = true
	case "HTTP/1.0":
	default:
		if strings.HasPrefix(version, "HTTP/") {
			return Refused(http.StatusHTTPVersionNotSupported, "only HTTP/1.1 and HTTP/1.0 are supported")
		}
		return Refused(http.StatusBadRequest, "malformed request line")
	}
	h.Method = method
	if !strings.HasPrefix(target, "/") { // absolute form, RFC 9112 section 3.2.2
		_, after, found := strings.Cut(target, "://")
		if !found {
			return Refused(http.StatusBadRequest, "malformed request target")
		}
		slash := strings.IndexAny(after, "/?")
		switch {
		case slash < 0:
			target = "/"
		case after[slash] == '?':
			target = "/" + after[slash:]
		default:
			target = after[slash:]
		}
	}
	h.Path, h.Query, _ = strings.Cut(target, "?")
	return nil
}

// framing decides how long the body is.
func (h *Head) framing(seen map[string]string) *Refusal {
	if _, ok := seen["host"]; !ok && h.HTTP11 {
		return Refused(http.StatusBadRequest, "missing header field Host")
	}
	length, hasLength := seen["content-length"]
	if coding, coded := seen["transfer-encoding"]; coded {
		switch {
		case hasLength:
			return Refused(http.StatusBadRequest, "both Content-Length and Transfer-Encoding are given")
		case !h.Streamed:
			return Refused(http.StatusNotImplemented, "transfer codings are not supported")
		case !h.HTTP11:
			return Refused(http.StatusBadRequest, "HTTP/1.0 has no transfer codings")
		case !strings.EqualFold(coding, "chunked"):
			return Refused(http.StatusNotImplemented, "the only supported transfer coding is chunked")
		}
	}
	if what, ok := seen["expect"]; ok {
		if !strings.EqualFold(what, "100-continue") {
			return Refused(http.StatusExpectationFailed, "the only supported expectation is 100-continue")
		}
		h.Waits = h.HTTP11
	}
	if !hasLength {
		return nil
	}
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil || length[0] == '+' {
		return Refused(http.StatusBadRequest, "malformed Content-Length")
	}
	if n > MaxBody && !h.Streamed {
		return Refused(http.StatusRequestEntityTooLarge, "the body is longer than "+strconv.Itoa(MaxBody)+" bytes")
	}
	if !h.Streamed {
		h.Body = int(n)
	}
	return nil
}

// onlyOnce lists the header fields of which a second one would be ambiguous.
func onlyOnce(name string) bool {
	switch name {
	case "host", "content-length", "transfer-encoding", "expect", "origin", "authorization", "x-pulsar-auth-method-name", "sec-websocket-key", "sec-websocket-version":
		return true
	}
	return false
}

// forbidden reports characters that must not be in a head, a CR or LF
// alone among them.
func forbidden(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// IsToken reports whether s is a token (RFC 9110 section 5.6.2).
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
