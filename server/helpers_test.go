package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// bounded sets the bounds that have no default, unless they are set.
func bounded(o Options) Options {
	setDefault(&o.TLSRefresh, 5*time.Minute)
	setDefault(&o.MaxURLBytes, 8192)
	setDefault(&o.MaxHeaderBytes, 16384)
	setDefault(&o.HandshakeTimeout, 15*time.Second)
	setDefault(&o.MaxMessage, 1<<20)
	setDefault(&o.MaxUnread, 256<<10)
	return o
}

// patience bounds every wait of these tests; none is expected to use it up.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server on a free port until the test ends.
func start(t testing.TB, b Bridge, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{
		Bridge: b, Address: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		MaxConnections: 10_000, HandshakeTimeout: time.Hour, tick: 5 * time.Millisecond, workers: 2, pollers: 2,
	}
	for _, f := range change {
		f(&o)
	}
	s, err := New(bounded(o))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// testClock is a server's clock that only the test moves on, so that no load on
// the machine makes a deadline pass before what should come first.
type testClock struct{ ticks atomic.Uint32 }

// drive makes the clock that of the server, which gets one worker: what is due
// at a tick is then done before the next.
func (k *testClock) drive(o *Options) { o.passed, o.workers = k.ticks.Load, 1 }

// forward moves the clock on by n ticks.
func (k *testClock) forward(t *testing.T, s *Server, n uint32) {
	t.Helper()
	for range n {
		now := k.ticks.Add(1)
		eventually(t, "the clock goes on", func() bool { return s.now() == now })
	}
}

// until moves the clock on, tick by tick, until cond holds: for a deadline that starts, or starts again, at whatever tick
// the server sees something, such as that the kernel has taken more of its output.
func (k *testClock) until(t *testing.T, s *Server, what string, cond func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		if cond() {
			return true
		}
		k.forward(t, s, 1)
		return false
	})
}

const producerPath = "/ws/v2/producer/persistent/public/default/t"

func consumerPath(sub string) string { return "/ws/v2/consumer/persistent/public/default/t/" + sub }

// dial opens a session.
func dial(t *testing.T, s *Server, path string) *websocket.Conn {
	t.Helper()
	c, resp, err := dialErr(s, path, nil)
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", path, err, resp)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}

func dialErr(s *Server, path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: patience}
	return d.Dial("ws://"+s.Addr().String()+path, header)
}

// rawConn is a client that sends exactly what the test says. Each read and each write may take as long as patience says, so that
// a test of many bytes may take longer.
type rawConn struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func newRaw(t *testing.T, nc net.Conn) *rawConn {
	c := &rawConn{t: t, Conn: nc}
	c.r = bufio.NewReader(c)
	return c
}

func (c *rawConn) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c.Conn.Read(b)
}

func (c *rawConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	return c.Conn.Write(b)
}

func dialRaw(t *testing.T, s *Server) *rawConn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return newRaw(t, c)
}

func (c *rawConn) send(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// delivered waits until all that was sent is in the server's hands or in its
// kernel's.
func (c *rawConn) delivered() {
	c.t.Helper()
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, "the peer confirms what was sent", func() bool {
		left := 0
		if e := raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); e != nil || err != nil {
			c.t.Fatal(e, err)
		}
		return left == 0
	})
}

// response reads one response with its body.
func (c *rawConn) response() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return resp, string(body)
}

// frame reads one frame of the server's.
func (c *rawConn) frame() (op byte, payload string) {
	c.t.Helper()
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			c.t.Fatalf("read a frame: %v", err)
		}
		return b
	}
	head := read(2)
	n := int(head[1])
	switch n {
	case 126:
		n = int(binary.BigEndian.Uint16(read(2)))
	case 127:
		n = int(binary.BigEndian.Uint64(read(8)))
	}
	return head[0] & 0xf, string(read(n))
}

// ended waits for the end of the connection, in whatever form.
func (c *rawConn) ended() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			c.t.Fatal("the connection was not ended")
		}
	}
}

// upgradeHead is a correct handshake for path, with more header lines.
func upgradeHead(path string, lines ...string) string {
	head := "GET " + path + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	return head + "\r\n"
}

// clientFrame is a masked frame.
func clientFrame(op byte, payload string) string {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

func get(t *testing.T, s *Server, path string) (*http.Response, string) {
	t.Helper()
	c := dialRaw(t, s)
	c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	return c.response()
}

func opened(t *testing.T, b *fakeBridge) *fakeOpen {
	t.Helper()
	return receive(t, b.opens, "an opening")
}

func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// eventually polls for a state that no event announces.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func closeCode(t *testing.T, err error) int {
	t.Helper()
	e, ok := err.(*websocket.CloseError)
	if !ok {
		t.Fatalf("want a close frame, got %v", err)
	}
	return e.Code
}

func message(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(b)
}

func say(t *testing.T, c *websocket.Conn, format string, args ...any) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		t.Fatalf("write: %v", err)
	}
}
