package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/test/logs"
)

var somewhere = netip.MustParseAddrPort("192.0.2.7:1234")

// However many there are, the log says little, and it says how many.
func TestIncidentsAreCounted(t *testing.T) {
	var log logs.Buffer
	now := time.Unix(1000, 0)
	i := newIncidents(slog.New(slog.NewTextHandler(&log, nil)), func(_, _, _ string) {})
	i.now = func() time.Time { return now }
	add := func(code int) {
		i.add(incident{what: "session refused", code: code, reason: "why", remote: somewhere})
	}
	for range 1000 {
		add(401)
	}
	add(503)
	if n := strings.Count(log.String(), "status=401"); n != incidentLines {
		t.Errorf("%d lines of one kind", n)
	}
	if !strings.Contains(log.String(), `level=INFO msg="session refused" status=503 reason=why remote=192.0.2.7:1234`) {
		t.Errorf("another kind is not told:\n%s", log.String())
	}
	now = now.Add(incidentSpan / 2)
	i.flush(false)
	if strings.Contains(log.String(), "count=") {
		t.Error("counted together too early")
	}
	now = now.Add(incidentSpan / 2)
	i.flush(false)
	i.flush(false)
	if n := strings.Count(log.String(), "count="); n != 1 || !strings.Contains(log.String(), "count=997 within=10s status=401") {
		t.Errorf("%d times counted together:\n%s", n, log.String())
	}
	if len(i.kinds) != 0 {
		t.Errorf("%d kinds are kept", len(i.kinds))
	}
	for range incidentLines + 2 {
		add(401)
	}
	now = now.Add(incidentSpan)
	add(401) // before anyone flushes
	if n := strings.Count(log.String(), "status=401"); n != 2*incidentLines+3 || !strings.Contains(log.String(), "count=2 ") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	for range incidentLines {
		add(401)
	}
	i.flush(true)
	if !strings.Contains(log.String(), "count=1 within=0s") {
		t.Errorf("the end does not tell the rest:\n%s", log.String())
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain Ünï":                    "plain Ünï",
		"a\x1b[2Jb\nc\x00\u202e\u009b": `a\x1b[2Jb\nc\x00\u202e\u009b`,
		"\xff":                         `\xff`,
		strings.Repeat("é", 200):       strings.Repeat("é", 100) + "…",
		"a" + strings.Repeat("é", 200): "a" + strings.Repeat("é", 99) + "…",
		strings.Repeat("x", maxShown):  strings.Repeat("x", maxShown),
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if n := len(printable(strings.Repeat("\x80", 1<<20))); n > 5*maxShown {
		t.Errorf("%d bytes", n)
	}
}

// Each refusal and each limit is told at info, with what an operator looks for, and
// nothing that a client sent makes a line long or breaks it.
func TestIncidentsOfAServer(t *testing.T) {
	var log logs.Buffer
	budget := memory.New(1 << 20)
	b := echoBridge()
	s := start(t, b, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.MaxConnections, o.MaxSessionsPerAddress, o.MaxMessage, o.MaxURLBytes, o.MaxHeaderBytes = 3, 1, 100, 3000, 4000
		o.AllowedOrigins, o.Memory, o.TrustForwardedFor = []string{"https://here.example"}, budget, true
	})
	told := func(parts ...string) {
		t.Helper()
		eventually(t, strings.Join(parts, " … "), func() bool {
		lines:
			for line := range strings.Lines(log.String()) {
				for _, part := range parts {
					if !strings.Contains(line, part) {
						continue lines
					}
				}
				return strings.Contains(line, "level=INFO")
			}
			return false
		})
	}
	alone := func() {
		t.Helper()
		eventually(t, "all have left", func() bool { return s.conns.Load() == 0 })
	}
	request := func(text string) {
		t.Helper()
		alone()
		c := dialRaw(t, s)
		c.send(text)
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
	request("nonsense\r\n\r\n")
	told(`"request refused" status=400`, "malformed request line", "remote=127.0.0.1:")
	request("GET / HTTP/1.1\r\nHost: x\x1b\r\n\r\n")
	told(`"request refused" status=400`, "control character")
	request("GET /nowhere/" + strings.Repeat("long", 300) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	told(`"request refused" status=404`, "path=/nowhere/long", "…")
	request("GET /" + strings.Repeat("x", 3500) + " HTTP/1.1\r\n")
	told("status=414 limit=maxUrlBytes")
	request("GET / HTTP/1.1\r\nHost: " + strings.Repeat("x", 5000))
	told("status=431 limit=maxHttpHeaderBytes")
	alone()
	late := dialRaw(t, s)
	read := s.bytesIn()
	late.send("GET / HT")
	eventually(t, "the part is read", func() bool { return s.bytesIn() > read })
	apply(s, func(o *Options) { o.HandshakeTimeout = 10 * time.Millisecond })
	told("status=408 limit=handshakeTimeoutMillis")
	apply(s, func(o *Options) { o.HandshakeTimeout = time.Hour })
	_ = late.Close()
	request(strings.Replace(upgradeHead(producerPath), "\r\n\r\n", "\r\nOrigin: https://there.example\r\n\r\n", 1))
	told(`"session refused" status=403`, "Origin", "path="+producerPath)
	request(strings.Replace(upgradeHead(producerPath), "GET", "POST", 1))
	told(`"session refused" status=405`)

	alone()
	c := dial(t, s, producerPath)
	request2 := func(head string) {
		t.Helper()
		c := dialRaw(t, s)
		c.send(head)
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
	request2(upgradeHead(producerPath))
	told(`"session refused" status=429 limit=maxSessionsPerAddress`, "remote=127.0.0.1:")
	eventually(t, "only one is left", func() bool { return s.conns.Load() == 1 }) // or another limit refuses the next
	budget.Take(memory.Tails, 2<<20)
	request2(upgradeHead(producerPath))
	budget.Take(memory.Tails, -2<<20)
	told(`status=503 limit=memoryLimitInMB`)
	say(t, c, "%s", strings.Repeat("x", 101))
	told(`"session ended" code=1009 limit=webSocketMaxTextFrameSize`, "kind=producer", "remote=127.0.0.1:")
	_ = c.Close()

	alone()
	var held []net.Conn
	for range 3 {
		held = append(held, dialRaw(t, s))
	}
	eventually(t, "all places are taken", func() bool { return s.conns.Load() == 3 })
	request2(upgradeHead(producerPath))
	told(`"session refused" status=503 limit=maxHttpServerConnections`)
	for range refusalRoom + 1 {
		held = append(held, dialRaw(t, s))
	}
	told(`"connection closed unanswered" limit=maxHttpServerConnections`)
	for _, c := range held {
		_ = c.Close()
	}
	alone()

	c = dial(t, s, producerPath)
	if err := c.WriteMessage(websocket.TextMessage, []byte("\xff")); err != nil {
		t.Fatal(err)
	}
	told(`"session ended" code=1007`)
	for line := range strings.Lines(log.String()) {
		if len(line) > 600 || strings.ContainsAny(line, "\x1b") {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
	}
}

// What the cluster answers is told, too.
func TestIncidentsOfOpening(t *testing.T) {
	var log logs.Buffer
	b := newFakeBridge()
	s := start(t, b, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&bridge.Error{Kind: bridge.ErrUnavailable, Detail: "no broker\x1b"}, `msg="session refused" status=503 reason="Broker unreachable: no broker`},
		{&bridge.Error{Kind: bridge.ErrTimeout, Detail: "slow"}, `msg="session refused" status=504`},
		{&bridge.Error{Kind: bridge.ErrMemoryFull, Detail: "full"}, `msg="session refused" status=503 limit=memoryLimitInMB`},
		{http.ErrServerClosed, `msg="session refused" status=500`},
	} {
		c := dialRaw(t, s)
		c.send(upgradeHead(producerPath))
		opened(t, b).done(nil, tc.err)
		c.response()
		if !strings.Contains(log.String(), tc.want) || !strings.Contains(log.String(), "topic=persistent://public/default/t") || strings.Contains(log.String(), "\x1b") {
			t.Errorf("no %s in\n%s", tc.want, log.String())
		}
	}
}

// A session that lives for less than a tick has its own duration.
func TestShortSessionsHaveADuration(t *testing.T) {
	var log logs.Buffer
	s := start(t, echoBridge(), func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.tick = time.Hour // nothing is due, and no clock goes on
	})
	c := dial(t, s, producerPath)
	say(t, c, "x")
	message(t, c)
	_ = c.Close()
	eventually(t, "it has ended", func() bool { return strings.Contains(log.String(), "session closed") })
	if _, after, _ := strings.Cut(log.String(), "duration="); strings.HasPrefix(after, "0s") || after == "" {
		t.Errorf("logged: %s", log.String())
	}
}
