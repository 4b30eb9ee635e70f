package server

import (
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"errors"

	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

func TestRefusedHeads(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.MaxURLBytes = 300; o.MaxHeaderBytes = 2000 })
	withKey := func(key string) string {
		return strings.Replace(upgradeHead(producerPath), "dGhlIHNhbXBsZSBub25jZQ==", key, 1)
	}
	long := strings.Repeat("x", 400)
	for name, tc := range map[string]struct {
		head   string
		status int
	}{
		"no Host":                    {"GET / HTTP/1.1\r\n\r\n", 400},
		"two Hosts":                  {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		"folded line":                {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
		"space before the colon":     {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		"LF, then CRLF":              {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
		"CRLF, then LF":              {"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
		"CRLF, LF at the end":        {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		"LF, CRLF at the end":        {"GET / HTTP/1.1\nHost: a\n\r\n", 400},
		"hidden in a value by LF":    {"POST /admin/x HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"folded line with LF":        {"GET / HTTP/1.1\nHost: a\nX: a\n b\n\n", 400},
		"coding with LF":             {"POST /admin/x HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n", 501},
		"space before coding":        {"POST /admin/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400},
		"CR CR LF":                   {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
		"two lengths in one":         {"POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", 400},
		"coding of an upgrade":       {upgradeHead(producerPath, "Transfer-Encoding: chunked"), 501},
		"upgrade with a body":        {upgradeHead(producerPath, "Content-Length: 3") + "abc", 400},
		"bare CR":                    {"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400},
		"NUL":                        {"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", 400},
		"length and coding":          {"POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"coding":                     {"POST /admin/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		"two lengths":                {"POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
		"bad length":                 {"POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400},
		"large body":                 {"POST /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", 413},
		"expectation":                {"POST /admin/x HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417},
		"two expectations":           {"POST /admin/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, 200-ok\r\nContent-Length: 1\r\n\r\n", 417},
		"HTTP/2":                     {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		"no version":                 {"GET /\r\nHost: a\r\n\r\n", 400},
		"space in the target":        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"bad escape":                 {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"no HTTP":                    {"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400},
		"long URL":                   {"GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		"endless URL":                {"GET /" + long, 414},
		"large head":                 {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+long+"\r\n", 8) + "\r\n", 431},
		"endless head":               {"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+long+"\r\n", 8), 431},
		"no colon":                   {"GET / HTTP/1.1\r\nHost: a\r\nwhatever\r\n\r\n", 400},
		"POST to a session":          {strings.Replace(upgradeHead(producerPath), "GET", "POST", 1), 405},
		"no upgrade":                 {"GET " + producerPath + " HTTP/1.1\r\nHost: a\r\n\r\n", 426},
		"HTTP/1.0 upgrade":           {strings.Replace(upgradeHead(producerPath), "HTTP/1.1", "HTTP/1.0", 1), 400},
		"no Connection":              {strings.Replace(upgradeHead(producerPath), "Connection: Upgrade\r\n", "", 1), 400},
		"version 8":                  {strings.Replace(upgradeHead(producerPath), "Version: 13", "Version: 8", 1), 426},
		"no key":                     {strings.Replace(upgradeHead(producerPath), "Sec-WebSocket-Key", "X", 1), 400},
		"empty key":                  {withKey(" "), 400},
		"two keys":                   {upgradeHead(producerPath, "Sec-WebSocket-Key: abcd"), 400},
		"endless key":                {withKey(strings.Repeat("x", http1.MaxKey+1)), 400},
		"control in the key":         {withKey("a\x01b"), 400},
		"bad parameter":              {upgradeHead(producerPath + "?sendTimeoutMillis=x"), 400},
		"unknown path":               {"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404},
		"unknown session":            {upgradeHead("/ws/v2/sender/persistent/public/default/t"), 404},
		"POST to metrics":            {"POST /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405},
		"admin without an admin API": {"GET /admin/v2/clusters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, s)
			c.send(tc.head)
			resp, body := c.response()
			if resp.StatusCode != tc.status || !strings.HasPrefix(body, `{"reason":"`) {
				t.Fatalf("status %d, want %d; body %s", resp.StatusCode, tc.status, body)
			}
			if tc.status == 426 && name == "version 8" && resp.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Fatalf("headers %v", resp.Header)
			}
			if name != "unknown session" { // an ordinary 404: the connection stays
				c.ended()
			}
		})
	}
}

func TestUpgradeHeaderForms(t *testing.T) {
	s := start(t, echoBridge())
	for name, head := range map[string]string{
		"lists":                     strings.NewReplacer("Connection: Upgrade", "connection: keep-alive, UPGRADE", "Upgrade: websocket", "upgrade: h2c, WebSocket").Replace(upgradeHead(producerPath)),
		"absolute":                  upgradeHead("http://x:1" + producerPath),
		"subprotocol is not chosen": upgradeHead(producerPath, "Sec-WebSocket-Protocol: mqtt"),
		"empty lines in front":      "\r\n\r\n" + upgradeHead(producerPath),
		"LF":                        strings.ReplaceAll("\r\n"+upgradeHead(producerPath), "\r\n", "\n"),
		"expectation":               upgradeHead(producerPath, "Expect: 100-continue"),
		"no length":                 upgradeHead(producerPath, "Content-Length: 0"),
	} {
		c := dialRaw(t, s)
		c.send(head)
		resp, _ := c.response()
		if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
			resp.Header.Get("Sec-WebSocket-Protocol") != "" || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
	}
}

// Any key is taken and answered.
func TestUpgradeKeys(t *testing.T) {
	s := start(t, echoBridge())
	for _, key := range []string{
		"AQIDBAUGBwgJCgsMDQ4PEC==", // RFC 6455 section 1.3
		"MTIzNDU2Nzg=", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "hello  world!", "x", "h\xe9llo", strings.Repeat("k", http1.MaxKey),
	} {
		c := dialRaw(t, s)
		c.send(strings.Replace(upgradeHead(producerPath), "dGhlIHNhbXBsZSBub25jZQ==", key, 1))
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		want := base64.StdEncoding.EncodeToString(sum[:])
		if resp, body := c.response(); resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != want {
			t.Errorf("%q: %d %v %s", key, resp.StatusCode, resp.Header, body)
		}
	}
}

// What will never be a request is answered before its end has come.
func TestNoRequest(t *testing.T) {
	s := start(t, echoBridge())
	for name, tc := range map[string]struct {
		send   string
		status int
		reason string
	}{
		"TLS":           {"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 400, "does not speak TLS"},
		"a byte of TLS": {"\x16", 400, "does not speak TLS"},
		"MQTT":          {"\x10\x10\x00\x04MQTT", 400, "control character"},
		"SSH":           {"SSH-2.0-OpenSSH_9.6\r\n", 400, "malformed request line"},
		"PROXY v1":      {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 400, "malformed request line"},
		"PROXY v2":      {"\r\n\r\n\x00\r\nQUIT\n", 400, "control character"},
		"HTTP/2":        {"PRI * HTTP/2.0\r\n", 505, "only HTTP/1.1"},
		"bare CR":       {"GET / HTTP/1.1\rHost", 400, "control character"},
		"NUL later":     {"GET / HTTP/1.1\r\nX: \x00", 400, "control character"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, s)
			c.send(tc.send)
			if resp, body := c.response(); resp.StatusCode != tc.status || !strings.Contains(body, tc.reason) {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			c.over()
		})
	}
	for at := range len("GET / HTTP/1.1\r\nX: y\r\n") { // but a CR may be the last that has come
		c := dialRaw(t, s)
		c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"[:at])
		c.delivered()
		c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"[at:])
		if resp, body := c.response(); resp.StatusCode != 200 {
			t.Fatalf("cut at %d: %d %s", at, resp.StatusCode, body)
		}
	}
}

// A client that comes to the TLS port without TLS is told so in its language.
func TestHTTPOnTheTLSPort(t *testing.T) {
	s := start(t, echoBridge(), withTLS(t, serverCert(tlstest.New(t), "ecdsa")))
	nc, err := net.Dial("tcp", s.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	c := newRaw(t, nc)
	c.send(upgradeHead(producerPath))
	if resp, body := c.response(); resp.StatusCode != 400 || !strings.Contains(body, "only TLS") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	c.over()
}

// A client that waits for a 100 before it sends the body gets one; one that has
// sent it does not.
func TestExpectContinue(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			_, _ = w.Write(b)
		})
	})
	c := dialRaw(t, s)
	const head = "PUT /admin/x HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
	for range 2 {
		c.send(head)
		if resp, _ := c.response(); resp.StatusCode != 100 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		for _, part := range []string{"he", "llo"} { // it is said once
			c.send(part)
			c.delivered()
		}
		if resp, body := c.response(); resp.StatusCode != 200 || body != "hello" {
			t.Fatalf("%d %q", resp.StatusCode, body)
		}
	}
	c.send(head + "hello" + "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
	for range 2 {
		if resp, body := c.response(); resp.StatusCode != 200 {
			t.Fatalf("%d %q", resp.StatusCode, body)
		}
	}
}

func TestKeepAliveAndPipelining(t *testing.T) {
	s := start(t, echoBridge())
	c := dialRaw(t, s)
	for range 3 {
		c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, body := c.response(); resp.StatusCode != 200 || body != "ok\n" {
			t.Fatalf("%d %q", resp.StatusCode, body)
		}
	}
	c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + upgradeHead(producerPath) + clientFrame(1, "hi"))
	for _, want := range []int{200, 404, 101} {
		if resp, _ := c.response(); resp.StatusCode != want {
			t.Fatalf("status %d, want %d", resp.StatusCode, want)
		}
	}
	got := make([]byte, 4)
	if _, err := readFull(c, got); err != nil || string(got) != "\x81\x02hi" {
		t.Fatalf("%q %v", got, err)
	}
}

func TestHeadRequestAndHTTP10(t *testing.T) {
	s := start(t, echoBridge())
	c := dialRaw(t, s)
	c.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodHead})
	if err != nil || resp.StatusCode != 200 || resp.ContentLength != 3 {
		t.Fatalf("%v %v", resp, err)
	}
	if resp, body := c.response(); resp.StatusCode != 200 || body != "ok\n" {
		t.Fatalf("%d %q", resp.StatusCode, body)
	}
	c.ended()
}

func TestAdminGetsTheBody(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b := make([]byte, 100)
			n, _ := r.Body.Read(b)
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + " " + string(b[:n])))
		})
	})
	c := dialRaw(t, s)
	c.send("PUT /admin/v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	c.send("lloGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, body := c.response(); resp.StatusCode != 201 || body != "PUT /admin/v2/x hello" {
		t.Fatalf("%d %q", resp.StatusCode, body)
	}
	if resp, _ := c.response(); resp.StatusCode != 200 {
		t.Fatalf("%d", resp.StatusCode)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	var clock testClock
	s := start(t, echoBridge(), clock.drive, func(o *Options) { o.HandshakeTimeout = 50 * time.Millisecond })
	silent, partial := dialRaw(t, s), dialRaw(t, s)
	partial.send("GET / HTTP/1.1\r\nHost: ")
	eventually(t, "the part is read", func() bool { return s.conns.Load() == 2 && s.bytesIn() > 0 })
	clock.forward(t, s, s.set().ticks.handshake)
	if resp, _ := partial.response(); resp.StatusCode != http.StatusRequestTimeout {
		t.Fatalf("status %d", resp.StatusCode)
	}
	partial.ended()
	clock.until(t, s, "the silent one is ended", func() bool { return s.conns.Load() <= 1 }) // its poller may be late to hand it over
	silent.ended()
}

func TestOrigins(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.AllowedOrigins = []string{"https://app.example.com", "http://Other:80/"} })
	for origin, want := range map[string]int{
		"": 101, "https://app.example.com": 101, "https://APP.example.com:443": 101, "http://other": 101,
		"http://app.example.com": 403, "https://app.example.com.evil": 403, "null": 403,
	} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		c, resp, err := dialErr(s, producerPath, h)
		if err == nil {
			_ = c.Close()
		}
		if resp.StatusCode != want {
			t.Errorf("%q: status %d, want %d", origin, resp.StatusCode, want)
		}
	}
}

func TestStatusFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status")
	s := start(t, echoBridge(), func(o *Options) { o.StatusFile = file })
	if resp, _ := get(t, s, "/status.html"); resp.StatusCode != 404 {
		t.Errorf("status %d without the file", resp.StatusCode)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if resp, body := get(t, s, "/status.html"); resp.StatusCode != 200 || body != "OK" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	none := start(t, echoBridge())
	if resp, _ := get(t, none, "/status.html"); resp.StatusCode != 404 {
		t.Errorf("status %d when not configured", resp.StatusCode)
	}
}

func TestReadiness(t *testing.T) {
	b := echoBridge()
	s := start(t, b)
	if resp, _ := get(t, s, "/readyz"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	b.mu.Lock()
	b.readyErr = errors.New("no broker")
	b.mu.Unlock()
	if resp, body := get(t, s, "/readyz"); resp.StatusCode != 503 || !strings.Contains(body, "no broker") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestPanicInAHandler(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) {
		o.Admin = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	})
	if resp, _ := get(t, s, "/admin/x"); resp.StatusCode != 500 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	if resp, _ := get(t, s, "/healthz"); resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
}
