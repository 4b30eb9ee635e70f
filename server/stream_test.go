package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/tlsconf/tlstest"
)

// streaming is a server that hands what is not its own to f.
func streaming(t *testing.T, f http.HandlerFunc, change ...func(*Options)) *Server {
	t.Helper()
	return start(t, echoBridge(), append(change, func(o *Options) { o.Broker = f })...)
}

const chunkedPost = "POST /admin/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"

// echo answers each piece of a body as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func TestWhichPathsAreTheBrokers(t *testing.T) {
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "broker "+r.URL.Path) })
	for _, path := range []string{"/", "/metrics", "/metrics/", "/status.html", "/admin/v2/clusters", "/lookup/v2/topic/persistent/a/b/c", "/admin/proxy-statistics"} {
		if resp, body := get(t, s, path); resp.StatusCode != 200 || body != "broker "+path {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 200, "/pulsegate/metrics": 200, "/admin/v2/proxy-stats/stats": 200, "/admin/proxy-stats/metrics": 200, "/ws/v2/sender/x": 404} {
		if resp, body := get(t, s, path); resp.StatusCode != status || strings.HasPrefix(body, "broker") {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
}

// Each piece of a body is there before the next is sent, and so is each piece of the answer.
func TestStreamGoesThroughInPieces(t *testing.T) {
	s := streaming(t, echo)
	for name, tc := range map[string]struct {
		head  string
		piece func(string) string
		end   string
	}{
		"chunked": {chunkedPost + "\r\n", func(p string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(p), p) }, "0\r\nX-Trailer: y\r\n\r\n"},
		"counted": {"PUT /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n", func(p string) string { return p }, ""},
	} {
		c := dialRaw(t, s)
		for range 2 { // the connection is kept
			c.send(tc.head)
			var resp *http.Response
			for _, piece := range []string{"first", "other", "third"} {
				c.send(tc.piece(piece))
				if resp == nil {
					var err error
					if resp, err = http.ReadResponse(c.r, nil); err != nil {
						t.Fatal(name, err)
					}
				}
				got := make([]byte, len(piece))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != piece {
					t.Fatalf("%s: %q %v, want %q", name, got, err, piece)
				}
			}
			c.send(tc.end)
			if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
				t.Fatalf("%s: %q %v", name, rest, err)
			}
		}
	}
}

// What stands behind a body is the next request, also one that opens a session.
func TestStreamPipelining(t *testing.T) {
	s := streaming(t, echo)
	c := dialRaw(t, s)
	c.send(chunkedPost + "\r\n3\r\nabc\r\n0\r\n\r\n" + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" +
		"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nde" + upgradeHead(producerPath) + clientFrame(1, "hi"))
	for _, want := range []string{"abc", "ok\n", "de"} {
		if resp, body := c.response(); resp.StatusCode != 200 || body != want {
			t.Fatalf("%d %q, want %q", resp.StatusCode, body, want)
		}
	}
	if resp, _ := c.response(); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	if op, text := c.frame(); op != 1 || text != "hi" {
		t.Fatalf("%d %q", op, text)
	}
}

// A body that the handler does not read is taken up to the bound only, and one that
// the client does not read is not written further; both arrive whole in the end.
func TestStreamBackPressure(t *testing.T) {
	const size = 32 << 20
	goOn := make(chan struct{})
	var read, wrote atomic.Int64
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-goOn
			h := sha256.New()
			n, _ := io.Copy(h, r.Body)
			read.Store(n)
			_, _ = fmt.Fprintf(w, "%x", h.Sum(nil))
			return
		}
		src := rand.New(rand.NewSource(1))
		buf := make([]byte, 32<<10)
		for range size / len(buf) {
			_, _ = src.Read(buf)
			if _, err := w.Write(buf); err != nil {
				return
			}
			wrote.Add(int64(len(buf)))
		}
	})
	data := make([]byte, size)
	_, _ = rand.New(rand.NewSource(1)).Read(data)
	sum := fmt.Sprintf("%x", sha256.Sum256(data))

	up := dialRaw(t, s)
	sent := make(chan error, 1)
	go func() {
		_, err := fmt.Fprintf(up, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, data)
		sent <- err
	}()
	steady(t, func() int64 { return int64(s.bytesIn()) })
	if n := s.bytesIn(); n > maxPending+3*readBuffer {
		t.Errorf("%d bytes were taken though nobody reads them", n)
	}
	close(goOn)
	if resp, body := up.response(); resp.StatusCode != 200 || body != sum || read.Load() != size {
		t.Fatalf("%d %q, %d bytes", resp.StatusCode, body, read.Load())
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}

	down := dialRaw(t, s)
	_ = down.Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(64 << 10)
	down.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "the answer begins", func() bool { return wrote.Load() > 0 })
	steady(t, wrote.Load)
	if n := wrote.Load(); n > size/2 {
		t.Errorf("%d bytes were written though nobody reads them", n)
	}
	if resp, body := down.response(); resp.StatusCode != 200 || fmt.Sprintf("%x", sha256.Sum256([]byte(body))) != sum {
		t.Fatalf("%d, %d bytes", resp.StatusCode, len(body))
	}
}

// steady waits until a counter has not moved for a while. On a slow machine it may return
// early, which makes a test see less than there is, not more.
func steady(t *testing.T, counter func() int64) {
	t.Helper()
	last, since := counter(), time.Now()
	eventually(t, "the counter stands still", func() bool {
		if now := counter(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 200*time.Millisecond
	})
}

func TestStreamExpectContinue(t *testing.T) {
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/denied" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		echo(w, r)
	})
	c := dialRaw(t, s)
	for range 2 {
		c.send("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if resp, _ := c.response(); resp.StatusCode != 100 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		c.send("hello")
		if resp, body := c.response(); resp.StatusCode != 200 || body != "hello" {
			t.Fatalf("%d %q", resp.StatusCode, body)
		}
	}
	// Nobody wants the body: the client is not asked for it, and what follows cannot be told from it.
	c.send("PUT /denied HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := c.response(); resp.StatusCode != 401 || !resp.Close {
		t.Fatalf("%d, close %v", resp.StatusCode, resp.Close)
	}
	c.ended()
}

// What the handler leaves of a body is not the next request.
func TestStreamBodyLeftUnread(t *testing.T) {
	s := streaming(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	c := dialRaw(t, s)
	c.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\nxx" + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, want := range []int{418, 200} {
		if resp, _ := c.response(); resp.StatusCode != want {
			t.Fatalf("status %d, want %d", resp.StatusCode, want)
		}
	}
	c = dialRaw(t, s)
	c.send(fmt.Sprintf("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", 8*discardMost, strings.Repeat("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 2*discardMost/34)))
	if resp, _ := c.response(); resp.StatusCode != 418 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	if rest, _ := io.ReadAll(c.r); len(rest) > 0 {
		t.Fatalf("the rest of a body was answered: %q", rest)
	}
}

func TestStreamFraming(t *testing.T) {
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
			return
		case "/counted":
			w.Header().Set("Content-Length", "4")
		case "/hints":
			w.Header().Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
		}
		w.Header().Set("Connection", "X-Mine")
		_, _ = io.WriteString(w, "text")
	})
	c := dialRaw(t, s)
	for _, tc := range []struct {
		line, body string
		status     int
		length     int64
	}{
		{"GET /none HTTP/1.1", "", 204, 0},
		{"GET /counted HTTP/1.1", "text", 200, 4},
		{"GET /open HTTP/1.1", "text", 200, -1},
		{"HEAD /counted HTTP/1.1", "", 200, 4},
		{"GET /hints HTTP/1.1", "", 103, 0},
		{"GET /open HTTP/1.0", "text", 200, -1},
	} {
		c.send(tc.line + "\r\nHost: a\r\n\r\n")
		method, _, _ := strings.Cut(tc.line, " ")
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			t.Fatal(tc.line, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != tc.status || string(body) != tc.body || resp.ContentLength != tc.length || resp.Header.Get("Connection") == "X-Mine" {
			t.Errorf("%s: %d %q %d %v %v", tc.line, resp.StatusCode, body, resp.ContentLength, resp.Header, err)
		}
		if tc.status == 103 {
			if resp, body := c.response(); resp.StatusCode != 200 || body != "text" || resp.Header.Get("Link") != "" {
				t.Errorf("behind the hints: %d %q", resp.StatusCode, body)
			}
		}
	}
	c.ended() // HTTP/1.0
}

func TestStreamRefusals(t *testing.T) {
	var reached atomic.Int64
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if _, err := io.ReadAll(r.Body); err != nil {
			if status, reason, ok := StreamFault(w); ok {
				http1.WriteReason(w, status, reason)
			}
		}
	})
	for name, tc := range map[string]struct {
		text   string
		status int
	}{
		"both lengths":          {chunkedPost + "Content-Length: 3\r\n\r\n0\r\n\r\n", 400},
		"two codings":           {chunkedPost + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"another coding":        {strings.Replace(chunkedPost, "chunked", "gzip, chunked", 1) + "\r\n0\r\n\r\n", 501},
		"a coding of HTTP/1.0":  {strings.Replace(chunkedPost, "1.1", "1.0", 1) + "\r\n0\r\n\r\n", 400},
		"a coding for us":       {strings.Replace(chunkedPost, "/admin/x", "/healthz", 1) + "\r\n0\r\n\r\n", 501},
		"a coding for sessions": {strings.Replace(upgradeHead(producerPath), "Host: x\r\n", "Host: x\r\nTransfer-Encoding: chunked\r\n", 1), 501},
	} {
		c := dialRaw(t, s)
		c.send(tc.text)
		if resp, body := c.response(); resp.StatusCode != tc.status {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d of them reached the broker", n)
	}
	for name, body := range map[string]string{"bad chunk": "zz\r\n", "huge chunk": "fffffffffffffffff\r\n", "bare LF": "3\nabc\n0\n\n"} {
		c := dialRaw(t, s)
		c.send(chunkedPost + "\r\n" + body)
		if resp, _ := c.response(); resp.StatusCode != 400 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		c.ended()
	}
}

// A client that ends its side behind a request gets its answer; one that ends it in the middle of a body is told so.
func TestStreamHalfClose(t *testing.T) {
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			status, reason, _ := StreamFault(w)
			http1.WriteReason(w, status, reason)
		}
	})
	for text, want := range map[string]int{chunkedPost + "\r\n3\r\nabc\r\n0\r\n\r\n": 200, chunkedPost + "\r\n3\r\nab": 400} {
		c := dialRaw(t, s)
		c.send(text)
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if resp, _ := c.response(); resp.StatusCode != want {
			t.Errorf("%q: status %d, want %d", text, resp.StatusCode, want)
		}
		c.ended()
	}
}

// An answer that is not whole ends with the connection cut, not like a whole one.
func TestStreamCutOff(t *testing.T) {
	s := streaming(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/short":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "text")
		case "/abort":
			_, _ = io.WriteString(w, "text")
			panic(http.ErrAbortHandler)
		case "/panic":
			panic("boom")
		}
	})
	for _, path := range []string{"/short", "/abort", "/panic"} {
		c := dialRaw(t, s)
		c.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(c.r, nil)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		if err == nil {
			t.Errorf("%s looks whole", path)
		}
	}
	if n := s.metrics.panics.Load(); n != 1 {
		t.Errorf("%d panics", n)
	}
	if resp, _ := get(t, s, "/healthz"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// hold is a handler that tells that it runs and waits for the end of its request.
func hold(running chan<- struct{}, over chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		running <- struct{}{}
		<-r.Context().Done()
		if status, reason, ok := StreamFault(w); ok {
			http1.WriteReason(w, status, reason)
		}
		over <- context.Cause(r.Context())
	}
}

func TestStreamEnds(t *testing.T) {
	const request = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
	running, over := make(chan struct{}), make(chan error, 1)

	idle := streaming(t, hold(running, over), func(o *Options) { o.streamIdle = 20 * time.Millisecond })
	c := dialRaw(t, idle)
	c.send(request)
	receive(t, running, "the request")
	if err := receive(t, over, "its end"); err != errStreamIdle {
		t.Errorf("ended by %v", err)
	}

	gone := streaming(t, hold(running, over))
	c = dialRaw(t, gone)
	c.send(request)
	receive(t, running, "the request")
	_ = c.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
	_ = c.Close()
	if err := receive(t, over, "its end"); err != errStreamGone {
		t.Errorf("ended by %v", err)
	}
	eventually(t, "the place is free again", func() bool { return gone.streams.used.Load() == 0 })

	bounded := streaming(t, hold(running, over), func(o *Options) { o.MaxConcurrentRequests = 1 })
	dialRaw(t, bounded).send(request)
	receive(t, running, "the request")
	if resp, _ := get(t, bounded, "/x"); resp.StatusCode != 503 {
		t.Errorf("status %d of one too many", resp.StatusCode)
	}
	if resp, _ := get(t, bounded, "/healthz"); resp.StatusCode != 200 {
		t.Errorf("status %d of one that is no stream", resp.StatusCode)
	}
	bounded.Close() // ends what is under way
	receive(t, over, "its end")
}

func TestStreamOverTLS(t *testing.T) {
	ca := tlstest.New(t)
	s := start(t, echoBridge(), withTLS(t, serverCert(ca, "ecdsa")), func(o *Options) {
		o.Broker = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS == nil {
				w.WriteHeader(http.StatusTeapot)
			}
			echo(w, r)
		})
	})
	c := dialTLSRaw(t, s, ca.Client())
	data := strings.Repeat("0123456789abcdef", 64<<10)
	go func() {
		_, _ = io.WriteString(c, fmt.Sprintf("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(data), data))
	}()
	if resp, body := c.response(); resp.StatusCode != 200 || body != data {
		t.Fatalf("%d, %d bytes", resp.StatusCode, len(body))
	}
}
