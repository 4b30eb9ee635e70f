package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/operator"
)

// seen is in an operator's place: it tells whether the request may act, and who acts.
type seen struct {
	acts []bool
	by   atomic.Pointer[operator.Actor]
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	by, ok := operator.MayAct(r)
	s.acts = append(s.acts, ok)
	s.by.Store(&by)
	_, _ = io.WriteString(w, "{}")
}

// Without a login programs on this machine may look, and who reaches the operators' own door may act.
func TestWhoMayLookAndAct(t *testing.T) {
	const no, look, act = "no", "look", "act"
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	for _, c := range []struct {
		peer, host string
		header     []string
		change     func(*Options)
		http10     bool
		here       string // at the clients' door
		apart      string // at the operators' own
	}{
		{peer: "127.0.0.1:1000", host: "127.0.0.1:8080", here: look, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", here: look, apart: act},
		{peer: "127.0.0.1:1000", host: "[::1]:8080", here: look, apart: act},
		{peer: "127.0.0.1:1000", host: "[::1]", here: look, apart: act},
		{peer: "127.0.0.1:1000", host: "pulsegate-operator", here: look, apart: act},
		{peer: "192.0.2.1:1000", host: "localhost:8080", here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "rebound.example.com:8080", here: no, apart: no},
		{peer: "127.0.0.1:1000", host: "localhost.example.com", here: no, apart: no},
		{peer: "127.0.0.1:1000", host: "", here: no, apart: no},
		{peer: "127.0.0.1:1000", host: "localhost:8080", header: []string{"X-Forwarded-For", ""}, here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", header: []string{"X-Forwarded-Proto", "https"}, here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", header: []string{"Forwarded", "for=192.0.2.1"}, here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", header: []string{"Via", "1.1 proxy"}, here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", http10: true, here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", change: func(o *Options) { o.ProxyProtocol = true }, here: no, apart: act},
		{peer: "127.0.0.1:1000", host: "localhost:8080", change: func(o *Options) { o.TrustForwardedFor = true }, here: no, apart: act},
		{peer: "nonsense", host: "localhost", here: no, apart: act},
	} {
		at := &seen{}
		s := &Server{o: Options{Operator: at}}
		if c.change != nil {
			c.change(&s.o)
		}
		for apart, want := range map[bool]string{false: c.here, true: c.apart} {
			r := httptest.NewRequest("GET", "/gateway/status", nil)
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(loopback)))
			r.RemoteAddr, r.Host = c.peer, c.host
			if c.http10 {
				r.Proto, r.ProtoMinor = "HTTP/1.0", 0
			}
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			at.acts = nil
			s.pages(apart).ServeHTTP(httptest.NewRecorder(), r)
			got := no
			if len(at.acts) > 0 {
				got = map[bool]string{false: look, true: act}[at.acts[0]]
			}
			if got != want {
				t.Errorf("%+v, apart %v: %s, expected %s", c, apart, got, want)
			}
		}
	}
}

// With a login both are for super-users.
func TestPagesAreForSuperUsers(t *testing.T) {
	at := &seen{}
	s, _ := guarded(t, echoBridge(), 0, func(o *Options) { o.Operator = at })
	base := "http://" + s.Addr().String()
	for _, c := range []struct {
		token  string
		path   string
		status int
	}{
		{"", "/gateway/status", http.StatusUnauthorized},
		{tokenOf("both", 0), "/gateway/status", http.StatusUnauthorized},
		{tokenOf("root", 0), "/gateway/status", http.StatusOK},
		{"", "/console/", http.StatusOK}, // it is files
	} {
		r, err := http.NewRequest("GET", base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s as %.8q: %s", c.path, c.token, resp.Status)
		}
	}
	if by := at.by.Load(); by == nil || by.Role != "root" || !by.Address.Addr().IsLoopback() {
		t.Errorf("%+v has asked", by)
	}
}

func TestWhereThePagesAre(t *testing.T) {
	broker := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the broker") })
	// What / says where there is no console, also to a browser, which it leads nowhere.
	const bare = "pulsegate: Pulsar's WebSocket API is below /ws/, metrics are at /metrics.\n"
	for name, c := range map[string]struct {
		change func(*Options)
		want   map[string]string // the beginning of the answer
	}{
		"on": {func(o *Options) { o.Operator = &seen{} }, map[string]string{
			"/": "pulsegate: ", "/console/": "<!doctype html>", "/console": "<a href=", "/gateway/status": "{}", "/console/none.js": "404 page not found",
		}},
		"off": {func(*Options) {}, map[string]string{"/": bare, "/console/": `{"reason"`, "/gateway/status": `{"reason"`}},
		"apart": {func(o *Options) { o.Operator, o.PagesApart = &seen{}, true }, map[string]string{
			"/": bare, "/console/": `{"reason"`, "/gateway/status": `{"reason"`,
		}},
		"beside a broker": {func(o *Options) { o.Operator, o.Broker = &seen{}, broker }, map[string]string{
			"/": "the broker", "/console/": "<!doctype html>", "/gateway/status": "{}", "/gatewayx": "the broker",
		}},
	} {
		s := start(t, echoBridge(), c.change)
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		for path, want := range c.want {
			r, err := http.NewRequest("GET", "http://"+s.Addr().String()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want == bare {
				r.Header.Set("Accept", "text/html")
			}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.HasPrefix(string(text), want) {
				t.Errorf("%s: %s: %s %.60q, expected %q", name, path, resp.Status, text, want)
			}
		}
	}
}

// An operator sees a session, what its client says it is, and closes it.
func TestOperatorSeesAndCloses(t *testing.T) {
	b := echoBridge()
	s := start(t, b)
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	agent := "agent/1 " + strings.Repeat("x", 200)
	fmt.Fprintf(nc, "GET /ws/v2/producer/persistent/public/default/t HTTP/1.1\r\nHost: h\r\nUser-Agent: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", agent)
	in := bufio.NewReader(nc)
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}

	var list []operator.Session
	s.Sessions(func(session *operator.Session) bool {
		list = append(list, *session)
		return true
	})
	if len(list) != 1 || list[0].ID == 0 || list[0].Kind != "producer" || list[0].UserAgent != agent[:maxAgent] ||
		list[0].Address.String() != nc.LocalAddr().String() || list[0].Sharing != 3 || list[0].Opened.IsZero() || list[0].SubscriptionType != "" {
		t.Errorf("%+v", list)
	}
	s.Clients(func(c *operator.Client) bool {
		if len(list) != 1 || !slices.Equal(list[0].Upstream, []uint64{c.ID}) || c.ID != 7 {
			t.Errorf("%+v does not use %+v", list, c)
		}
		return true
	})
	if _, err := json.Marshal(list); err != nil {
		t.Error(err)
	}
	if s.CloseSession(list[0].ID+1, "no") || !s.CloseSession(list[0].ID, "maintenance") {
		t.Error("the wrong session is found, or the right one not")
	}
	if s.CloseSession(list[0].ID, "again") {
		t.Error("a session that is closing is closed again")
	}
	frame := make([]byte, 4+len("maintenance"))
	if _, err := io.ReadFull(in, frame); err != nil || frame[0] != 0x88 || string(frame[4:]) != "maintenance" || int(frame[2])<<8|int(frame[3]) != closePolicy {
		t.Errorf("%q, %v", frame, err)
	}
}

// Refusals are kept with their reason, the newest first, and no more of them than so many.
func TestRefusalsAreRemembered(t *testing.T) {
	s := start(t, echoBridge())
	if resp, err := http.Get("http://" + s.Addr().String() + "/ws/v2/nothing"); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	last := s.Refusals()
	if len(last) != 1 || last[0].Code != http.StatusNotFound || last[0].More["path"] != "/ws/v2/nothing" || !last[0].Address.IsValid() {
		t.Errorf("%+v", last)
	}
	for i := range maxLatest + 10 {
		s.incidents.add(incident{what: "session refused", reason: fmt.Sprint(i)})
	}
	last = s.Refusals()
	if len(last) != maxLatest || last[0].Reason != fmt.Sprint(maxLatest+9) || last[maxLatest-1].Reason != "10" {
		t.Errorf("%d: %+v … %+v", len(last), last[0], last[len(last)-1])
	}
}

var _ Bridge = (*hub.Hub)(nil)
