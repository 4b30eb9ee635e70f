package server

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/pulsegate/pulsegate/server/life"
)

// badSession is a session that panics where it is told to.
type badSession struct {
	*fakeSession
	atClose, atInFlight bool
}

func (s *badSession) Close() {
	s.fakeSession.Close()
	if s.atClose {
		panic("boom in Close")
	}
}

func (s *badSession) InFlight() int {
	if s.atInFlight {
		panic("boom in InFlight")
	}
	return 0
}

// openBad opens a bad session for a client that sends and reads frames itself.
func openBad(t *testing.T, s *Server, b *fakeBridge, bad *badSession) *rawConn {
	t.Helper()
	client := dialRaw(t, s)
	client.send(upgradeHead(producerPath))
	o := opened(t, b)
	bad.fakeSession = newFakeSession(o.out)
	o.done(bad, nil)
	if resp, _ := client.response(); resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	return client
}

// A session that panics when it is to end costs nothing but itself: its connection is forgotten, and others are served.
func TestPanicAtTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		bad    badSession
		ends   func(*testing.T, *Server, *badSession, *rawConn)
		panics uint64
	}{
		"Close": {badSession{atClose: true}, func(_ *testing.T, _ *Server, _ *badSession, client *rawConn) {
			_ = client.Close()
		}, 1},
		"Fill, and then Close": {badSession{atClose: true}, func(_ *testing.T, _ *Server, bad *badSession, client *rawConn) {
			bad.set(func(s *fakeSession) { s.boom = true })
			bad.out.Wake()
			client.ended()
		}, 2},
		"InFlight, behind the client's last": {badSession{atInFlight: true}, func(t *testing.T, _ *Server, _ *badSession, client *rawConn) {
			client.endsSending()
			if op, payload := client.frame(); op != 8 || payload != "\x03\xf3internal error" {
				t.Errorf("a frame %d with %q, not a close frame with 1011", op, payload)
			}
			client.ended()
		}, 1},
		"InFlight, when the server stops": {badSession{atInFlight: true}, func(t *testing.T, s *Server, _ *badSession, client *rawConn) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- s.Drain(ctx) }()
			if op, payload := client.frame(); op != 8 || payload != "\x03\xf3internal error" {
				t.Errorf("a frame %d with %q, not a close frame with 1011", op, payload)
			}
			_ = client.Close()
			if err := <-drained; err != nil {
				t.Error(err)
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBridge()
			s := start(t, b, func(o *Options) { o.workers = 1 })
			client := openBad(t, s, b, &test.bad)
			test.ends(t, s, &test.bad, client)
			receive(t, test.bad.closed, "the session's end")
			eventually(t, "the connection is forgotten", func() bool {
				return s.conns.Load() == 0 && s.places.used.Load() == 0 && s.sessions[0].Load() == 0
			})
			if n := s.metrics.panics.Load(); n != test.panics {
				t.Errorf("%d panics were counted, not %d", n, test.panics)
			}
		})
	}
}

// A client that leaves while its session opens is forgotten, whatever the bridge does when it hears of it.
func TestPanicWhenAnOpeningIsGivenUp(t *testing.T) {
	for name, leave := range map[string]func(*conn){
		"a session that came too late": func(c *conn) {
			c.mail = &mail{opened: &outcome{session: &badSession{fakeSession: newFakeSession(c), atClose: true}}}
		},
		"an opening": func(c *conn) { c.req.cancel = func() { panic("boom") } },
	} {
		t.Run(name, func(t *testing.T) {
			w := unservedWorker(t)
			w.s.log = slog.New(slog.DiscardHandler)
			c := w.standing(life.Dead)
			c.req = &request{}
			leave(c)
			w.s.places.take()
			w.s.conns.Add(1)
			c.wake(wantGone)
			w.work()
			if conns, places := w.s.conns.Load(), w.s.places.used.Load(); conns != 0 || places != 0 {
				t.Errorf("%d connections are left, and %d places taken", conns, places)
			}
			if n := w.s.metrics.panics.Load(); n != 1 {
				t.Errorf("%d panics were counted", n)
			}
		})
	}
}

// A bridge that panics when it is asked for a session, behind a gate that took its time, costs that client its connection only.
func TestPanicWhenASessionIsAskedFor(t *testing.T) {
	b := newFakeBridge()
	b.auto = func(*fakeOpen) *fakeSession { panic("boom") }
	s, _ := guarded(t, b, 0)
	client := dialRaw(t, s)
	client.send(upgradeHead(producerPath, "Authorization: Bearer "+tokenOf("both", 0)))
	client.ended()
	eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
	if n := s.metrics.panics.Load(); n != 1 {
		t.Errorf("%d panics were counted", n)
	}
}
