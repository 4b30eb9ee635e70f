package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"syscall"
	"time"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/proxyproto"
	"github.com/pulsegate/pulsegate/server/tlsio"
)

const (
	// sparePercent of the limit of open files is left to all that is no client:
	// the connections to the brokers, files, and a client's second descriptor
	// while it is accepted.
	sparePercent = 3
	spareFiles   = 64

	// refusalRoom is how many connections over the limit are taken in order to
	// refuse their upgrade with a status. Beyond it they are just closed.
	refusalRoom = 256

	firstAcceptPause = 5 * time.Millisecond
	maxAcceptPause   = time.Second
)

// machineConnections is how many connections the limit of open files allows.
func machineConnections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	files := int(min(limit.Cur, uint64(nbio.MaxOpenFiles)))
	return max(files-files*sparePercent/100-spareFiles-refusalRoom, 16)
}

// door is a listener and what is spoken behind it.
type door struct {
	net.Listener
	tls bool
}

// listen opens a listener. Dead peers are found by WebSocket pings, which
// pass proxies on the way; TCP's own keep-alive would only add packets.
func (s *Server) listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1}
	if s.o.ReusePort {
		lc.Control = func(_, _ string, raw syscall.RawConn) error {
			var errSet error
			err := raw.Control(func(fd uintptr) {
				errSet = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			})
			return errors.Join(err, errSet)
		}
	}
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, &ListenError{Address: address, Err: err}
	}
	return l, nil
}

// ListenError says why nothing can be served at an address.
type ListenError struct {
	Address string // as it was configured
	TLS     bool   // it is the address for TLS
	Err     error
}

func (e *ListenError) Error() string {
	// The net package's own text names the address a second time.
	if op := (*net.OpError)(nil); errors.As(e.Err, &op) {
		return fmt.Sprintf("listen on %s: %v", e.Address, op.Err)
	}
	return fmt.Sprintf("listen on %s: %v", e.Address, e.Err)
}

// Unwrap makes errors.Is find the system's reason.
func (e *ListenError) Unwrap() error { return e.Err }

// accept takes connections until the door is closed. When the process has
// no descriptor left it pauses instead of trying in a loop.
func (s *Server) accept(d door) {
	pause := firstAcceptPause
	for {
		nc, err := d.Accept()
		if err == nil {
			pause = firstAcceptPause
			s.serveConn(nc, d.tls)
			// Those who are served already go first: a flood of connections would keep
			// the processor for 10 ms at a time.
			runtime.Gosched()
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.metrics.acceptErrors.Add(1)
		s.acceptWarning.Log(s.log, slog.LevelWarn, "cannot accept connections", "error", err, "connections", s.conns.Load())
		select {
		case <-time.After(pause):
			pause = min(pause*2, maxAcceptPause)
		case <-s.stopping:
			return
		}
	}
}

// serveConn hands a connection to the engine.
func (s *Server) serveConn(nc net.Conn, secure bool) {
	if s.conns.Add(1) > int64(s.set().maxConnections+refusalRoom) {
		s.conns.Add(-1)
		s.metrics.overLimit.Add(1)
		s.incidents.add(incident{what: "connection closed unanswered", limit: limitConnections, reason: "far more connections than the limit",
			remote: remoteOf(nc.RemoteAddr())})
		_ = nc.Close()
		return
	}
	inner, err := nbio.NBConn(nc)
	if err != nil {
		_ = nc.Close()
		s.uncount()
		s.metrics.acceptErrors.Add(1)
		s.acceptWarning.Log(s.log, slog.LevelWarn, "cannot serve a connection", "error", err)
		return
	}
	remote := remoteOf(inner.RemoteAddr())
	s.inConn.drop(inner)
	c := &conn{
		s: s, nc: inner, w: s.nextWorker(),
		req:     &request{},
		refused: !s.places.take(),
		since:   s.now(),
	}
	c.from(remote)
	begins := life.Head
	if secure {
		c.tls, begins = tlsio.New(s.o.TLS.Config()), life.Handshake
		c.req.tls = &tlsHandshake{}
	}
	if c.refused {
		s.metrics.overLimit.Add(1)
	}
	if s.o.ProxyProtocol {
		begins = life.Proxy
	}
	c.life.Store(uint32(begins))
	setOwner(inner, c)
	c.w.awaitCalm()
	s.entranceOf(inner).enter(c)
}

func (s *Server) nextWorker() *worker {
	s.next.Lock()
	defer s.next.Unlock()
	w := s.workers[s.next.worker%len(s.workers)]
	s.next.worker++
	return w
}

// proxyHeader reads the PROXY header. It is demanded, as guessing would let anyone
// claim an address. It reports whether it was read; the caller holds mu.
func (c *conn) proxyHeader() bool {
	buf := c.req.buf
	from, n, ok := proxyproto.Parse(buf)
	switch {
	case !ok:
		c.on(life.Cut)
		return false
	case n == 0:
		return false
	}
	if from.IsValid() {
		c.from(from)
	}
	if c.tls != nil {
		c.req.buf = nil
		c.on(life.ToldTLS)
		c.gather(buf[n:])
		return true
	}
	c.req.buf = buf[n:]
	c.on(life.Told)
	return true
}
