package server

import (
	"net"
	"strings"
	"testing"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
)

// connected gives c a socket, and returns its peer's.
func (c *conn) connected(t *testing.T) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if c.nc, err = nbio.NBConn(accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(c.nc.Hash()) }) // no poller has it
	return client
}

// What a poller leaves unread is not lost if the client resets its connection while the worker has just taken the note to read it.
func TestLeftUnread(t *testing.T) {
	pong := clientFrame(byte(ws.OpPong), strings.Repeat("x", 100))
	for name, test := range map[string]struct {
		bytes int
		left  bool
	}{"more than is read at once": {readBuffer + 16<<10, true}, "less": {32 << 10, false}} {
		t.Run(name, func(t *testing.T) {
			w := unservedWorker(t)
			c := w.standing(life.Open)
			c.session = newFakeSession(c)
			client := &rawConn{t: t, Conn: c.connected(t)}
			client.send(strings.Repeat(pong, test.bytes/len(pong)))
			client.delivered()
			buf := make([]byte, readBuffer)
			c.mu.Lock()
			read := c.receive(buf, true)
			c.mu.Unlock()
			w.serve(c)
			if c.wants.Load()&wantRead != 0 {
				t.Fatal("the worker has not taken the note")
			}
			if c.leftUnread(read, len(buf)) != test.left {
				t.Errorf("%d bytes were read of %d, unread are some: %v", read, test.bytes, !test.left)
			}
			if !test.left {
				return
			}
			c.mu.Lock()
			c.salvage(buf)
			c.mu.Unlock()
			if got := c.rest.bytes(); read+len(got) != test.bytes/len(pong)*len(pong) {
				t.Errorf("%d bytes were read and %d kept, of %d", read, len(got), test.bytes)
			}
		})
	}
}
