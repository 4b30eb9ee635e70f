package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestConnectionLimit(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.MaxConnections = 2 })
	first, second := dial(t, s, producerPath), dial(t, s, producerPath)
	_, resp, err := dialErr(s, producerPath, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got %v, %v; want 503", resp, err)
	}
	if resp, _ := get(t, s, "/healthz"); resp.StatusCode != 200 {
		t.Fatalf("an operator gets %d", resp.StatusCode)
	}
	say(t, second, "served")
	message(t, second)
	_ = first.Close()
	eventually(t, "room for one more", func() bool {
		c, _, err := dialErr(s, producerPath, nil)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func TestConnectionsFarOverTheLimitAreClosed(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.MaxConnections = 1 })
	var held []*rawConn
	for range 1 + refusalRoom {
		held = append(held, dialRaw(t, s))
	}
	eventually(t, "all are accepted", func() bool { return s.conns.Load() == 1+refusalRoom })
	dialRaw(t, s).ended()
	held[0].send(upgradeHead(producerPath))
	if resp, _ := held[0].response(); resp.StatusCode != 101 {
		t.Fatalf("the first connection gets %d", resp.StatusCode)
	}
}

func TestAddressLimit(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.MaxSessionsPerAddress = 2; o.TrustForwardedFor = true })
	from := func(addr string) (int, func()) {
		h := http.Header{}
		if addr != "" {
			h.Set("X-Forwarded-For", addr)
		}
		c, resp, err := dialErr(s, producerPath, h)
		if err != nil {
			return resp.StatusCode, nil
		}
		return resp.StatusCode, func() { _ = c.Close() }
	}
	_, leave := from("")
	from("")
	if status, _ := from(""); status != http.StatusTooManyRequests {
		t.Fatalf("status %d, want 429", status)
	}
	if status, _ := from("192.0.2.7, 10.0.0.1"); status != 101 {
		t.Fatalf("another address gets %d", status)
	}
	leave()
	eventually(t, "room for one more", func() bool { status, _ := from(""); return status == 101 })
}

func TestRefusedOpeningGivesItsPlaceBack(t *testing.T) {
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.MaxSessionsPerAddress = 1 })
	for range 3 {
		c := dialRaw(t, s)
		c.send(upgradeHead(producerPath))
		opened(t, b).done(nil, http.ErrServerClosed)
		if resp, _ := c.response(); resp.StatusCode != 500 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		_ = c.Close()
		eventually(t, "the connection is forgotten", func() bool { return s.conns.Load() == 0 })
	}
}

func TestConcurrentRequestsLimit(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	s := start(t, echoBridge(), func(o *Options) {
		o.MaxConcurrentRequests = 1
		o.Admin = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { enter <- struct{}{}; <-leave })
	})
	c := dialRaw(t, s)
	c.send("GET /admin/wait HTTP/1.1\r\nHost: x\r\n\r\n")
	receive(t, enter, "the handler")
	if resp, _ := get(t, s, "/metrics"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("status %d, want 503", resp.StatusCode)
	}
	close(leave)
	if resp, _ := c.response(); resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	eventually(t, "the next request is served", func() bool { resp, _ := get(t, s, "/metrics"); return resp.StatusCode == 200 })
}

// waitingBridge does not say whether it is ready before the question is given up.
type waitingBridge struct {
	*fakeBridge
	asked chan struct{}
}

func (b waitingBridge) Ready(ctx context.Context) error {
	b.asked <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

// Requests that take long, whatever for, do not make the process look dead: whoever restarts it then would end all sessions.
func TestRequestsThatWaitDoNotHideThatTheServerLives(t *testing.T) {
	ask := func(s *Server, path string) {
		dialRaw(t, s).send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	status := func(s *Server, path string) int {
		resp, _ := get(t, s, path)
		return resp.StatusCode
	}
	t.Run("of the admin API", func(t *testing.T) {
		enter, leave := make(chan struct{}), make(chan struct{})
		s := start(t, echoBridge(), func(o *Options) {
			o.MaxConcurrentRequests = 1
			o.Admin = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { enter <- struct{}{}; <-leave })
		})
		defer close(leave)
		ask(s, "/admin/wait")
		receive(t, enter, "the handler")
		for _, path := range []string{pathHealth, pathReady} {
			if got := status(s, path); got != http.StatusOK {
				t.Errorf("%s: status %d", path, got)
			}
		}
	})
	t.Run("whether the brokers are there", func(t *testing.T) {
		b := waitingBridge{echoBridge(), make(chan struct{}, 1)}
		s := start(t, b, func(o *Options) { o.MaxConcurrentRequests = 1 })
		ask(s, pathReady)
		receive(t, b.asked, "the question")
		if got := status(s, pathReady); got != http.StatusServiceUnavailable {
			t.Errorf("a second question: status %d", got)
		}
		for _, path := range []string{pathHealth, "/metrics"} {
			if got := status(s, path); got != http.StatusOK {
				t.Errorf("%s: status %d", path, got)
			}
		}
	})
}

func TestProxyProtocol(t *testing.T) {
	b := echoBridge()
	s := start(t, b, func(o *Options) { o.ProxyProtocol = true })
	const signature = "\r\n\r\n\x00\r\nQUIT\n" // of version 2
	v2 := signature + "\x21\x11\x00\x0c" + "\xc0\x00\x02\x09" + "\x0a\x00\x00\x01" + "\x10\x92" + "\x1f\x90"
	v26 := signature + "\x21\x21\x00\x24" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x05" + strings.Repeat("\x00", 16) + "\x10\x92" + "\x1f\x90"
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.9 10.0.0.1 4242 8080\r\n": "192.0.2.9:4242",
		"PROXY TCP6 2001:db8::5 ::1 4242 8080\r\n":    "[2001:db8::5]:4242",
		"PROXY UNKNOWN\r\n":                           "",
		v2:                                            "192.0.2.9:4242",
		v26:                                           "[2001:db8::5]:4242",
		signature + "\x20\x00\x00\x00":                "",
	} {
		c := dialRaw(t, s)
		c.send(header[:7])
		c.send(header[7:] + upgradeHead(producerPath))
		if resp, _ := c.response(); resp.StatusCode != 101 {
			t.Fatalf("%q: status %d", header, resp.StatusCode)
		}
		if want == "" {
			want = c.LocalAddr().String()
		}
		if got := opened(t, b).out.RemoteAddr(); got != want {
			t.Errorf("%q: address %s, want %s", header, got, want)
		}
	}
	for _, header := range []string{"GET / HTTP/1.1\r\n", "PROXY TCP4 x y 1 2\r\n", "PROXY TCP4 1.2.3.4\r\n", strings.Repeat("PROXY ", 50),
		signature + "\x11\x11\x00\x0c", signature + "\x21\x11\xff\xff"} {
		c := dialRaw(t, s)
		c.send(header)
		c.ended()
	}
}
