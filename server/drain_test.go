package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// ending reads until the close frame.
func ending(c *websocket.Conn) (messages []string, err error) {
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(b))
	}
}

func TestDrain(t *testing.T) {
	var clock testClock // which stands: there is time for the rest of a request
	b := newFakeBridge()
	s := start(t, b, clock.drive)
	consumer, cs, _ := openOne(t, s, b, consumerPath("s"))
	producer, ps, _ := openOne(t, s, b, producerPath)
	idle, keptAlive := dialRaw(t, s), dialRaw(t, s)
	keptAlive.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	keptAlive.response()
	b.auto = nil
	pending := dialRaw(t, s)
	pending.send(upgradeHead(producerPath))
	late := opened(t, b)
	partial := dialRaw(t, s)
	partial.send("GET /readyz HTTP/1.1\r\nHost: x\r\n")
	partial.delivered()
	eventually(t, "all are accepted", func() bool { return s.conns.Load() == 6 })
	cs.push("last message")
	ps.set(func(s *fakeSession) { s.inFlight = 2 })

	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.Drain(ctx)
	}()

	if got := message(t, consumer); got != "last message" {
		t.Fatalf("got %q", got)
	}
	_, err := ending(consumer)
	if code := closeCode(t, err); code != closeGoingAway {
		t.Fatalf("the consumer got %d", code)
	}
	receive(t, cs.closed, "the consumer's end")
	idle.ended()
	keptAlive.ended()
	partial.send("\r\n")
	if resp, body := partial.response(); resp.StatusCode != 503 || !strings.Contains(body, "shutting down") {
		t.Fatalf("/readyz: %d %s", resp.StatusCode, body)
	}
	partial.ended()
	late.done(newFakeSession(late.out), nil)
	if resp, _ := pending.response(); resp.StatusCode != 503 {
		t.Fatalf("the pending upgrade got %d", resp.StatusCode)
	}
	pending.ended()
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("a new connection was accepted")
	}

	// What the producer sends now is not taken; what is in flight is answered.
	say(t, producer, "too late")
	ps.set(func(s *fakeSession) { s.inFlight = 0; s.queue = append(s.queue, "ok 1", "ok 2") })
	ps.out.Wake()
	answers, err := ending(producer)
	if code := closeCode(t, err); code != closeGoingAway || strings.Join(answers, ",") != "ok 1,ok 2" {
		t.Fatalf("the producer got %q and %d", answers, code)
	}
	if len(ps.handled) != 0 {
		t.Fatal("a message was taken while draining")
	}
	// Some clients have not ended their side.
	clock.until(t, s, "the last is let go", func() bool { return len(done) == 1 })
	if err := receive(t, done, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
}

// What a client sent before the drain began is answered, also when the server
// has not read it yet.
func TestDrainAnswersWhatIsThere(t *testing.T) {
	s := start(t, echoBridge())
	clients := make([]*rawConn, 200)
	for i := range clients {
		clients[i] = dialRaw(t, s)
	}
	eventually(t, "all are accepted", func() bool { return int(s.conns.Load()) == len(clients) })
	for _, c := range clients {
		c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	for _, c := range clients {
		c.delivered()
	}
	done := make(chan error, 1)
	go func() { done <- s.Drain(t.Context()) }()
	for _, c := range clients {
		if resp, _ := c.response(); resp.StatusCode != http.StatusOK {
			t.Fatalf("got %d", resp.StatusCode)
		}
		_ = c.Close()
	}
	if err := receive(t, done, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
}

// An acknowledgement that is there when the session's turn to end comes counts,
// also when the server has not read it yet.
func TestDrainTakesAcknowledgements(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	other, _, _ := openOne(t, s, b, consumerPath("other")) // the first worker's, which moves the clock
	client, fs, _ := openOne(t, s, b, consumerPath("s"))
	c := fs.out.(*conn)
	eventually(t, "its worker is done with it", func() bool { return c.wants.Load() == 0 && !c.toRead.Load() })
	c.mu.Lock() // nobody reads it
	done := make(chan error, 1)
	go func() { done <- s.Drain(t.Context()) }()
	eventually(t, "the drain begins", s.draining.Load)
	sweeps := s.now() + 5
	eventually(t, "the time for a sweep", func() bool { return s.now() >= sweeps })
	say(t, client, "ack")
	// The worker waits for it in its sweep, or has taken the wish to read already and waits then.
	eventually(t, "its arrival is seen", func() bool { return c.wants.Load()&wantRead != 0 || c.toRead.Load() })
	c.mu.Unlock()
	_, _ = ending(other)
	_, err := ending(client)
	if code := closeCode(t, err); code != closeGoingAway {
		t.Fatalf("the consumer got %d", code)
	}
	if err := receive(t, done, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
	if len(fs.handled) != 1 {
		t.Fatal("the acknowledgement was lost")
	}
}

// A client that does not do its part holds a stop for a moment only.
func TestDrainDoesNotWaitForHalfARequest(t *testing.T) {
	large := strings.Repeat("x", 16<<20) // more than the kernel takes
	ca := tlstest.New(t)
	hello := clientHello(t)
	for name, tc := range map[string]struct {
		send  string
		proxy bool
		tls   bool
		want  int // status of the answer, 0: none
		span  func(*Server) uint32
	}{
		"half a head":              {send: "GET /healthz HTTP/1.1\r\nHost: x\r\n", want: 503, span: func(s *Server) uint32 { return s.set().ticks.begun }},
		"half a body":              {send: "PUT /admin/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", want: 503, span: func(s *Server) uint32 { return s.set().ticks.begun }},
		"half a PROXY header":      {send: "PROXY TCP4 1.2.3.4", proxy: true, want: 503, span: func(s *Server) uint32 { return s.set().ticks.begun }},
		"half a TLS handshake":     {send: hello, tls: true, span: func(*Server) uint32 { return 2 }},
		"half of a first message":  {send: hello[:len(hello)/2], tls: true, span: func(*Server) uint32 { return 2 }},
		"an answer that is unread": {send: "GET /admin/large HTTP/1.1\r\nHost: x\r\n\r\n", want: -1},
	} {
		t.Run(name, func(t *testing.T) {
			var clock testClock
			s := start(t, echoBridge(), clock.drive, withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) {
				o.ProxyProtocol = tc.proxy
				o.Admin = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(large)) })
			})
			address := s.Addr()
			if tc.tls {
				address = s.TLSAddr()
			}
			nc, err := net.Dial("tcp", address.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			c := newRaw(t, nc)
			c.send(tc.send)
			eventually(t, "it is read", func() bool { return s.bytesIn() == uint64(len(tc.send)) })
			unread := serverSide(t, s)
			if tc.want < 0 {
				s.set().ticks.close = 20
				eventually(t, "output waits", func() bool {
					unread.mu.Lock()
					defer unread.mu.Unlock()
					return unread.state() == life.Answered
				})
			}
			done := make(chan error, 1)
			go func() { done <- s.Drain(t.Context()) }()
			eventually(t, "the drain begins", s.draining.Load)
			if tc.want < 0 {
				clock.untilUnread(t, unread, life.Working, s.set().ticks.close)
			} else {
				clock.forward(t, s, tc.span(s)+1)
			}
			if tc.want > 0 {
				if resp, _ := c.response(); resp.StatusCode != tc.want {
					t.Fatalf("status %d", resp.StatusCode)
				}
				c.over()
				_ = c.Close()
			}
			if err := receive(t, done, "the end of the drain"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDrainGivesUp(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c, fs, _ := openOne(t, s, b, producerPath)
	fs.set(func(s *fakeSession) { s.inFlight = 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	s.Close()
	receive(t, fs.closed, "the session's end")
	if _, err := ending(c); err == nil {
		t.Fatal("the connection is open after Close")
	}
}

func TestDrainOfNothing(t *testing.T) {
	s := start(t, echoBridge())
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}
