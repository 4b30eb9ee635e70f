package http1

import (
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

const upgrade = "GET /ws/v2/producer/persistent/public/default/t HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func FuzzHead(f *testing.F) {
	f.Add(upgrade)
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	f.Add("GET http://h?q HTTP/1.1\r\n\r\n")
	f.Add("GET / HTTP/1.1\nHost: a\n\n")
	f.Add("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		end := HeadEnd([]byte(text), 0)
		if end < 0 {
			return
		}
		h, no := CheckHead([]byte(text[:end]), func(string) bool { return false })
		if no != nil {
			return
		}
		if crlf := strings.Count(text[:end], "\r\n"); crlf != 0 && crlf != strings.Count(text[:end], "\n") {
			t.Fatalf("%q has line ends of two kinds", text)
		}
		if !strings.HasPrefix(h.Path, "/") || h.Body < 0 || h.Body > MaxBody {
			t.Fatalf("%q: %+v", text, h)
		}
		req, err := ReadRequest([]byte(text[:end]), nil)
		if err != nil {
			return
		}
		if CheckUpgrade(&h, req.Header) == nil && !websocket.IsWebSocketUpgrade(req) {
			t.Fatalf("%q is no upgrade", text)
		}
	})
}
