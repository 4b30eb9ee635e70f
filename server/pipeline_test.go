package server

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/memory"
)

// A client that sends requests and reads no answer gets no further answers made:
// they would pile up here. Once it reads, it gets all of them.
func TestUnreadAnswersDoNotPileUp(t *testing.T) {
	const answers, size = 6, 8 << 20 // more than the kernel takes
	body := []byte(strings.Repeat("x", size))
	var made atomic.Int32
	s := start(t, echoBridge(), func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			made.Add(1)
			_, _ = w.Write(body)
		})
	})
	client := dialRaw(t, s)
	if err := client.Conn.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	client.send(strings.Repeat("GET /admin/large HTTP/1.1\r\nHost: x\r\n\r\n", answers))
	eventually(t, "an answer", func() bool { return made.Load() > 0 })
	for range 100 { // meanwhile others are served, on all loops
		if resp, _ := get(t, s, "/healthz"); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	if n := made.Load(); n != 1 {
		t.Fatalf("%d answers were made for a client that has read none", n)
	}
	for i := range answers {
		if resp, got := client.response(); resp.StatusCode != http.StatusOK || len(got) != size {
			t.Fatalf("answer %d: %s, %d bytes", i, resp.Status, len(got))
		}
	}
	if n := made.Load(); n != answers {
		t.Fatalf("%d answers to %d requests", n, answers)
	}
}

// A client that sends requests faster than they are answered is read no further than a little ahead, however many
// of them are answered meanwhile.
func TestPipelinedRequestsAreReadLittleAhead(t *testing.T) {
	const requests, most = 5000, 2 * (maxPending + readBuffer) // as much again: a buffer that grows has room to spare
	request := "GET /admin/x HTTP/1.1\r\nHost: x\r\nX-Pad: " + strings.Repeat("x", 200) + "\r\n\r\n"
	for _, kind := range []string{"collected", "streamed"} {
		t.Run(kind, func(t *testing.T) {
			budget := memory.New(1 << 30)
			var held atomic.Int64
			answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				held.Store(max(held.Load(), budget.Held(memory.Unfinished)))
				w.WriteHeader(http.StatusNoContent)
			})
			s := start(t, echoBridge(), func(o *Options) {
				if o.Memory = budget; kind == "streamed" {
					o.Broker = answer
				} else {
					o.Admin = answer
				}
			})
			client := dialRaw(t, s)
			go func() { _, _ = io.WriteString(client.Conn, strings.Repeat(request, requests)) }()
			for i := range requests {
				if resp, _ := client.response(); resp.StatusCode != http.StatusNoContent {
					t.Fatalf("answer %d: %s", i, resp.Status)
				}
			}
			if n := held.Load(); n > most {
				t.Errorf("%d bytes were held for one client, at most %d may be", n, most)
			}
			client.Close()
			eventually(t, "all to be given back", func() bool { return budget.Held(memory.Unfinished) == 0 })
		})
	}
}

// A body may come in very many pieces, and the next request stands behind its end.
func TestBodyInPieces(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) {
		o.Admin = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	})
	client := dialRaw(t, s)
	body := strings.Repeat("x", 300)
	client.send("POST /admin/x HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n")
	for i := range body {
		client.delivered()
		client.send(body[i : i+1])
	}
	client.send("GET /admin/x HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, got := client.response(); resp.StatusCode != http.StatusOK || got != body {
		t.Errorf("%s, %q", resp.Status, got)
	}
	if resp, got := client.response(); resp.StatusCode != http.StatusOK || got != "" {
		t.Errorf("the next one: %s, %q", resp.Status, got)
	}
}
