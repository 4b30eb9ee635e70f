package server

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
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
