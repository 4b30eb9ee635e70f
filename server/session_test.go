package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/codec"
)

// openOne opens a session whose other side is returned.
func openOne(t *testing.T, s *Server, b *fakeBridge, path string) (*websocket.Conn, *fakeSession, *fakeOpen) {
	t.Helper()
	sessions := make(chan *fakeSession, 1)
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		sessions <- fs
		return fs
	}
	c := dial(t, s, path)
	return c, <-sessions, opened(t, b)
}

func TestEcho(t *testing.T) {
	s := start(t, echoBridge())
	c := dial(t, s, producerPath)
	for _, m := range []string{"a", "b", "c"} {
		say(t, c, "%s", m)
	}
	for _, m := range []string{"a", "b", "c"} {
		if got := message(t, c); got != m {
			t.Fatalf("got %q, want %q", got, m)
		}
	}
	if err := c.WriteMessage(websocket.BinaryMessage, []byte("binary")); err != nil {
		t.Fatal(err)
	}
	if got := message(t, c); got != "binary" {
		t.Fatalf("got %q", got)
	}
}

func TestLargeMessages(t *testing.T) {
	s := start(t, echoBridge())
	c := dial(t, s, producerPath)
	for _, n := range []int{125, 126, 65535, 65536, 300_000, 1 << 20} {
		m := strings.Repeat("x", n)
		say(t, c, "%s", m)
		if got := message(t, c); got != m {
			t.Fatalf("%d bytes came back as %d", n, len(got))
		}
	}
	say(t, c, "%s", strings.Repeat("x", 1<<20+1))
	_, _, err := c.ReadMessage()
	if code := closeCode(t, err); code != 1009 {
		t.Fatalf("close code %d, want 1009", code)
	}
}

// Of a frame that is long most is read to where it is kept, and not what is behind it.
func TestLargeFrames(t *testing.T) {
	s := start(t, echoBridge())
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	if res, _ := c.response(); res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res.Status)
	}
	var long strings.Builder // no part of it is like another
	for i := 0; long.Len() < 1<<20; i++ {
		fmt.Fprintf(&long, "%d ", i)
	}
	sizes := []int{70_000, 90_000, 20, 300_000, 1 << 20, 100_000, 1 << 20}
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for _, n := range sizes {
			if _, err := io.WriteString(c, clientFrame(1, long.String()[:n])); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for _, n := range sizes {
		if _, got := c.frame(); got != long.String()[:n] {
			t.Fatalf("%d bytes came back as %d others", n, len(got))
		}
	}
}

func TestCompressedSession(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.Compression = true })
	d := websocket.Dialer{HandshakeTimeout: patience, EnableCompression: true}
	c, resp, err := d.Dial("ws://"+s.Addr().String()+producerPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if !strings.Contains(resp.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate") {
		t.Fatalf("headers %v", resp.Header)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	m := strings.Repeat("compress me ", 1000)
	say(t, c, "%s", m)
	if got := message(t, c); got != m {
		t.Fatalf("got %d bytes", len(got))
	}
	if sent := s.bytesOut(); sent > 4000 {
		t.Fatalf("%d bytes were sent: not compressed", sent)
	}
}

func TestFramesBehindTheHandshake(t *testing.T) {
	s := start(t, echoBridge())
	c := dialRaw(t, s)
	frame := clientFrame(1, "hello")
	c.send(upgradeHead(producerPath) + clientFrame(1, "first") + frame[:5])
	if resp, _ := c.response(); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.send(frame[5:])
	want := "\x81\x05first\x81\x05hello"
	got := make([]byte, len(want))
	if _, err := readFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestHandleErrorClosesWithItsCode(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, _ := openOne(t, s, b, producerPath)
	fs.handle = func([]byte) error { return &codec.Error{Code: codec.CodeDeserialize, Detail: "no such thing"} }
	say(t, c, "x")
	_, _, err := c.ReadMessage()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != 4003 || !strings.Contains(ce.Text, "no such thing") {
		t.Fatalf("got %v", err)
	}
	receive(t, fs.closed, "the session's end")
	eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
}

func TestEndSendsWhatWasWrittenFirst(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, o := openOne(t, s, b, consumerPath("s"))
	fs.set(func(s *fakeSession) { s.queue = []string{"one", "two"} })
	o.out.End(codec.CodeUnknown, "topic deleted")
	if a, b := message(t, c), message(t, c); a != "one" || b != "two" {
		t.Fatalf("got %q, %q", a, b)
	}
	_, _, err := c.ReadMessage()
	if code := closeCode(t, err); code != 4008 {
		t.Fatalf("code %d", code)
	}
	receive(t, fs.closed, "the session's end")
}

func TestPeersCloseIsEchoed(t *testing.T) {
	for _, tc := range []struct {
		name, payload, echo string
	}{
		{"1000", "\x03\xe8bye", "\x88\x02\x03\xe8"},
		{"application's", "\x0f\xa1", "\x88\x02\x0f\xa1"},
		{"without a code", "", "\x88\x00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFakeBridge()
			s := start(t, b)
			sessions := make(chan *fakeSession, 1)
			b.auto = func(o *fakeOpen) *fakeSession {
				fs := newFakeSession(o.out)
				sessions <- fs
				return fs
			}
			c := dialRaw(t, s)
			c.send(upgradeHead(producerPath))
			c.response()
			c.send(clientFrame(8, tc.payload))
			got := make([]byte, len(tc.echo))
			if _, err := readFull(c, got); err != nil || string(got) != tc.echo {
				t.Fatalf("got %q, %v", got, err)
			}
			c.ended()
			receive(t, (<-sessions).closed, "the session's end")
		})
	}
}

func TestViolationClosesAndEndsTheConnection(t *testing.T) {
	s := start(t, echoBridge())
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	c.response()
	c.send("\x81\x05hello" + strings.Repeat("garbage", 1000)) // not masked
	head := make([]byte, 4)
	if _, err := readFull(c, head); err != nil || head[0] != 0x88 || head[2] != 3 || head[3] != 0xea {
		t.Fatalf("got %x, %v; want a close frame with 1002", head, err)
	}
	c.ended()
}

func TestPanicEndsOnlyItsSession(t *testing.T) {
	for _, where := range []string{"Handle", "Fill"} {
		t.Run(where, func(t *testing.T) {
			b := newFakeBridge()
			s := start(t, b)
			c, fs, _ := openOne(t, s, b, producerPath)
			b.auto = func(o *fakeOpen) *fakeSession { return echoSession(o.out) }
			other := dial(t, s, producerPath)
			if where == "Handle" {
				fs.handle = func([]byte) error { panic("boom") }
				say(t, c, "x")
				_, _, err := c.ReadMessage()
				if code := closeCode(t, err); code != closeInternal {
					t.Fatalf("code %d", code)
				}
			} else {
				fs.set(func(s *fakeSession) { s.boom = true })
				fs.out.Wake()
				if _, _, err := c.ReadMessage(); err == nil {
					t.Fatal("the session goes on")
				}
			}
			receive(t, fs.closed, "the session's end")
			say(t, other, "still there")
			if got := message(t, other); got != "still there" {
				t.Fatalf("got %q", got)
			}
			if n := s.metrics.panics.Load(); n != 1 {
				t.Fatalf("%d panics counted", n)
			}
		})
	}
}

func TestFullSessionIsNotRead(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, o := openOne(t, s, b, producerPath)
	fs.set(func(s *fakeSession) { s.full = true })
	const n = 200
	large := strings.Repeat("x", 2000) // so that some wait in our buffer and some in the kernel's
	for range n {
		say(t, c, "%s", large)
	}
	receive(t, fs.handled, "the first message")
	if len(fs.handled) != 0 {
		t.Fatal("a full session was given a message")
	}
	for i := range n - 1 {
		// One more is taken each time, as the session is full again at once.
		fs.set(func(s *fakeSession) { s.full = false })
		if i == n/2 {
			o.out.Resume() // once more than needed does no harm
		}
		o.out.Resume()
		receive(t, fs.handled, "the next message")
	}
}

func TestSessionGoneWhenTheSocketIs(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, _ := openOne(t, s, b, consumerPath("s"))
	_ = c.NetConn().Close()
	receive(t, fs.closed, "the session's end")
	eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
}

func TestLastFramesBeforeTheEndAreTaken(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, _ := openOne(t, s, b, producerPath)
	const n = 2000
	large := strings.Repeat("x", 500)
	for range n {
		say(t, c, "%s", large)
	}
	_ = c.NetConn().Close()
	for range n {
		receive(t, fs.handled, "a message sent before the end")
	}
}

func TestMessageInManyPieces(t *testing.T) {
	s := start(t, echoBridge())
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	c.response()
	for _, b := range []byte(clientFrame(1, "piece by piece")) {
		c.send(string([]byte{b}))
	}
	want := "\x81\x0epiece by piece"
	got := make([]byte, len(want))
	if _, err := readFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v", got, err)
	}
}
