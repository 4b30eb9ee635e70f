package server

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// maxHeaderLines bounds the number of header fields of a request.
const maxHeaderLines = 128

// maxBody bounds the body of a request that is no session, in bytes.
const maxBody = 64 << 10

// head is what decides how a request is read on, checked strictly: whatever
// another server on the way could understand differently is refused
// (RFC 9112 sections 2.2, 3.2, 5.1, 5.2 and 6.3).
type head struct {
	method string
	path   string // as it came, not decoded
	query  string
	http11 bool
	body   int  // bytes that follow, unless it is streamed
	stream bool // its body is read as it comes, however long it is
	waits  bool // the client may wait for a 100 before it sends them
}

// refusal is an answer that says no.
type refusal struct {
	status int
	reason string
	header string // one more header line
	limit  string // key of the limit that is reached, for the log; "" for none
}

func refused(status int, reason string) *refusal { return &refusal{status: status, reason: reason} }

// overLimit is a refusal for a limit, by its key.
func overLimit(key string, status int, reason string) *refusal {
	return &refusal{status: status, reason: reason, limit: key}
}

// headEnd returns the length of the request head at the start of buf, with its
// last empty line, or -1 if it is not complete. The first from bytes are known
// not to contain the end.
func headEnd(buf []byte, from int) int {
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

// skipEmptyLines returns buf without empty lines at its start (RFC 9112 section 2.2).
func skipEmptyLines(buf []byte) []byte {
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

// checkBegun looks at a head that is not complete, so that what will never be a
// request is answered at once. The first from bytes were looked at already.
func checkBegun(buf []byte, from int) *refusal {
	if buf[0] == tlsRecord {
		return refused(http.StatusBadRequest, "this port does not speak TLS")
	}
	for i := max(from-1, 0); i < len(buf); i++ {
		b := buf[i]
		bareCR := b == '\r' && i+1 < len(buf) && buf[i+1] != '\n'
		if bareCR || b != '\r' && b != '\n' && forbidden(rune(b)) {
			return refused(http.StatusBadRequest, "control character in the request's head")
		}
	}
	if end := bytes.IndexByte(buf, '\n'); end >= from {
		return new(head).requestLine(strings.TrimSuffix(string(buf[:end]), "\r"))
	}
	return nil
}

// checkHead reads a complete head. Its lines end with CRLF, or all of them with LF
// alone (RFC 9112 section 2.2). In a head with both, another server on the way may
// have taken two lines for one. streams tells for which paths a body may have any length.
func checkHead(b []byte, streams func(path string) bool) (h head, no *refusal) {
	newline := "\n"
	if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' {
		newline = "\r\n"
	}
	text, whole := strings.CutSuffix(string(b), newline+newline)
	if !whole {
		return h, refused(http.StatusBadRequest, "line ends of two kinds in the request's head")
	}
	line, rest, _ := strings.Cut(text, newline)
	if no = h.requestLine(line); no != nil {
		return h, no
	}
	h.stream = streams(h.path)
	seen := map[string]string{}
	for lines := 0; rest != ""; lines++ {
		if lines == maxHeaderLines {
			return h, refused(http.StatusRequestHeaderFieldsTooLarge, "too many header fields")
		}
		if line, rest, _ = strings.Cut(rest, newline); strings.ContainsFunc(line, forbidden) {
			return h, refused(http.StatusBadRequest, "control character in the request's head")
		}
		name, value, colon := strings.Cut(line, ":")
		if !colon || !isToken(name) {
			return h, refused(http.StatusBadRequest, "malformed header field")
		}
		if name = strings.ToLower(name); !onlyOnce(name) {
			continue
		}
		if _, twice := seen[name]; twice {
			return h, refused(http.StatusBadRequest, "header field "+name+" given twice")
		}
		seen[name] = strings.Trim(value, " \t")
	}
	return h, h.framing(seen)
}

func (h *head) requestLine(line string) *refusal {
	method, rest, ok1 := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !isToken(method) || target == "" || strings.ContainsFunc(line, forbidden) || strings.ContainsAny(target+version, " \t") {
		return refused(http.StatusBadRequest, "malformed request line")
	}
	switch version {
	case "HTTP/1.1":
		h.http11 = true
	case "HTTP/1.0":
	default:
		if strings.HasPrefix(version, "HTTP/") {
			return refused(http.StatusHTTPVersionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
		}
		return refused(http.StatusBadRequest, "malformed request line")
	}
	h.method = method
	if !strings.HasPrefix(target, "/") { // absolute form, RFC 9112 section 3.2.2
		_, after, found := strings.Cut(target, "://")
		if !found {
			return refused(http.StatusBadRequest, "malformed request target")
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
	h.path, h.query, _ = strings.Cut(target, "?")
	return nil
}

// framing decides how long the body is.
func (h *head) framing(seen map[string]string) *refusal {
	if _, ok := seen["host"]; !ok && h.http11 {
		return refused(http.StatusBadRequest, "no Host header field")
	}
	length, hasLength := seen["content-length"]
	if coding, coded := seen["transfer-encoding"]; coded {
		switch {
		case hasLength:
			return refused(http.StatusBadRequest, "both Content-Length and Transfer-Encoding")
		case !h.stream:
			return refused(http.StatusNotImplemented, "no transfer coding is taken")
		case !h.http11:
			return refused(http.StatusBadRequest, "HTTP/1.0 knows no transfer coding")
		case !strings.EqualFold(coding, "chunked"):
			return refused(http.StatusNotImplemented, "no transfer coding is taken but chunked")
		}
	}
	if what, ok := seen["expect"]; ok {
		if !strings.EqualFold(what, "100-continue") {
			return refused(http.StatusExpectationFailed, "no expectation is met but 100-continue")
		}
		h.waits = h.http11
	}
	if !hasLength {
		return nil
	}
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil || length[0] == '+' {
		return refused(http.StatusBadRequest, "malformed Content-Length")
	}
	if n > maxBody && !h.stream {
		return refused(http.StatusRequestEntityTooLarge, "the body is longer than "+strconv.Itoa(maxBody)+" bytes")
	}
	if !h.stream {
		h.body = int(n)
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

// forbidden reports characters that do not belong into a head, a CR or LF
// alone among them.
func forbidden(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
