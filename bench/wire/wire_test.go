package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/codec/ws"
)

// serverSide collects what the server's reader makes of our frames.
type serverSide struct{ got []string }

func (s *serverSide) Message(op ws.Opcode, p []byte) bool {
	s.got = append(s.got, fmt.Sprintf("%d:%s", op, p))
	return true
}
func (s *serverSide) Ping(p []byte)       { s.got = append(s.got, "ping:"+string(p)) }
func (s *serverSide) Costly(m *ws.Costly) { m.Release() }
func (s *serverSide) Pong(p []byte)       { s.got = append(s.got, "pong:"+string(p)) }
func (s *serverSide) Close(code uint16, why string) {
	s.got = append(s.got, fmt.Sprint("close:", code, why))
}

// What we build is what the gateway's own strict reader takes.
func TestFramesAreTakenByAServer(t *testing.T) {
	var out []byte
	var want []string
	for _, n := range []int{0, 1, 7, 125, 126, 127, 65535, 65536, 100_000} {
		p := strings.Repeat("x", n)
		out = AppendFrame(out, Text, []byte(p), rand.Uint32())
		want = append(want, "1:"+p)
	}
	out = AppendFrame(out, Pong, []byte("abc"), 0x01020304)
	out = AppendClose(out, 1000, "bye", 7)
	want = append(want, "pong:abc", "close:1000bye")
	var r ws.Reader
	s := new(serverSide)
	if _, err := r.Feed(&ws.Limits{MaxMessage: 1 << 20}, out, s); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(s.got) != fmt.Sprint(want) {
		t.Errorf("the server got %d items, want %d", len(s.got), len(want))
	}
}

type clientSide struct{ got []string }

func (c *clientSide) Message(p []byte) { c.got = append(c.got, string(p)) }
func (c *clientSide) Ping(p []byte)    { c.got = append(c.got, "ping:"+string(p)) }
func (c *clientSide) Closed(code uint16, why string) {
	c.got = append(c.got, fmt.Sprint("close:", code, why))
}
func (c *clientSide) equal(t *testing.T, want []string) {
	t.Helper()
	if len(c.got) != len(want) {
		t.Fatalf("got %d items, want %d", len(c.got), len(want))
	}
	for i := range want {
		if c.got[i] != want[i] {
			t.Fatalf("item %d: got %.60q, want %.60q", i, c.got[i], want[i])
		}
	}
}

// The same items come out however the bytes are cut.
func TestReaderTakesFramesInAnyPieces(t *testing.T) {
	var in []byte
	var want []string
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		p := strings.Repeat(string(rune('a'+n%26)), n)
		in = ws.AppendFrame(in, ws.OpText, []byte(p))
		want = append(want, p)
	}
	in = append(in, 0x01, 2, 'a', 'b', 0x89, 1, '!', 0x80, 1, 'c') // fragments with a ping between
	want = append(want, "ping:!", "abc")
	long := strings.Repeat("compress me ", 200)
	in = ws.AppendTextDeflated(in, func(b []byte) []byte { return append(b, long...) })
	want = append(want, long)
	in = ws.AppendClose(in, 4003, "why")
	in = append(in, "behind the close"...)
	want = append(want, "close:4003why")
	for _, step := range []int{1, 3, 1000, len(in)} {
		var r Reader
		h := new(clientSide)
		for rest := in; len(rest) > 0; {
			n := min(step, len(rest))
			// The reader may keep no reference to what it was fed.
			piece := bytes.Clone(rest[:n])
			if err := r.Feed(piece, h); err != nil {
				t.Fatal(err)
			}
			clear(piece)
			rest = rest[n:]
		}
		h.equal(t, want)
		r.Release()
		if r != (Reader{}) {
			t.Error("a released reader is not as new")
		}
	}
}

func TestReaderFindsViolations(t *testing.T) {
	for name, in := range map[string]string{
		"masked":                 "\x81\x81abcd",
		"reserved bit":           "\xa1\x00",
		"reserved opcode":        "\x83\x00",
		"control opcode":         "\x8b\x00",
		"fragmented ping":        "\x09\x00",
		"continuation of no one": "\x80\x00",
		"new one in a message":   "\x01\x00\x81\x00",
		"huge":                   "\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00",
		"not deflate":            "\xc1\x03\xff\xff\xff",
	} {
		var r Reader
		if err := r.Feed([]byte(in), new(clientSide)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnswer(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + ws.AcceptKey(Key) + "\r\n\r\n"
	if n, err := ReadAnswer([]byte(good+"\x81\x00"), false); n != len(good) || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for i := range len(good) - 1 {
		if n, err := ReadAnswer([]byte(good[:i]), false); n != 0 || err != nil {
			t.Fatalf("of %d bytes: %d, %v", i, n, err)
		}
	}
	if _, err := ReadAnswer([]byte(strings.Replace(good, "Accept: ", "Accept: x", 1)), false); !errors.Is(err, ErrProtocol) {
		t.Errorf("a wrong key: %v", err)
	}
	if _, err := ReadAnswer([]byte("hello\r\n\r\n"), false); !errors.Is(err, ErrProtocol) {
		t.Errorf("no HTTP: %v", err)
	}
	for body, want := range map[string]string{
		`{"reason":"no such\ntopic"}`: "no such topic",
		"<html><head><title>Error 409</title></head><body><h2>HTTP ERROR 409 busy</h2></body></html>": "HTTP ERROR 409 busy",
		"": "",
	} {
		full := fmt.Sprintf("HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if body != "" {
			if n, err := ReadAnswer([]byte(full[:len(full)-1]), false); n != 0 || err != nil {
				t.Errorf("incomplete: %d, %v", n, err)
			}
		}
		_, err := ReadAnswer([]byte(full), false)
		var no *Refusal
		if !errors.As(err, &no) || no.Status != 409 || no.Reason != want {
			t.Errorf("%q: got %v", body, err)
		}
	}
}
