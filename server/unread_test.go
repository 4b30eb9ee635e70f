package server

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/server/life"
)

const (
	unreadBound = 64 << 10
	unreadFrame = 16 << 10
)

// unreading opens a session of a client that does not read, with frames of
// unreadFrame bytes for it, and waits until no more of them are taken.
func unreading(t *testing.T, s *Server, b *fakeBridge, path string, frames int) (*rawConn, *fakeSession) {
	t.Helper()
	sessions := make(chan *fakeSession, 1)
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		sessions <- fs
		return fs
	}
	client := dialRaw(t, s)
	if err := client.Conn.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
		t.Fatal(err)
	}
	client.send(upgradeHead(path))
	client.response()
	fs := <-sessions
	frame := strings.Repeat("x", unreadFrame)
	fs.set(func(s *fakeSession) {
		for range frames {
			s.queue = append(s.queue, frame)
		}
	})
	fs.out.Wake()
	c := fs.out.(*conn)
	eventually(t, "output stops", func() bool { return c.unsent.Load() >= unreadBound/2 && c.tellTaken.Load() && c.wants.Load() == 0 })
	return client, fs
}

// readToTheEnd reads messages up to the close frame, and then the end of the
// connection, which is no reset.
func (c *rawConn) readToTheEnd() (messages int, code uint16, reason string) {
	c.t.Helper()
	for {
		op, payload := c.frame()
		if op == 8 {
			if n, err := io.Copy(io.Discard, c.r); n != 0 || err != nil {
				c.t.Fatalf("%d bytes behind the close frame, then %v", n, err)
			}
			return messages, binary.BigEndian.Uint16([]byte(payload)), payload[2:]
		}
		messages++
	}
}

// A client may be busy for as long as the idle timeout allows, and gets
// everything when it reads again.
func TestBusyClientGetsEverything(t *testing.T) {
	const frames = 1000
	for name, change := range map[string]func(*Options){
		"pings":    func(o *Options) { o.PingInterval = 10 * time.Millisecond },
		"no pings": func(*Options) {},
	} {
		t.Run(name, func(t *testing.T) {
			var clock testClock
			b := newFakeBridge()
			s := start(t, b, clock.drive, func(o *Options) { o.MaxUnread, o.IdleTimeout = unreadBound, 400*time.Millisecond }, change)
			client, fs := unreading(t, s, b, consumerPath("s"), frames)
			clock.forward(t, s, s.set().ticks.idle-1)
			for got := 0; got < frames; {
				if op, _ := client.frame(); op == 1 {
					got++
				} else if op != 9 {
					t.Fatalf("opcode %d after %d messages", op, got)
				}
			}
			// What was taken just now is traffic.
			clock.forward(t, s, s.set().ticks.idle/2)
			fs.push("still open")
			for op, text := client.frame(); text != "still open"; op, text = client.frame() {
				if op != 9 {
					t.Fatalf("opcode %d", op)
				}
			}
		})
	}
}

// Whoever is closed while output waits finds the reason behind it when it reads
// again, however late that is.
func TestUnreadingClientIsToldWhy(t *testing.T) {
	const frames = 2000 // 32 MB, more than any socket buffer
	idle := func(o *Options) { o.IdleTimeout = 200 * time.Millisecond }
	for name, tt := range map[string]struct {
		change func(*Options)
		path   string
		full   bool
		span   func(*Server) uint32                    // it ends so long after the kernel last took output
		end    func(*Server, *testClock, *fakeSession) // else this ends it
		code   uint16
		reason string
		slow   uint64
		listen bool // the session listens to its client as long as the connection is there
	}{
		"idle timeout": {
			change: idle, path: consumerPath("s"), code: closeGoingAway, reason: "idle timeout: the client does not read", slow: 1,
			span: func(s *Server) uint32 { return s.set().ticks.idle },
		},
		"a producer that reads no answers": {
			change: idle, path: producerPath, full: true, code: closeGoingAway, reason: "idle timeout: the client does not read", slow: 1,
			span: func(s *Server) uint32 { return s.set().ticks.idle },
		},
		"a bound of its own": {
			change: func(o *Options) { o.IdleTimeout, o.SlowTimeout = time.Hour, 200*time.Millisecond },
			path:   consumerPath("s"), code: closePolicy, reason: "the client does not read", slow: 1,
			span: func(s *Server) uint32 { return s.set().ticks.slow },
		},
		"drain": {
			change: idle, path: consumerPath("s"), code: closeGoingAway, reason: drainReason, listen: true,
			end: func(s *Server, clock *testClock, _ *fakeSession) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = s.Drain(ctx) // only begins
				clock.forward(t, s, 2)
			},
		},
		"an end from upstream": {
			change: idle, path: consumerPath("s"), code: 4004, reason: "gone",
			end: func(_ *Server, _ *testClock, fs *fakeSession) { fs.out.End(4, "gone") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var clock testClock
			b := newFakeBridge()
			s := start(t, b, clock.drive, func(o *Options) { o.MaxUnread = unreadBound }, tt.change)
			s.set().ticks.close = 5
			client, fs := unreading(t, s, b, tt.path, frames)
			if tt.full {
				fs.set(func(s *fakeSession) { s.full = true })
				client.send(clientFrame(1, "stalls"))
				receive(t, fs.handled, "a message")
			}
			c := fs.out.(*conn)
			if tt.span != nil {
				clock.untilUnread(t, c, life.Session, tt.span(s))
			} else {
				tt.end(s, &clock, fs)
			}
			if !tt.listen {
				receive(t, fs.closed, "the session's end")
			}
			eventually(t, "the kernel takes all of it", func() bool { return c.unsent.Load() == 0 })
			clock.forward(t, s, s.set().ticks.close+2)
			eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
			receive(t, fs.closed, "the session's end")
			messages, code, reason := client.readToTheEnd()
			if code != tt.code || reason != tt.reason {
				t.Errorf("closed with %d %q, want %d %q", code, reason, tt.code, tt.reason)
			}
			if messages+fs.queued() != frames || messages == 0 {
				t.Errorf("%d messages came and %d were kept, of %d", messages, fs.queued(), frames)
			}
			if n := s.metrics.slow.Load(); n != tt.slow {
				t.Errorf("%d clients counted that did not read, want %d", n, tt.slow)
			}
		})
	}
}

// untilUnread moves the clock on until c leaves a stage of its life. That is to be when span ticks have passed since the
// kernel last took some of its output, which it may still do while the clock goes on.
func (k *testClock) untilUnread(t *testing.T, c *conn, stage life.Stage, span uint32) {
	t.Helper()
	var last uint32
	k.until(t, c.s, "the client is given up", func() bool {
		take := c.lastTake.Load()
		if c.state().Stage() != stage {
			return true // what is taken from then on does not count
		}
		last = take
		return false
	})
	if passed := c.s.now() - last; passed < span || passed > 2*span {
		t.Errorf("given up %d ticks after the kernel took output, want %d", passed, span)
	}
}

// What the kernel keeps for a client that does not read is bounded, too.
func TestKernelKeepsLittleOfUnreadOutput(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.MaxUnread = unreadBound })
	_, fs := unreading(t, s, b, consumerPath("s"), 2000)
	c := fs.out.(*conn)
	kept := -1
	c.whileOpen(func() { kept, _ = unix.IoctlGetInt(c.nc.Hash(), unix.SIOCOUTQ) })
	if kept < 0 || kept > keptInKernel+256<<10 {
		t.Fatalf("the kernel keeps %d bytes", kept)
	}
	if unsent := c.unsent.Load(); unsent > unreadBound+unreadFrame+20 {
		t.Fatalf("%d bytes wait in the process", unsent)
	}
}

// A client whose output does not all fit into the kernel is given some time to
// read, and no more than some.
func TestUnreadingClientIsGivenUp(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.MaxUnread = unreadBound })
	s.set().ticks.close = 5
	client, fs := unreading(t, s, b, consumerPath("s"), 2000)
	fs.set(func(s *fakeSession) { s.queue = []string{strings.Repeat("x", 16<<20)} })
	c := fs.out.(*conn)
	for fs.queued() > 0 { // it reads until the large one is on its way, and no more
		if _, err := io.CopyN(io.Discard, client.r, 4<<10); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the large one waits", func() bool { return c.unsent.Load() >= 8<<20 })
	fs.out.End(4, "gone")
	receive(t, fs.closed, "the session's end")
	clock.forward(t, s, s.set().ticks.close-1)
	if s.conns.Load() != 1 {
		t.Fatal("ended at once")
	}
	// The end makes the kernel take more, and gives the client more time.
	clock.until(t, s, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
	_, err := io.Copy(io.Discard, client.r)
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		t.Fatal("the connection was not ended")
	}
}

// That the kernel takes output is traffic, as what comes is; what the session
// adds behind output that waits is none.
func TestTakenOutputIsTraffic(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge(), IdleTimeout: 20 * time.Second, PingInterval: time.Hour}))
	if err != nil {
		t.Fatal(err)
	}
	w, idle := newWorker(s), s.set().ticks.idle
	c := &conn{s: s, w: w, lastPing: 1000}
	c.life.Store(uint32(life.Open))
	c.session = &fillSession{fill: func() {}}
	c.lastSeen.Store(1000)
	c.lastTake.Store(1000 + idle/2)
	c.unsent.Store(5)
	if due := w.untilDue(c, 1000+idle/2); due != idle {
		t.Fatalf("due in %d ticks, want %d", due, idle)
	}
	w.check(c, 1000+idle)
	if c.state() != life.Open {
		t.Fatal("closed although output was taken")
	}
	w.check(c, 1000+idle+idle/2)
	if c.state() != life.Closing {
		t.Fatal("not closed when it was idle")
	}
}

// A client that takes its last output piece by piece is waited for, within bounds.
func TestOverAt(t *testing.T) {
	s, err := New(bounded(Options{Bridge: newFakeBridge()}))
	if err != nil {
		t.Fatal(err)
	}
	w, o := newWorker(s), &s.set().ticks
	for _, tt := range []struct {
		stage             life.Stage
		since, take, want uint32
		unsent            int64
	}{
		{life.Farewells, 1000, 0, 1000 + o.close, 0},
		{life.Farewells, 1000, 900, 1000 + o.close, 5},
		{life.Farewells, 1000, 1100, 1100 + o.close, 5},
		{life.Farewells, 1000, 1100, 1100 + o.close, 0},
		{life.Farewells, 1000, 1000 + o.closeMost, 1000 + o.closeMost, 5},
		{life.Discarding, 1000, 0, 1000 + o.linger, 0},
		{life.Discarding, 1000, 1100, 1100 + o.close, 5},
		{life.Discarding, 1000, 1100, 1100 + o.linger, 0},
	} {
		c := &conn{s: s, w: w}
		c.lastTake.Store(tt.take)
		c.unsent.Store(tt.unsent)
		if at := w.overAt(c, tt.stage, tt.since); at != tt.want {
			t.Errorf("%+v: over at %d", tt, at)
		}
	}
}
