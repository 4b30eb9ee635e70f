package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/server/life"
)

var gateSecret = []byte("0123456789abcdef0123456789abcdef")

func tokenOf(role string, expires time.Duration) string {
	claims := jwt.MapClaims{"sub": role}
	if expires != 0 {
		claims["exp"] = time.Now().Add(expires).Unix()
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(gateSecret)
	if err != nil {
		panic(err)
	}
	return token
}

func bearerOf(role string) http.Header {
	return http.Header{"Authorization": {"Bearer " + tokenOf(role, 0)}}
}

// permissions are an admin API with one namespace, public/default.
type permissions struct {
	mu     sync.Mutex
	roles  map[string][]string
	fault  error
	asking chan struct{} // if set, an answer takes one
	asked  atomic.Int32  // for answers that have not got theirs
}

func (p *permissions) AdminGet(ctx context.Context, path string, out any) (bool, error) {
	p.mu.Lock()
	asking := p.asking
	p.mu.Unlock()
	if asking != nil {
		p.asked.Add(1)
		defer p.asked.Add(-1)
		select {
		case <-asking:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil || path != "/admin/v2/namespaces/public/default" {
		return false, p.fault
	}
	b, err := json.Marshal(map[string]any{"auth_policies": map[string]any{"namespace_auth": p.roles}})
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(b, out)
}

func (p *permissions) set(f func(*permissions)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// guarded starts a server whose clients have to log in.
func guarded(t *testing.T, b Bridge, refresh time.Duration, change ...func(*Options)) (*Server, *permissions) {
	t.Helper()
	p := &permissions{roles: map[string][]string{"both": {"produce", "consume"}, "other": {"produce", "consume"}, "reader": {"consume"}}}
	quiet := slog.New(slog.DiscardHandler)
	authorizer := auth.NewAuthorizer(auth.AuthorizerOptions{SuperUsers: []string{"root"}, API: p, TTL: 100 * time.Millisecond, Logger: quiet})
	t.Cleanup(authorizer.Close)
	gate := auth.NewGate(auth.GateOptions{Authenticator: tokens(t), Authorizer: authorizer, SuperUsers: []string{"root"}, Refresh: refresh, MaxFailures: 5, Logger: quiet})
	return start(t, b, append([]func(*Options){func(o *Options) { o.Gate = gate }}, change...)...), p
}

// tokens is who knows the tokens of tokenOf.
func tokens(t *testing.T) *auth.Authenticator {
	t.Helper()
	a, err := auth.NewAuthenticator(auth.AuthenticatorOptions{
		Methods: []string{auth.MethodToken}, Logger: slog.New(slog.DiscardHandler),
		Token: auth.TokenOptions{SecretKey: "data:;base64," + base64.StdEncoding.EncodeToString(gateSecret), AuthClaim: "sub"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// open opens a session or returns the status it was refused with.
func openWith(t *testing.T, s *Server, path string, header http.Header) (*websocket.Conn, int) {
	t.Helper()
	c, resp, err := dialErr(s, path, header)
	if err != nil {
		if resp == nil {
			t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c, resp.StatusCode
}

func TestWhoMayOpenWhat(t *testing.T) {
	s, _ := guarded(t, echoBridge(), 0)
	for _, tc := range []struct {
		path, role string
		status     int
	}{
		{producerPath, "both", 101}, {producerPath, "reader", 403}, {producerPath, "root", 101}, {producerPath, "", 401},
		{consumerPath("s"), "reader", 101}, {"/ws/v2/reader/persistent/public/default/t", "reader", 101},
		{"/ws/v2/reader/persistent/public/other/t", "reader", 403},
		{"/ws/v3/consumer/s?topics=a,persistent://public/other/t", "reader", 403},
		{"/ws/v3/consumer/s?topicsPattern=public/default/a.*", "reader", 101},
		{consumerPath("s") + "?maxRedeliverCount=1", "reader", 403},
		{consumerPath("s") + "?maxRedeliverCount=1", "both", 101},
		{consumerPath("s") + "?maxRedeliverCount=1&deadLetterTopic=persistent://public/default/t-s-DLQ", "reader", 403},
		{"/ws/v3/consumer/s?maxRedeliverCount=1&topics=a,b", "reader", 403},
		{"/ws/v3/consumer/s?maxRedeliverCount=1&topics=a,b", "both", 101},
		{"/ws/v3/consumer/s?maxRedeliverCount=1&topicsPattern=public/default/a.*", "reader", 403},
		{"/ws/v3/consumer/s?maxRedeliverCount=1&topicsPattern=public/default/a.*", "both", 101},
		{consumerPath("s") + "?maxRedeliverCount=1&deadLetterTopic=persistent://public/default/d", "reader", 403},
		{consumerPath("s") + "?maxRedeliverCount=1&deadLetterTopic=persistent://public/default/d", "both", 101},
	} {
		header := http.Header{}
		if tc.role != "" {
			header = bearerOf(tc.role)
		}
		if _, status := openWith(t, s, tc.path, header); status != tc.status {
			t.Errorf("%s on %s: status %d, want %d", tc.role, tc.path, status, tc.status)
		}
	}
	if _, status := openWith(t, s, producerPath+"?token="+tokenOf("both", 0), nil); status != 101 {
		t.Errorf("the token of the query does not count: %d", status)
	}
}

func TestRefusalOfAClient(t *testing.T) {
	s, p := guarded(t, echoBridge(), 0)
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath))
	resp, body := c.response()
	if resp.StatusCode != 401 || body != `{"reason":"Failed to authenticate: credentials are required"}` || resp.Header.Get("WWW-Authenticate") != `Bearer realm="pulsegate"` {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
	c.ended()
	p.set(func(p *permissions) { p.fault = errors.New("secret detail") })
	c = dialRaw(t, s)
	c.send(upgradeHead(producerPath, "Authorization: Bearer "+tokenOf("both", 0)))
	if resp, body = c.response(); resp.StatusCode != 503 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	p.set(func(p *permissions) { p.fault = nil })
	for range 5 {
		_, _ = openWith(t, s, producerPath, http.Header{"Authorization": {"Bearer x"}})
	}
	if _, status := openWith(t, s, producerPath, http.Header{"Authorization": {"Bearer x"}}); status != 429 {
		t.Errorf("failed logins are not limited: %d", status)
	}
	if _, status := openWith(t, s, producerPath, bearerOf("root")); status != 101 {
		t.Errorf("others' failures lock out who has a valid token: %d", status)
	}
}

func TestCredentialsGivenTwice(t *testing.T) {
	s, _ := guarded(t, echoBridge(), 0)
	for _, name := range []string{"Authorization", "X-Pulsar-Auth-Method-Name"} {
		c := dialRaw(t, s)
		c.send(upgradeHead(producerPath, "Authorization: Bearer "+tokenOf("root", 0), name+": token", strings.ToLower(name)+": x"))
		if resp, _ := c.response(); resp.StatusCode != 400 {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
}

// The decision is given up when its client leaves, and leaves nothing behind.
func TestClientLeavesWhileItIsDecided(t *testing.T) {
	b := newFakeBridge()
	s, p := guarded(t, b, 0)
	p.set(func(p *permissions) { p.asking = make(chan struct{}) })
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath, "Authorization: Bearer "+tokenOf("both", 0)))
	eventually(t, "the decision is under way", func() bool { return p.asked.Load() > 0 })
	_ = c.Conn.(*net.TCPConn).SetLinger(0) // a reset: one that ends its direction is owed the answer
	_ = c.Close()
	eventually(t, "the client is gone", func() bool { return s.conns.Load() == 0 })
	s.handlers.Wait()
	if p.asked.Load() != 1 {
		t.Error("the decision was made all the same")
	}
	close(p.asking)
	if len(b.opens) != 0 {
		t.Error("the bridge was asked for a client that has left")
	}
}

func TestPermissionTakenAway(t *testing.T) {
	s, p := guarded(t, echoBridge(), 0)
	leaves, _ := openWith(t, s, producerPath, bearerOf("both"))
	stays, _ := openWith(t, s, producerPath, bearerOf("other"))
	root, _ := openWith(t, s, producerPath, bearerOf("root"))
	p.set(func(p *permissions) { delete(p.roles, "both") })
	_, _, err := leaves.ReadMessage()
	if e := (*websocket.CloseError)(nil); !errors.As(err, &e) || e.Code != 4006 || !strings.Contains(e.Text, "Client is not authorized: permission to produce") {
		t.Errorf("got %v", err)
	}
	for _, c := range []*websocket.Conn{stays, root} {
		say(t, c, "still here")
		if got := message(t, c); got != "still here" {
			t.Errorf("got %q", got)
		}
	}
	eventually(t, "the books are right", func() bool { return s.sessions[0].Load() == 2 })
}

// A permission that is taken away between the decision and the opening counts.
func TestPermissionTakenAwayWhileOpening(t *testing.T) {
	b := newFakeBridge()
	s, p := guarded(t, b, 0)
	first := openWith2(t, s, b, "both") // holds the namespace, so that it is kept fresh
	c := dialRaw(t, s)
	c.send(upgradeHead(producerPath, "Authorization: Bearer "+tokenOf("both", 0)))
	o := opened(t, b)
	p.set(func(p *permissions) { delete(p.roles, "both") })
	if _, _, err := first.ReadMessage(); closeCode(t, err) != 4006 {
		t.Fatal(err)
	}
	o.done(newFakeSession(o.out), nil)
	if resp, _ := c.response(); resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	if op, payload := c.frame(); op != 8 || int(payload[0])<<8|int(payload[1]) != 4006 {
		t.Errorf("got %x %q", op, payload)
	}
}

// openWith2 opens a producer on a bridge that the test drives.
func openWith2(t *testing.T, s *Server, b *fakeBridge, role string) *websocket.Conn {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		o := <-b.opens
		o.done(newFakeSession(o.out), nil)
	}()
	c, status := openWith(t, s, producerPath, bearerOf(role))
	receive(t, done, "the opening")
	if status != 101 {
		t.Fatalf("status %d", status)
	}
	return c
}

// renewalBridge hands credentials to the outlet, as the bridge's sessions do.
func renewalBridge() *fakeBridge {
	b := newFakeBridge()
	b.auto = func(o *fakeOpen) *fakeSession {
		fs := newFakeSession(o.out)
		fs.handle = func(frame []byte) error {
			taken := o.out.(bridge.Renewer).Renew(codec.AuthResponse{Method: "token", Data: string(frame)})
			if !taken {
				fs.push("not taken")
			}
			return nil
		}
		return fs
	}
	return b
}

const challengeFrame = `{"type":"AUTH_CHALLENGE","authChallenge":{"challenge":{"authMethodName":"token","authData":"token"},"protocolVersion":0}}`

// openSoon opens a session with a token that runs out in a moment: in two seconds or less, as its end is a whole one.
func openSoon(t *testing.T, s *Server, path string) (c *websocket.Conn, header http.Header) {
	t.Helper()
	eventually(t, "the token has not run out before it is seen", func() bool {
		header = http.Header{"Authorization": {"Bearer " + tokenOf("both", 2*time.Second)}}
		c, _ = openWith(t, s, path, header)
		return c != nil
	})
	return c, header
}

// renew has a client send a new token to c, waits until it is looked at, and reports whether it was taken: its own end or
// that of the session may have come before.
func renew(t *testing.T, client *websocket.Conn, c *conn, token string) (taken bool) {
	t.Helper()
	standing := func() (expires time.Time, failures uint8, open bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.who.expires, c.who.failures, c.state().Stage() == life.Session
	}
	expires, failures, _ := standing()
	say(t, client, "%s", token)
	eventually(t, "the new token is looked at", func() bool {
		e, f, open := standing()
		taken = open && !e.Equal(expires)
		return taken || f != failures || !open
	})
	return taken
}

func TestTokenIsRenewed(t *testing.T) {
	b := renewalBridge()
	s, _ := guarded(t, b, time.Hour)
	client, _ := openSoon(t, s, producerPath)
	c := opened(t, b).out.(*conn)
	asked := func() {
		t.Helper()
		if got := message(t, client); got != challengeFrame {
			t.Fatalf("got %s", got)
		}
	}
	asked()
	for last := 2 * time.Second; !renew(t, client, c, tokenOf("both", last)); last *= 2 {
		continue // it had run out when it was looked at
	}
	asked() // the second token runs out like the first
}

func TestTokenIsNotRenewed(t *testing.T) {
	b := renewalBridge()
	s, _ := guarded(t, b, 50*time.Millisecond)
	var early *websocket.Conn
	var session bridge.Session
	eventually(t, "a new token is taken before the old one runs out", func() bool {
		early, _ = openSoon(t, s, producerPath)
		c := opened(t, b).out.(*conn)
		taken := renew(t, early, c, tokenOf("both", 0))
		c.mu.Lock()
		defer c.mu.Unlock()
		session = c.session
		return taken && time.Now().Before(c.who.grant.Expires)
	})
	silent, _ := openSoon(t, s, consumerPath("s"))
	forger, _ := openSoon(t, s, consumerPath("s"))
	say(t, forger, "%s", tokenOf("root", time.Hour))
	for _, c := range []*websocket.Conn{silent, forger} {
		if got := message(t, c); got != challengeFrame {
			t.Fatalf("got %s", got)
		}
		_, _, err := c.ReadMessage()
		if e := (*websocket.CloseError)(nil); !errors.As(err, &e) || e.Code != 4005 || !strings.Contains(e.Text, "Failed to authenticate client") {
			t.Errorf("got %v", err)
		}
	}
	session.(*fakeSession).push("still here")
	if got := message(t, early); got != "still here" {
		t.Errorf("the one with a new token got %s", got)
	}
}

// A client that reads nothing is asked like any other, and holds up nobody.
func TestTokenOfAClientThatDoesNotRead(t *testing.T) {
	b := newFakeBridge()
	s, _ := guarded(t, b, 500*time.Millisecond, func(o *Options) { o.workers = 1 })
	var fs *fakeSession
	b.auto = func(o *fakeOpen) *fakeSession {
		fs = newFakeSession(o.out)
		return fs
	}
	openSoon(t, s, producerPath)
	opened(t, b)
	b.auto = nil
	large := strings.Repeat("x", 200_000)
	for range 100 {
		fs.push(large)
	}
	receive(t, fs.closed, "the session's end")
	other := openWith2(t, s, b, "both")
	_ = other.Close()
}

func TestTooManyRenewalsThatFail(t *testing.T) {
	s, _ := guarded(t, renewalBridge(), time.Hour)
	c, _ := openWith(t, s, producerPath, bearerOf("both"))
	closed := make(chan error, 1)
	go func() {
		_, _, err := c.ReadMessage()
		closed <- err
	}()
	// Of those that come while one is checked only the latest counts.
	eventually(t, "the session ends", func() bool {
		_ = c.WriteMessage(websocket.TextMessage, []byte("garbage"))
		return len(closed) == 1
	})
	if code := closeCode(t, <-closed); code != 4005 {
		t.Errorf("code %d", code)
	}
}

// Without a refresh interval a token counts for the session, as with the Java
// proxy, and nothing can be renewed.
func TestTokenIsLookedAtOnce(t *testing.T) {
	s, _ := guarded(t, renewalBridge(), 0)
	c, header := openSoon(t, s, producerPath)
	eventually(t, "the token has run out", func() bool {
		_, status := openWith(t, s, producerPath, header)
		return status == 401
	})
	say(t, c, "x")
	if got := message(t, c); got != "not taken" {
		t.Errorf("got %q", got)
	}
}

func TestPagesAreGuarded(t *testing.T) {
	s, _ := guarded(t, echoBridge(), 0, func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, "admin") })
	})
	status := func(path, role string) int {
		c := dialRaw(t, s)
		line := ""
		if role != "" {
			line = "Authorization: Bearer " + tokenOf(role, 0) + "\r\n"
		}
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + line + "Connection: close\r\n\r\n")
		resp, _ := c.response()
		if resp.StatusCode == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", path)
		}
		return resp.StatusCode
	}
	const topic = "/admin/v2/proxy-stats/persistent/public/default/t/stats"
	for _, tc := range []struct {
		path, role string
		status     int
	}{
		{"/admin/v2/proxy-stats/stats", "", 401}, {"/admin/v2/proxy-stats/stats", "both", 401}, {"/admin/v2/proxy-stats/stats", "root", 200},
		{"/admin/v2/proxy-stats/stats?token=" + tokenOf("root", 0), "", 401},
		{"/admin/v2/proxy-stats/metrics", "reader", 401}, {"/admin/proxy-stats/stats", "reader", 401},
		{topic, "", 401}, {topic, "nobody", 401}, {topic, "reader", 404}, {topic, "root", 404},
		{"/admin/v2/namespaces", "both", 401}, {"/admin/v2/namespaces", "root", 200},
		{"/metrics", "", 200}, {"/healthz", "", 200}, {"/readyz", "", 200}, {"/status.html", "", 404}, {"/nothing", "", 404},
	} {
		if got := status(tc.path, tc.role); got != tc.status {
			t.Errorf("%s as %q: status %d, want %d", tc.path, tc.role, got, tc.status)
		}
	}
}
