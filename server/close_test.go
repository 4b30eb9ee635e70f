package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// endsSending ends the client's direction: the socket's, and with TLS before that
// the session's.
func (c *rawConn) endsSending() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	if secure, ok := c.Conn.(*tls.Conn); ok {
		if err := secure.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// over reads the end of the connection, which has to be one in good order.
func (c *rawConn) over() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Fatalf("want the end of the connection, got %q, %v", rest, err)
	}
}

// serverSide finds the only connection of a server, which begins to be there.
func serverSide(t *testing.T, s *Server) (c *conn) {
	t.Helper()
	eventually(t, "the connection is accepted", func() bool {
		s.watch.mu.Lock()
		defer s.watch.mu.Unlock()
		for _, one := range s.watch.conns {
			if one != nil {
				c = one
			}
		}
		return c != nil
	})
	return c
}

// dialers are the ways to a server that speaks both.
func dialers(ca *tlstest.CA) map[string]func(*testing.T, *Server) *rawConn {
	over := func(version uint16) func(*testing.T, *Server) *rawConn {
		return func(t *testing.T, s *Server) *rawConn {
			config := ca.Client()
			config.MaxVersion = version
			return dialTLSRaw(t, s, config)
		}
	}
	return map[string]func(*testing.T, *Server) *rawConn{
		"plain": dialRaw, "TLS 1.2": over(tls.VersionTLS12), "TLS 1.3": over(tls.VersionTLS13),
	}
}

// A client may end its direction behind its last request: what it has asked is
// answered, then the connection ends.
func TestHalfCloseBehindRequests(t *testing.T) {
	ca := tlstest.New(t)
	b := newFakeBridge()
	b.auto = func(o *fakeOpen) *fakeSession { return echoSession(o.out) }
	s := start(t, b, withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "got %s", body)
		})
	})
	ask := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	long := strings.TrimSuffix(ask("/healthz"), "\r\n") + "X: " + strings.Repeat("x", 4000) + "\r\n\r\n"
	many := strings.Repeat(long, 3*maxPending/len(long)) // more than is taken at once
	for name, tc := range map[string]struct {
		send string
		want []int
	}{
		"healthz":                 {ask("/healthz"), []int{200}},
		"metrics":                 {ask("/metrics"), []int{200}},
		"statistics":              {ask("/admin/v2/proxy-stats/stats"), []int{200}},
		"unknown path":            {ask("/nothing"), []int{404}},
		"body":                    {"PUT /admin/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", []int{200}},
		"refused upgrade":         {upgradeHead("/ws/v2/producer/persistent/public"), []int{400}},
		"pipelined":               {ask("/healthz") + ask("/nothing") + ask("/readyz"), []int{200, 404, 200}},
		"pipelined with upgrade":  {ask("/healthz") + upgradeHead("/ws/v2/nothing/x/y/z/t"), []int{200, 404}},
		"pipelined, many":         {many, nil},
		"half a request":          {"GET /healthz HTTP/1.1\r\nHos", []int{400}},
		"half a body":             {"PUT /admin/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", []int{400}},
		"pipelined, the last cut": {ask("/healthz") + "GET /healthz HT", []int{200, 400}},
		"nothing":                 {"", []int{}},
		"an empty line":           {"\r\n", []int{}},
	} {
		for by, dial := range dialers(ca) {
			t.Run(name+" "+by, func(t *testing.T) {
				t.Parallel()
				want := tc.want
				if want == nil {
					want = make([]int, strings.Count(tc.send, "\r\n\r\n"))
				}
				for range 10 {
					c := dial(t, s)
					c.send(tc.send)
					c.endsSending()
					for i, status := range want {
						if resp, body := c.response(); status == 0 && resp.StatusCode != 200 || status != 0 && resp.StatusCode != status {
							t.Fatalf("answer %d is %d %s", i, resp.StatusCode, body)
						}
					}
					c.over()
				}
			})
		}
	}
}

// The answer also comes when the client's end was seen long before.
func TestHalfCloseWhileARequestIsWorkedOn(t *testing.T) {
	work := make(chan struct{})
	s := start(t, echoBridge(), func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-work:
				_, _ = w.Write([]byte(strings.Repeat("x", 8<<20))) // more than the kernel takes
			case <-r.Context().Done():
			}
		})
	})
	client := dialRaw(t, s)
	if err := client.Conn.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	client.send("GET /admin/large HTTP/1.1\r\nHost: x\r\n\r\n")
	client.endsSending()
	eventually(t, "its end is seen", serverSide(t, s).ended.Load)
	close(work)
	if resp, body := client.response(); resp.StatusCode != 200 || len(body) != 8<<20 {
		t.Fatalf("%d, %d bytes", resp.StatusCode, len(body))
	}
	client.over()
}

// An upgrade behind which the client ends its direction is answered, and so is
// what it has published; then the session is closed.
func TestHalfCloseBehindAnUpgrade(t *testing.T) {
	ca := tlstest.New(t)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")))
	for by, dial := range dialers(ca) {
		t.Run(by, func(t *testing.T) {
			for range 20 {
				c := dial(t, s)
				c.send(upgradeHead(producerPath) + clientFrame(1, "one") + clientFrame(9, "ping") + clientFrame(1, "two"))
				c.endsSending()
				if resp, _ := c.response(); resp.StatusCode != 101 {
					t.Fatalf("status %d", resp.StatusCode)
				}
				got := map[string]bool{}
				for range 3 {
					op, payload := c.frame()
					got[fmt.Sprint(op, payload)] = true
				}
				if !got["1one"] || !got["1two"] || !got["10ping"] {
					t.Fatalf("got %v", got)
				}
				if op, payload := c.frame(); op != 8 || !strings.HasPrefix(payload, "\x03\xe9") {
					t.Fatalf("want close code 1001, got %d %q", op, payload)
				}
				c.over()
			}
		})
	}
}

// A producer's publishes in flight are answered although it has ended its
// direction in the middle of the session.
func TestHalfCloseOfAProducer(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	o := opened(t, b)
	fs := newFakeSession(o.out)
	o.done(fs, nil)
	c.response()
	fs.set(func(s *fakeSession) { s.inFlight = 1 })
	c.send(clientFrame(1, "publish"))
	c.endsSending()
	receive(t, fs.handled, "the publish")
	eventually(t, "its end is seen", serverSide(t, s).ended.Load)
	fs.set(func(s *fakeSession) { s.inFlight = 0 })
	fs.push("ok")
	if op, payload := c.frame(); op != 1 || payload != "ok" {
		t.Fatalf("got %d %q", op, payload)
	}
	if op, _ := c.frame(); op != 8 {
		t.Fatalf("got opcode %d", op)
	}
	c.over()
	receive(t, fs.closed, "the session's end")
}

// A consumer that has ended its direction can acknowledge nothing any more: its
// session ends at once, so that others get its messages.
func TestHalfCloseOfAConsumer(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	for range 50 {
		c := dialRaw(t, s)
		c.send(upgradeHead(consumerPath("s")))
		o := opened(t, b)
		fs := newFakeSession(o.out)
		o.done(fs, nil)
		c.response()
		c.send(clientFrame(1, "ack")) // comes together with the end, most of the time
		c.endsSending()
		receive(t, fs.handled, "the acknowledgement")
		receive(t, fs.closed, "the session's end")
		if op, payload := c.frame(); op != 8 || !strings.HasPrefix(payload, "\x03\xe9") {
			t.Fatalf("got %d %q", op, payload)
		}
		c.over()
	}
	eventually(t, "all are forgotten", func() bool { return s.conns.Load() == 0 })
}

// Input that is held back until a full session goes on is taken before the
// client's end.
func TestHalfCloseBehindHeldInput(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	o := opened(t, b)
	fs := newFakeSession(o.out)
	fs.set(func(s *fakeSession) { s.full = true })
	o.done(fs, nil)
	c.response()
	const n = 100
	c.send(strings.Repeat(clientFrame(1, "publish"), n))
	c.endsSending()
	receive(t, fs.handled, "the first publish")
	fs.set(func(s *fakeSession) { s.full = false })
	fs.out.Resume()
	for range n - 1 {
		receive(t, fs.handled, "a publish")
	}
	receive(t, fs.closed, "the session's end")
}

// When it is the client that answers no close frame but ends its direction, the
// connection is over.
func TestHalfCloseInsteadOfACloseFrame(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(consumerPath("s")))
	o := opened(t, b)
	o.done(newFakeSession(o.out), nil)
	c.response()
	o.out.End(3, "wrong")
	if op, _ := c.frame(); op != 8 {
		t.Fatalf("got opcode %d", op)
	}
	c.endsSending()
	c.over()
}

// A TLS client whose socket ends without a close_notify has still asked what it
// has asked.
func TestTLSEndWithoutCloseNotify(t *testing.T) {
	ca := tlstest.New(t)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")))
	for range 20 {
		c := dialTLSRaw(t, s, ca.Client())
		c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := c.Conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if resp, _ := c.response(); resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		c.over()
	}
}

// A client that closes without reading its answers draws a reset as soon as one is
// written; what it had published before is handled all the same.
func TestCloseWithUnreadAnswers(t *testing.T) {
	var handled atomic.Int64
	closed := make(chan struct{})
	b := newFakeBridge()
	b.auto = func(o *fakeOpen) *fakeSession {
		s := newFakeSession(o.out)
		s.handle = func([]byte) error {
			handled.Add(1)
			s.push("answer")
			return nil
		}
		go func() { <-s.closed; close(closed) }()
		return s
	}
	s := start(t, b)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	c.response()
	const many = 1500 // more than a read takes
	c.send(strings.Repeat(clientFrame(1, strings.Repeat("x", 300)), many))
	c.delivered()
	c.Close()
	receive(t, closed, "the end of the session")
	if got := handled.Load(); got != many {
		t.Errorf("%d of %d publishes were handled", got, many)
	}
}

// Clients that leave while their sessions are opened are taken for gone where
// they are many; the first of them would get their answers.
func TestHalfCloseOfManyWhileOpening(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b)
	const many = maxAwaiting + 20
	for range many {
		c := dialRaw(t, s)
		c.send(upgradeHead(producerPath))
		opened(t, b)
		c.endsSending()
	}
	eventually(t, "the rest to be closed", func() bool { return s.conns.Load() == maxAwaiting })
}
