package server

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
	"github.com/pulsegate/pulsegate/server/tlsio"
)

// held is a connection that keeps what is written to it until it is let go.
type held struct {
	net.Conn
	on   bool
	kept bytes.Buffer
}

func (h *held) Write(b []byte) (int, error) {
	if h.on {
		return h.kept.Write(b)
	}
	return h.Conn.Write(b)
}

// dialHeld opens a session over TLS. What is written to the result leaves by the hand of the test.
func dialHeld(t *testing.T, s *Server, config *tls.Config) (*rawConn, *held) {
	t.Helper()
	raw, err := net.Dial("tcp", s.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := &held{Conn: raw}
	config.ServerName, config.DynamicRecordSizingDisabled = "localhost", true
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(patience))
	secured := tls.Client(h, config)
	c := newRaw(t, secured)
	c.send(upgradeHead(producerPath))
	if res, _ := c.response(); res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res.Status)
	}
	h.on = true
	return c, h
}

// A TLS record whose end does not come is counted, and takes no more memory than it must, however much
// came in front of it.
func TestUnfinishedRecordIsCountedAndFits(t *testing.T) {
	const record = 17 << 10
	ca := tlstest.New(t)
	budget := memory.New(64 << 20)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.Memory = budget })
	c, h := dialHeld(t, s, ca.Client())
	c.send(strings.Repeat(clientFrame(10, strings.Repeat("p", 100)), 500)) // pongs
	c.send(clientFrame(1, "hello"))
	c.send(strings.Repeat("x", 16<<10)) // a whole record
	sent := h.kept.Bytes()
	if _, err := h.Conn.Write(sent[:len(sent)-1]); err != nil {
		t.Fatal(err)
	}
	if _, got := c.frame(); got != "hello" {
		t.Fatalf("got %q", got)
	}
	eventually(t, "the record to be counted", func() bool { return budget.Held(memory.Unfinished) >= 16<<10 })
	eventually(t, "the record to fit", func() bool { return budget.Held(memory.Unfinished) <= record })
	_ = h.Conn.Close()
	eventually(t, "all to be given back", func() bool { return budget.Held(memory.Unfinished) == 0 })
}

// What waits undecrypted while a session takes nothing more is counted, too, and with what is decrypted is what a session may have
// however little memory there is.
func TestRecordsBehindAFullSessionAreCounted(t *testing.T) {
	ca := tlstest.New(t)
	budget := memory.New(1 << 20)
	b := newFakeBridge()
	sessions := make(chan *fakeSession, 1)
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		fs.handle = func([]byte) error {
			fs.set(func(s *fakeSession) { s.full = true })
			return nil
		}
		sessions <- fs
		return fs
	}
	s := start(t, b, withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.Memory = budget })
	c, h := dialHeld(t, s, ca.Client())
	session := <-sessions
	c.send(strings.Repeat(clientFrame(1, strings.Repeat("x", 1000)), 200))
	budget.Take(memory.Publishes, 1<<20) // nothing is left
	go func() { _, _ = h.Conn.Write(h.kept.Bytes()) }()
	eventually(t, "the session to be full", session.Full)
	eventually(t, "what waits to be counted", func() bool { return budget.Held(memory.Unfinished) > tlsio.MaxRead })
	for range 100 {
		if n := budget.Held(memory.Unfinished); n > memory.Least {
			t.Fatalf("%d bytes are held", n)
		}
		get(t, s, "/healthz")
	}
	select {
	case <-session.closed:
		t.Fatal("the session was ended")
	default:
	}
	_ = h.Conn.Close()
}

// The beginning of a handshake message as long as may be is counted, and ended where memory is short.
func TestUnfinishedHandshakesAreCounted(t *testing.T) {
	ca := tlstest.New(t)
	budget := memory.New(64 << 20)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) { o.Memory = budget })
	begin := func() net.Conn {
		raw, err := net.Dial("tcp", s.TLSAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		_ = raw.SetDeadline(time.Now().Add(patience))
		message := append([]byte{1, 0, 0xff, 0xfc}, make([]byte, 0xfffb)...) // a ClientHello but for its last byte
		for len(message) > 0 {
			n := min(len(message), 16<<10)
			if _, err := raw.Write(append([]byte{22, 3, 1, byte(n >> 8), byte(n)}, message[:n]...)); err != nil {
				return raw // it was ended
			}
			message = message[n:]
		}
		return raw
	}
	raw := begin()
	eventually(t, "the handshake to be counted", func() bool { return budget.Held(memory.Unfinished) > 48<<10 })
	_ = raw.Close()
	eventually(t, "all to be given back", func() bool { return budget.Held(memory.Unfinished) == 0 })
	budget.Take(memory.Publishes, 64<<20)
	if _, err := begin().Read(make([]byte, 1)); err == nil {
		t.Error("it was answered")
	}
	eventually(t, "the connection to be forgotten", func() bool { return s.conns.Load() == 0 })
	if budget.Refusals() == 0 {
		t.Error("nobody is told")
	}
}
