//go:build linux

package loop

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pulsegate/pulsegate/test/port"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

func start(t *testing.T) *Loop {
	t.Helper()
	base := time.Now()
	l, err := New(func() int64 { return int64(time.Since(base)) })
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := l.Run(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return l
}

// peer is a handler that records.
type peer struct {
	conn      Conn
	onConnect func(*peer)
	mu        sync.Mutex
	got       bytes.Buffer
	ended     chan error
}

func newPeer(onConnect func(*peer)) *peer {
	return &peer{onConnect: onConnect, ended: make(chan error, 1)}
}

func (p *peer) Connected() { p.onConnect(p) }
func (p *peer) Data(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got.Write(b)
}
func (p *peer) Ended(err error) { p.ended <- err }

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

func listen(t *testing.T, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wait.Wait()
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// More than any buffer holds goes out and comes back whole.
func TestEcho(t *testing.T) {
	addr := listen(t, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		_, _ = c.Write(all)
	})
	want := make([]byte, 20<<20)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	l := start(t)
	p := newPeer(func(p *peer) { p.conn.Send(append(p.conn.Out(), want...)) })
	l.Post(func() {
		if err := l.Dial(&p.conn, addr, netip.MustParseAddr("127.0.0.9"), p); err != nil {
			t.Error(err)
		}
	})
	// The peer reads until our side is shut: do so when all is written.
	var shut func()
	var timer Timer
	shut = func() {
		if p.conn.Open() && p.conn.Pending() == 0 && p.conn.fd > 0 && !p.conn.connecting {
			_ = syscall.Shutdown(int(p.conn.fd), syscall.SHUT_WR)
			return
		}
		l.Set(&timer, l.Now()+int64(time.Millisecond), shut)
	}
	l.Post(shut)
	if err := receive(t, p.ended, "the end"); err != io.EOF {
		t.Errorf("ended with %v", err)
	}
	if !bytes.Equal(p.got.Bytes(), want) {
		t.Errorf("%d bytes came back of %d", p.got.Len(), len(want))
	}
}

func TestRefused(t *testing.T) {
	addr := port.Deaf(t)
	l := start(t)
	p := newPeer(func(*peer) { t.Error("connected") })
	l.Post(func() {
		if err := l.Dial(&p.conn, addr, netip.Addr{}, p); err != nil {
			p.Ended(err)
		}
	})
	if err := receive(t, p.ended, "the refusal"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

// A paused connection takes nothing until it is resumed.
func TestPause(t *testing.T) {
	addr := listen(t, func(c net.Conn) { _, _ = c.Write([]byte("hello")) })
	l := start(t)
	p := newPeer(func(p *peer) { p.conn.Pause() })
	l.Post(func() { _ = l.Dial(&p.conn, addr, netip.Addr{}, p) })
	// What a timer does after the data must have come is before any data.
	var timer Timer
	paused := make(chan int, 1)
	l.Post(func() {
		l.Set(&timer, l.Now()+int64(50*time.Millisecond), func() {
			paused <- p.got.Len()
			p.conn.Resume()
		})
	})
	if n := receive(t, paused, "the timer"); n != 0 {
		t.Errorf("%d bytes came while paused", n)
	}
	if err := receive(t, p.ended, "the end"); err != io.EOF || p.got.String() != "hello" {
		t.Errorf("got %q, %v", p.got.String(), err)
	}
}

// Timers fire in order, none early, and not when unset.
func TestTimers(t *testing.T) {
	l := start(t)
	const n = 500
	var order []int64
	timers := make([]Timer, n)
	done := make(chan struct{})
	l.Post(func() {
		now := l.Now()
		left := 0
		for i := range timers {
			at := now + rand.Int64N(int64(20*time.Millisecond))
			if i%5 != 0 {
				left++
			}
			l.Set(&timers[i], at+1e9, func() { t.Error("fired although set anew") })
			l.Set(&timers[i], at, func() {
				if l.Now() < at {
					t.Error("early")
				}
				order = append(order, at)
				if i%5 == 0 {
					t.Error("fired although unset")
				}
				if left--; left == 0 {
					close(done)
				}
			})
		}
		for i := 0; i < n; i += 5 {
			l.Unset(&timers[i])
		}
	})
	receive(t, done, "all timers")
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			t.Fatal("out of order")
		}
	}
}

func TestPostAfterClose(t *testing.T) {
	l := start(t)
	ran := make(chan struct{})
	l.Post(func() { close(ran) })
	receive(t, ran, "the posted call")
	l.Close()
	if l.Post(func() {}) {
		t.Error("a closed loop took a call")
	}
}
