package server

import (
	"bufio"
	"crypto/tls"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// maxIdleTLS bounds what TLS adds to the heap of an idle session: an llib
// connection of 0.9 KB and two ciphers of 0.7 KB. When nothing is forgotten
// it is 8.5 KB.
const maxIdleTLS = 3 << 10

// What a session did before, TLS holds no buffer and nothing of the handshake
// for it when it is idle, and no goroutine.
func TestTLSDensity(t *testing.T) {
	ca := tlstest.New(t)
	b := newFakeBridge()
	b.auto = func(o *fakeOpen) *fakeSession {
		f := &fakeSession{out: o.out, closed: make(chan struct{})}
		f.handle = func(frame []byte) error {
			f.push(string(frame))
			return nil
		}
		return f
	}
	s := start(t, b, withTLS(t, serverCert(ca, "ecdsa")))
	plain := idleSize(t, s, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := ca.Client()
		config.MaxVersion = version
		if more := idleSize(t, s, config) - plain; more > maxIdleTLS {
			t.Errorf("%s adds %d bytes to an idle session's %d", tls.VersionName(version), more, plain)
		}
	}
}

// idleSize is what an idle session takes of the heap, this end of its client's
// socket included.
func idleSize(t *testing.T, s *Server, config *tls.Config) int {
	t.Helper()
	const sessions = 500
	var keep []net.Conn
	for range 10 { // what is made once
		keep = append(keep, idle(t, s, config))
	}
	before, goroutines := heapInUse(), runtime.NumGoroutine()
	for range sessions {
		keep = append(keep, idle(t, s, config))
	}
	eventually(t, "no goroutine is left behind", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	per := (heapInUse() - before) / sessions
	for _, c := range keep {
		_ = c.Close()
	}
	eventually(t, "all are forgotten", func() bool { return s.conns.Load() == 0 })
	return per
}

// idle opens a session, with TLS if config is not nil, that has sent and received
// a message, and forgets its client's side of TLS.
func idle(t *testing.T, s *Server, config *tls.Config) net.Conn {
	t.Helper()
	addr := s.Addr()
	if config != nil {
		addr = s.TLSAddr()
	}
	raw, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(patience))
	c := raw
	if config != nil {
		c = tls.Client(raw, config)
	}
	if _, err := io.WriteString(c, upgradeHead(producerPath)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	text := strings.Repeat("x", 1000)
	if _, err := io.WriteString(c, clientFrame(1, text)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 4+len(text))); err != nil {
		t.Fatal(err)
	}
	return raw
}

// heapInUse is how large the heap is when no more garbage is found in it: a pool keeps what it holds until a second
// collection, and what one test leaves behind shall not be freed while the next one measures.
func heapInUse() int {
	const same = 16 << 10
	var m runtime.MemStats
	for before := uint64(math.MaxUint64); ; before = m.HeapAlloc {
		runtime.GC()
		runtime.GC()
		if runtime.ReadMemStats(&m); m.HeapAlloc+same > before {
			return int(m.HeapAlloc)
		}
	}
}
