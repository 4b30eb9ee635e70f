package server

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// reading reads messages until the connection ends, so that control frames are
// handled meanwhile.
func reading(c *websocket.Conn) (messages <-chan string, end <-chan error) {
	got, failed := make(chan string, 100), make(chan error, 1)
	go func() {
		for {
			_, b, err := c.ReadMessage()
			if err != nil {
				failed <- err
				return
			}
			got <- string(b)
		}
	}()
	return got, failed
}

func TestSilentClientIsClosedAtTheIdleTimeout(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.IdleTimeout = 200 * time.Millisecond })
	c, fs, _ := openOne(t, s, b, consumerPath("s"))
	pings := make(chan string, 10)
	c.SetPingHandler(func(m string) error { pings <- m; return nil }) // and no pong
	_, end := reading(c)
	clock.forward(t, s, s.set().ticks.idle/2)
	receive(t, pings, "a ping")
	clock.forward(t, s, s.set().ticks.idle-s.set().ticks.idle/2)
	if code := closeCode(t, receive(t, end, "the end")); code != closeGoingAway {
		t.Fatalf("code %d", code)
	}
	if len(pings) != 0 {
		t.Fatalf("%d more pings before the close", len(pings))
	}
	receive(t, fs.closed, "the session's end")
}

// A client that would answer a ping is closed where none is sent, whatever it does.
func TestIdleClientIsClosedWithoutPings(t *testing.T) {
	for _, path := range []string{producerPath, consumerPath("s"), "/ws/v2/reader/persistent/public/default/t"} {
		var clock testClock
		b := newFakeBridge()
		s := start(t, b, clock.drive, func(o *Options) { o.IdleTimeout, o.NoIdlePing = 200*time.Millisecond, true })
		c, fs, _ := openOne(t, s, b, path)
		pings := make(chan string, 10)
		answer := c.PingHandler()
		c.SetPingHandler(func(m string) error { pings <- m; return answer(m) })
		_, end := reading(c)
		clock.forward(t, s, s.set().ticks.idle/2)
		clock.forward(t, s, s.set().ticks.idle-s.set().ticks.idle/2)
		if code := closeCode(t, receive(t, end, "the end")); code != closeGoingAway || len(pings) != 0 {
			t.Fatalf("%s: code %d after %d pings", path, code, len(pings))
		}
		receive(t, fs.closed, "the session's end")
	}
}

func TestClientThatAnswersPingsStays(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.IdleTimeout = 100 * time.Millisecond })
	c, fs, _ := openOne(t, s, b, consumerPath("s"))
	pings := make(chan string, 10)
	answer := c.PingHandler()
	c.SetPingHandler(func(m string) error { pings <- m; return answer(m) })
	messages, _ := reading(c)
	seen := &fs.out.(*conn).lastSeen
	for range 8 { // several times the timeout
		before := seen.Load()
		clock.forward(t, s, s.set().ticks.idle/2+1)
		receive(t, pings, "a ping")
		eventually(t, "its answer is read", func() bool { return seen.Load() != before })
	}
	fs.push("still open")
	if got := receive(t, messages, "a message"); got != "still open" {
		t.Fatalf("got %q", got)
	}
}

func TestPingInterval(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.PingInterval = 10 * time.Millisecond })
	c, _, _ := openOne(t, s, b, consumerPath("s"))
	pings := make(chan string, 10)
	c.SetPingHandler(func(m string) error { pings <- m; return nil })
	reading(c)
	for range 5 {
		clock.forward(t, s, s.set().ticks.ping)
		receive(t, pings, "a ping")
	}
	if len(pings) != 0 {
		t.Fatalf("%d pings too many", len(pings))
	}
}

func TestThrottledClientIsNotIdle(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.IdleTimeout = 50 * time.Millisecond; o.PingInterval = 20 * time.Millisecond })
	c, fs, o := openOne(t, s, b, producerPath)
	fs.set(func(s *fakeSession) { s.full = true })
	pings := make(chan string, 100)
	c.SetPingHandler(func(m string) error { pings <- m; return nil })
	messages, _ := reading(c)
	say(t, c, "first")
	say(t, c, "second")
	receive(t, fs.handled, "the first message")
	for range 20 { // several times the timeout; the second message stands in line, unread
		clock.forward(t, s, s.set().ticks.ping+1)
		receive(t, pings, "a ping")
	}
	fs.set(func(s *fakeSession) { s.full = false })
	o.out.Resume()
	receive(t, fs.handled, "the second message")
	fs.push("done")
	if got := receive(t, messages, "a message"); got != "done" {
		t.Fatalf("got %q", got)
	}
}

func TestSlowReaderThatReadsAgainGetsEverything(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.MaxUnread = 64 << 10 })
	c, fs, _ := openOne(t, s, b, consumerPath("s"))
	const frames = 1000
	frame := strings.Repeat("x", 16<<10)
	fs.set(func(s *fakeSession) {
		for range frames {
			s.queue = append(s.queue, frame)
		}
	})
	fs.out.Wake()
	eventually(t, "output stops", func() bool {
		var stopped bool
		fs.set(func(f *fakeSession) { stopped = f.fills > 1 && len(f.queue) > 0 && len(f.queue) < frames })
		return stopped
	})
	for range frames {
		if got := message(t, c); got != frame {
			t.Fatalf("got %d bytes", len(got))
		}
	}
}

// A client that left without reading its output is forgotten, whatever the
// bridge still has to say to it.
func TestGoneClientStaysForgotten(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.SlowTimeout = 50 * time.Millisecond })
	c, fs, _ := openOne(t, s, b, consumerPath("s"))
	frame := strings.Repeat("x", 16<<10)
	fs.set(func(s *fakeSession) {
		for range 2000 { // 32 MB, more than any socket buffer
			s.queue = append(s.queue, frame)
		}
	})
	fs.out.Wake()
	eventually(t, "output stops", func() bool { return fs.out.(*conn).tellTaken.Load() })
	_ = c.NetConn().Close()
	eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
	fs.out.Wake()
	eventually(t, "the worker looks", func() bool { return fs.out.(*conn).wants.Load() == 0 })
	clock.forward(t, s, s.set().ticks.slow+2)
	if n := s.metrics.slow.Load(); n != 0 {
		t.Fatalf("%d slow clients after all have left", n)
	}
}

// Pings of a client that reads nothing: what waits for it stays within the
// bounds of output and pongs, and the latest ping is answered in the end, most others not.
func TestPingsWhileOutputWaits(t *testing.T) {
	const maxUnread, frames, pings = 64 << 10, 1000, 10_000
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.MaxUnread = maxUnread })
	sessions := make(chan *fakeSession, 1)
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		sessions <- fs
		return fs
	}
	client := dialRaw(t, s)
	if err := client.Conn.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil { // little goes on being taken unread
		t.Fatal(err)
	}
	client.send(upgradeHead(consumerPath("s")))
	client.response()
	fs := <-sessions
	c := fs.out.(*conn)
	frame := strings.Repeat("x", 16<<10)
	fs.set(func(s *fakeSession) {
		for range frames {
			s.queue = append(s.queue, frame)
		}
	})
	fs.out.Wake()
	eventually(t, "output stops", func() bool { return c.unsent.Load() >= maxUnread/2 && c.tellTaken.Load() })

	flood := strings.Repeat(clientFrame(9, strings.Repeat("p", 125)), pings-1) + clientFrame(9, "the last")
	before := s.bytesIn()
	client.send(flood)
	eventually(t, "all pings are read", func() bool { return s.bytesIn() == before+uint64(len(flood)) && c.wants.Load() == 0 })
	if unsent := c.unsent.Load(); unsent > maxUnread+int64(len(frame))+maxPongs+200 {
		t.Fatalf("%d bytes wait for a client that reads nothing", unsent)
	}

	texts, pongs, last := 0, 0, ""
	for texts < frames || last != "the last" {
		op, payload := client.frame()
		switch op {
		case 1:
			texts++
		case 10:
			pongs++
			last = payload
		default:
			t.Fatalf("got a frame with opcode %d", op)
		}
	}
	if pongs > pings/2 {
		t.Fatalf("%d pings of %d were answered", pongs, pings)
	}
}

// A client that floods the server with pings does not keep others from being
// served.
func TestPingFlood(t *testing.T) {
	s := start(t, echoBridge())
	flooder := dialRaw(t, s)
	flooder.send(upgradeHead(producerPath))
	flooder.response()
	other := dial(t, s, producerPath)
	pings := []byte(strings.Repeat(clientFrame(9, strings.Repeat("p", 125)), 500))
	stop, flooding := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flooding)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := flooder.Write(pings); err != nil {
					return
				}
			}
		}
	}()
	for range 50 {
		say(t, other, "hello")
		if got := message(t, other); got != "hello" {
			t.Fatalf("got %q", got)
		}
	}
	close(stop)
	_ = flooder.Close() // a write may be stuck, as nobody reads the pongs
	<-flooding
}

func TestPingIsAnswered(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, _ := openOne(t, s, b, consumerPath("s"))
	pongs := make(chan string, 1)
	c.SetPongHandler(func(m string) error { pongs <- m; fs.push("done"); return nil })
	if err := c.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	message(t, c)
	if got := <-pongs; got != "are you there" {
		t.Fatalf("got %q", got)
	}
}

func TestPeerThatNeverAnswersOurClose(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	s.set().ticks.close = 5
	sessions := make(chan *fakeSession, 1)
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		sessions <- fs
		return fs
	}
	c := dialRaw(t, s)
	c.send(upgradeHead(consumerPath("s")))
	c.response()
	(<-sessions).out.End(4, "reason")
	c.ended()
}
