package wire

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// maxHead bounds a server's answer to the handshake, in bytes.
const maxHead = 64 << 10

// ErrRefused is wrapped by [Refusal].
var ErrRefused = errors.New("the server refused the session")

// Refusal is an answer to the handshake other than 101.
type Refusal struct {
	Status int
	Reason string // what the body says, in short; may be empty
}

func (r *Refusal) Error() string {
	s := fmt.Sprintf("%v: %d %s", ErrRefused, r.Status, http.StatusText(r.Status))
	if r.Reason != "" {
		s += ": " + r.Reason
	}
	return s
}

// Unwrap makes a refusal an [ErrRefused].
func (r *Refusal) Unwrap() error { return ErrRefused }

// Key is the Sec-WebSocket-Key that all handshakes of this package send. It need
// not differ: it only proves that the server speaks the protocol.
const Key = "cHVsc2VnYXRlLWJlbmNoLg=="

var accept = acceptKey(Key)

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// AppendUpgrade appends a client's handshake (RFC 6455 section 4.1). The lines
// are further header lines without line ends.
func AppendUpgrade(dst []byte, host, target string, lines ...string) []byte {
	dst = fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", target, host, Key)
	for _, l := range lines {
		dst = append(append(dst, l...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// ReadAnswer reads the server's answer from all bytes that came so far. It
// returns the number of bytes that belong to the answer, or 0 while more are
// needed. A [Refusal] is only complete with its body: ended says that no more
// will come.
func ReadAnswer(b []byte, ended bool) (n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return 0, fmt.Errorf("%w: an endless answer to the handshake", ErrProtocol)
		}
		return 0, nil
	}
	end += 4
	if head, ok := bytes.CutPrefix(b[:end], []byte("HTTP/1.1 101 ")); ok {
		if got := field(head, "Sec-WebSocket-Accept"); got != accept {
			return 0, fmt.Errorf("%w: Sec-WebSocket-Accept %q does not fit the handshake", ErrProtocol, got)
		}
		return end, nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return 0, fmt.Errorf("%w: no HTTP answer to the handshake: %w", ErrProtocol, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHead))
	if err != nil && !ended && len(b) < maxHead {
		return 0, nil
	}
	return len(b), &Refusal{resp.StatusCode, reason(body)}
}

// field returns the value of a header field. It makes no map of all fields, as
// this runs for every session.
func field(head []byte, name string) string {
	for line := range bytes.Lines(head) {
		if key, value, ok := bytes.Cut(line, []byte{':'}); ok && strings.EqualFold(string(key), name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

var (
	htmlTags = regexp.MustCompile(`(?s)<(style|script|title).*?</(style|script|title)>|<[^>]*>`)
	spaces   = regexp.MustCompile(`\s+`)
)

// maxReason bounds a reason, in bytes.
const maxReason = 300

// reason makes one line of a refusal's body: the JSON field "reason" of Pulsar's
// own answers, the text of a page.
func reason(body []byte) string {
	var said struct {
		Reason string `json:"reason"`
	}
	text := string(body)
	if json.Unmarshal(body, &said) == nil && said.Reason != "" {
		text = said.Reason
	} else if strings.Contains(text, "<html") {
		text = htmlTags.ReplaceAllString(text, " ")
	}
	text = strings.TrimSpace(spaces.ReplaceAllString(strings.ToValidUTF8(text, "?"), " "))
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}
