package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// apply changes the options of a server that serves.
func apply(s *Server, change func(*Options)) {
	o := s.o
	change(&o)
	s.Apply(bounded(o))
}

// Who is there already counts when sessions begin to be bounded by address, and
// nobody counts twice or less than once when the bound comes and goes.
func TestAddressLimitThatComesLater(t *testing.T) {
	b := echoBridge()
	s := start(t, b)
	first, second := dial(t, s, producerPath), dial(t, s, producerPath)
	refusedThird := func() bool {
		for len(b.opens) > 0 { // nobody else looks at them
			<-b.opens
		}
		c, resp, err := dialErr(s, producerPath, nil)
		if err != nil {
			return resp != nil && resp.StatusCode == http.StatusTooManyRequests
		}
		_ = c.Close()
		return false
	}
	apply(s, func(o *Options) { o.MaxSessionsPerAddress = 2 })
	eventually(t, "the two that are there are counted", refusedThird)
	_ = first.Close()
	eventually(t, "a place is free", func() bool { return !refusedThird() })
	// While there is no bound one comes and one goes.
	apply(s, func(o *Options) { o.MaxSessionsPerAddress = 0 })
	third := dial(t, s, producerPath)
	_ = second.Close()
	eventually(t, "only the third is left", func() bool { return s.conns.Load() == 1 })
	apply(s, func(o *Options) { o.MaxSessionsPerAddress = 1 })
	eventually(t, "the third is counted", refusedThird)
	_ = third.Close()
	eventually(t, "its place is free", func() bool { return !refusedThird() })
	eventually(t, "nothing is left over", func() bool {
		s.addresses.mu.Lock()
		defer s.addresses.mu.Unlock()
		return len(s.addresses.used) == 0
	})
}

func TestLimitsThatChange(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) {
		o.MaxConnections, o.MaxURLBytes, o.AllowedOrigins = 2, 1000, []string{"https://a.example"}
	})
	status := func(path, origin string) int {
		c, resp, err := dialErr(s, path, http.Header{"Origin": {origin}})
		if resp == nil {
			t.Fatal(err)
		}
		if err == nil {
			_ = c.Close()
		}
		return resp.StatusCode
	}
	held := []*websocket.Conn{dial(t, s, producerPath), dial(t, s, producerPath)}
	eventually(t, "all places are taken", func() bool { return status(producerPath, "https://a.example") == http.StatusServiceUnavailable })
	apply(s, func(o *Options) {
		o.MaxConnections, o.MaxURLBytes, o.AllowedOrigins = 100, 2000, []string{"https://b.example"}
	})
	if got := status(producerPath, "https://b.example"); got != http.StatusSwitchingProtocols {
		t.Errorf("a third connection from the new origin: %d", got)
	}
	if got := status(producerPath, "https://a.example"); got != http.StatusForbidden {
		t.Errorf("from the old origin: %d", got)
	}
	if got := status(producerPath+"?x="+strings.Repeat("x", 1500), "https://b.example"); got != http.StatusSwitchingProtocols {
		t.Errorf("a URL that is not too long any more: %d", got)
	}
	// A lower limit closes nobody.
	apply(s, func(o *Options) { o.MaxConnections = 1 })
	if got := status(producerPath, ""); got != http.StatusServiceUnavailable {
		t.Errorf("over the new limit: %d", got)
	}
	say(t, held[1], "still here")
	message(t, held[1])
	// The largest message counts for open sessions, too.
	apply(s, func(o *Options) { o.MaxMessage = 10 })
	say(t, held[0], "longer than ten bytes")
	if _, _, err := held[0].ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("got %v", err)
	}
}

// An open session's deadlines are those of the new timeouts, although it was put
// into the wheel with the old ones.
func TestTimeoutsThatChange(t *testing.T) {
	var clock testClock
	b := newFakeBridge()
	s := start(t, b, clock.drive, func(o *Options) { o.IdleTimeout, o.NoIdlePing = time.Hour, true })
	c, _, _ := openOne(t, s, b, consumerPath("s"))
	_, end := reading(c)
	clock.forward(t, s, 2)
	apply(s, func(o *Options) { o.IdleTimeout = 200 * time.Millisecond })
	clock.forward(t, s, s.set().ticks.idle)
	if code := closeCode(t, receive(t, end, "the end")); code != closeGoingAway {
		t.Errorf("code %d", code)
	}
}
