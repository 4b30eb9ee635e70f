//go:build pulsar

package clients

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// relay is a way to a server that can be cut.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// newRelay relays to the server at address until the test ends.
func newRelay(t *testing.T, address string) *relay {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: u.Host, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
		running.Wait()
	})
	return r
}

func (r *relay) url() string { return "ws://" + r.listener.Addr().String() }

func (r *relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = client.Close()
		return
	}
	if !r.keep(client, server) {
		return
	}
	var copying sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		copying.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // the end of either is the end of both
			_ = client.Close()
			_ = server.Close()
		})
	}
	copying.Wait()
}

// keep notes the connections to cut, or ends them if the way is cut.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = true
		if r.down {
			_ = c.Close()
		}
	}
	return !r.down
}

// cut ends all connections, and the next ones at once until mend is called.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for c := range r.conns {
		_ = c.Close()
	}
	clear(r.conns)
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}
