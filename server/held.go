package server

import (
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/server/life"
)

// countInput tells the budget how much input c holds: a message whose end has
// not come, what waits until the session takes more, a request. Such input gets not
// smaller by waiting, so where it is more than one connection may have, its session ends.
// The caller holds mu.
func (c *conn) countInput() {
	b := c.s.o.Memory
	now := c.reader.Held() + cap(c.rest.bytes())
	if c.req != nil {
		now += c.req.held()
	}
	if c.costly != nil {
		now += c.costly.bytes
	}
	if c.tls != nil {
		now += c.heldByTLS()
	}
	b.Take(memory.Unfinished, now-c.held)
	c.held = now
	if now <= memory.Least || now <= b.Allowance() {
		return
	}
	switch state := c.state(); {
	case state == life.Handshake: // which takes a few KiB
		b.Refused()
		c.on(life.Cut)
		return
	case state.Stage() != life.Session:
		return
	}
	b.Refused()
	c.stop(life.Fail, closing{code: closeTryAgain, reason: "the server is short of memory, try again later"})
	c.reader.Release()
	b.Take(memory.Unfinished, -c.held)
	c.held = 0
}

// heldByTLS is how much memory there is for input that is not decrypted yet. The caller holds mu.
func (c *conn) heldByTLS() int {
	switch state := c.state(); {
	case state == life.Handshake:
		return cap(c.req.tls.in) + c.req.tls.held
	case state.Decrypts():
		return c.tls.Held()
	}
	return 0
}

// holdUnread counts n bytes more, or less, of output that c's client has not taken.
// It returns how many there are.
func (c *conn) holdUnread(n int) int64 {
	if n == 0 {
		return c.unsent.Load()
	}
	c.s.o.Memory.Take(memory.Unread, n)
	left := c.unsent.Add(int64(n))
	switch {
	case left == 0:
		c.s.metrics.slowed.Add(-1)
	case left == int64(n):
		c.s.metrics.slowed.Add(1)
	}
	return left
}

// unreadBound is how many bytes of output may wait for one client now.
func (s *Server) unreadBound() int { return min(s.set().maxUnread, s.o.Memory.Allowance()) }
