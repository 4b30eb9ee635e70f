package server

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/gorilla/websocket"
)

// An idle session costs no goroutine and little memory.
func TestDensity(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 320 {
		t.Errorf("a connection is %d bytes", size)
	}
	const sessions = 2000
	b := newFakeBridge()
	b.auto = func(o *fakeOpen) *fakeSession { return &fakeSession{out: o.out, closed: make(chan struct{})} }
	s := start(t, b)
	var conns []*websocket.Conn
	open := func(n int) {
		for range n {
			conns = append(conns, dial(t, s, consumerPath("s")))
		}
	}
	open(10)
	before := runtime.NumGoroutine()
	open(sessions)
	eventually(t, "no goroutine is left behind", func() bool { return runtime.NumGoroutine() <= before+2 })
	s.watch.mu.Lock()
	for _, c := range s.watch.conns {
		if c != nil && (c.nc.LocalAddr() != nil || c.nc.RemoteAddr() != nil) {
			t.Error("nbio keeps a connection's addresses")
			break
		}
	}
	s.watch.mu.Unlock()
	for _, c := range conns {
		_ = c.NetConn().Close()
	}
	eventually(t, "all are forgotten", func() bool { return s.conns.Load() == 0 })
	for kind := range s.sessions {
		if n := s.sessions[kind].Load(); n != 0 {
			t.Errorf("%d sessions of kind %d left", n, kind)
		}
	}
}
