package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/server/life"
)

// A server that is to be stopped says so first, and goes on serving.
func TestLeaveIsToldFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, echoBridge(), func(o *Options) { o.StatusFile = file })
	before := dial(t, s, producerPath)
	keptAlive := dialRaw(t, s)
	keptAlive.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, _ := keptAlive.response(); resp.StatusCode != 200 || resp.Close {
		t.Fatalf("/readyz at first: %d, close %v", resp.StatusCode, resp.Close)
	}
	s.Leave()
	for path, want := range map[string]int{"/readyz": 503, "/status.html": 404, "/healthz": 200} {
		if resp, body := get(t, s, path); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
	keptAlive.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, _ := keptAlive.response(); resp.StatusCode != 503 || !resp.Close {
		t.Errorf("/readyz on an old connection: %d, close %v", resp.StatusCode, resp.Close)
	}
	for _, c := range []*websocket.Conn{before, dial(t, s, producerPath)} {
		say(t, c, "hello")
		if got := message(t, c); got != "hello" {
			t.Errorf("got %q", got)
		}
	}
}

// At each tick of a spread at least as many have left as is their share, and at its end all.
func TestDeparturesAreEven(t *testing.T) {
	for _, all := range []int{0, 1, 7, 100, 1_000_000} {
		for _, span := range []uint32{0, 1, 10, 863_999} {
			d := departures{all: all, since: 1<<32 - 3} // the clock wraps meanwhile
			before := all
			for passed := range min(span+3, 1000) {
				left := d.due(d.since+passed, span)
				if gone := before - left; gone < 0 || gone > all/int(span+1)+1 {
					t.Fatalf("%d sessions in %d ticks: %d leave at tick %d", all, span, gone, passed)
				}
				before = left
			}
			if left := d.due(d.since+span, span); left != 0 {
				t.Errorf("%d sessions in %d ticks: %d are left", all, span, left)
			}
		}
	}
}

// Sessions are closed evenly over the spread, in random order, and work until their turn comes.
func TestDrainSpreads(t *testing.T) {
	const sessions, span = 60, 10
	var clock testClock
	b := echoBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.DrainSpread, o.Replaced = span*o.tick, true })
	clients := make([]*websocket.Conn, sessions)
	conns := make([]*conn, sessions)
	ended := make(chan int, sessions)
	for i := range clients {
		path := []string{producerPath, consumerPath("s"), "/ws/v2/reader/persistent/public/default/t"}[i%3]
		clients[i] = dial(t, s, path)
		conns[i] = opened(t, b).out.(*conn)
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context()) }()
	eventually(t, "the drain begins", s.draining.Load)
	open := func(i int) bool { return conns[i].state().Stage() == life.Session }
	var order [span + 1][]int // who left at which tick
	left := map[int]bool{}
	for tick := range span + 1 {
		if tick > 0 { // the first sweep comes without the clock
			clock.forward(t, s, 1)
		}
		want := sessions - sessions*(tick+1)/(span+1)
		eventually(t, "those whose turn has come leave", func() bool {
			n := 0
			for i := range conns {
				if open(i) {
					n++
				}
			}
			if n < want {
				t.Fatalf("%d are left at tick %d, want %d", n, tick, want)
			}
			return n == want
		})
		served := false
		for i, c := range clients {
			if left[i] || open(i) && served {
				continue
			}
			if open(i) {
				served = true
				say(t, c, "still here")
				if got := message(t, c); got != "still here" {
					t.Fatalf("got %q", got)
				}
				continue
			}
			left[i] = true
			order[tick] = append(order[tick], i)
			go func() {
				_, err := ending(c)
				var e *websocket.CloseError
				if errors.As(err, &e) && e.Code == closeRestart && e.Text == restartReason {
					_ = c.Close()
					ended <- i
					return
				}
				t.Errorf("session %d ended with %v", i, err)
				ended <- i
			}()
		}
	}
	for range sessions {
		receive(t, ended, "the end of a session")
	}
	clock.until(t, s, "the last is let go", func() bool { return len(drained) == 1 })
	if err := receive(t, drained, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
	first, last := true, true
	for i := range span {
		first = first && slices.Max(order[i]) < slices.Min(order[i+1])
		last = last && slices.Min(order[i]) > slices.Max(order[i+1])
	}
	if first || last {
		t.Errorf("the sessions left in an order that is not random: %v", order)
	}
}

// What a consumer's client has acknowledged when the close frame reaches it counts, and
// nothing is sent behind that frame.
func TestDrainHearsUntilTheCloseIsAnswered(t *testing.T) {
	for name, end := range map[string]func(c *rawConn){
		"close frame": func(c *rawConn) { c.send(clientFrame(8, "\x03\xe9")) },
		"FIN":         func(c *rawConn) { _ = c.Conn.(interface{ CloseWrite() error }).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBridge()
			s := start(t, b)
			client, fs := openRaw(t, s, b, consumerPath("s"))
			drained := make(chan error, 1)
			go func() { drained <- s.Drain(t.Context()) }()
			if op, payload := client.frame(); op != 8 || payload != "\x03\xe9"+drainReason {
				t.Fatalf("opcode %d %q", op, payload)
			}
			fs.push("too late")
			fs.set(func(s *fakeSession) { s.full = true })
			client.send(clientFrame(9, "ping") + clientFrame(1, "ack 1") + clientFrame(1, "ack 2"))
			if got := receive(t, fs.handled, "the first acknowledgement"); got != "ack 1" {
				t.Fatalf("got %q", got)
			}
			fs.set(func(s *fakeSession) { s.full = false })
			fs.out.Resume()
			if got := receive(t, fs.handled, "the second acknowledgement"); got != "ack 2" {
				t.Fatalf("got %q", got)
			}
			select {
			case <-fs.closed:
				t.Fatal("the session ended before the client had answered")
			default:
			}
			end(client)
			receive(t, fs.closed, "the session's end")
			if rest, err := client.r.ReadByte(); err == nil {
				t.Fatalf("%q came behind the close frame", rest)
			}
			_ = client.Close()
			if err := receive(t, drained, "the end of the drain"); err != nil {
				t.Fatal(err)
			}
			if n := fs.queued(); n != 1 {
				t.Errorf("%d messages were kept, want 1", n)
			}
		})
	}
}

// A client that answers its close frame with what is no acknowledgement is not listened to
// any longer; one that does not answer is not waited for.
func TestDrainDoesNotHearForEver(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive)
	s.set().ticks.close = 5
	client, fs := openRaw(t, s, b, consumerPath("s"))
	heard := make(chan string, 10)
	fs.handle = func(frame []byte) error {
		heard <- string(frame)
		return errors.New("bad")
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context()) }()
	if op, _ := client.frame(); op != 8 {
		t.Fatalf("opcode %d", op)
	}
	read := s.bytesIn()
	nonsense := clientFrame(1, "nonsense")
	client.send(nonsense + nonsense)
	eventually(t, "both are read", func() bool { return s.bytesIn() == read+uint64(2*len(nonsense)) })
	clock.forward(t, s, s.set().ticks.close+1)
	receive(t, fs.closed, "the session's end")
	client.ended()
	if err := receive(t, drained, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 1 {
		t.Errorf("%d messages were taken, want 1", len(heard))
	}
}

// A message that is worked on for long holds a drain for the time of a close only.
func TestDrainDoesNotWaitForEverForALargeMessage(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive)
	s.set().ticks.close = 5
	client, fs, begun, goOn := openBlocking(t, s, b)
	client.send(largeFrame)
	receive(t, begun, "the large message")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(ctx) }()
	eventually(t, "the drain begins", s.draining.Load)
	clock.forward(t, s, s.set().ticks.close+2)
	if op, _ := client.frame(); op != 8 {
		t.Fatalf("opcode %d", op)
	}
	goOn()
	receive(t, fs.closed, "the session's end")
	_ = client.Close()
	if err := receive(t, drained, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
}

// openRaw opens a session whose client sends exactly what the test says.
func openRaw(t *testing.T, s *Server, b *fakeBridge, path string) (*rawConn, *fakeSession) {
	t.Helper()
	sessions := make(chan *fakeSession, 1)
	b.answer(func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		sessions <- fs
		return fs
	})
	client := dialRaw(t, s)
	client.send(upgradeHead(path))
	if resp, _ := client.response(); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	return client, receive(t, sessions, "the session")
}

// A stop without a spread closes all sessions at once, however many there are.
func TestDrainWithoutSpread(t *testing.T) {
	var clock testClock
	b := echoBridge()
	s := start(t, b, clock.drive)
	clients := make([]*websocket.Conn, 3*sweepTurn)
	for i := range clients {
		clients[i] = dial(t, s, producerPath)
	}
	go func() { _ = s.Drain(t.Context()) }()
	for _, c := range clients { // the clock stands
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := ending(c)
		if code := closeCode(t, err); code != closeGoingAway {
			t.Fatalf("closed with %d", code)
		}
		_ = c.Close()
	}
}
