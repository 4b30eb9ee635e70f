package server

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"sync"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"
)

// entrance is the way into one of nbio's pollers: connections are given to the
// poller on its own goroutine, between two of its events.
//
// nbio asks epoll for EPOLLRDHUP and closes a socket on it, when its read handler
// returns. A client may end its direction behind its last request and wait for
// the answer, which a worker has yet to write. So what nbio asks for is put right
// before its poller can see a first event; [watch] tells of the end instead.
//
// mu guards the queue, which holds up to mostEntering connections: who accepts more waits. What is
// called under it are notes of a connection and the queue of its worker.
type entrance struct {
	s    *Server
	epfd int // the poller's epoll instance
	bell int // our end of a socket pair whose other end the poller reads

	mu     sync.Mutex
	queue  []*conn
	taken  sync.Cond // the queue has become empty, or closed
	closed bool
	opened bool // nbio has taken the connection that is being given to it
	began  chan struct{}
	begin  sync.Once
}

// mostEntering bounds how many connections a poller is given at once. Each takes it 15 µs, in which its other sockets wait.
const mostEntering = 32

// enter gives c to its poller. It waits while many others are being given to it, and is called by who accepts only.
func (e *entrance) enter(c *conn) {
	e.mu.Lock()
	for len(e.queue) >= mostEntering && !e.closed {
		e.taken.Wait()
	}
	closed := e.closed
	first := len(e.queue) == 0
	if !closed {
		e.queue = append(e.queue, c)
	}
	e.mu.Unlock()
	switch {
	case closed:
		e.s.turnAway(c)
	case first:
		e.ring()
	}
}

// ring makes the poller call serve. A bell that is full has rung.
func (e *entrance) ring() { _, _ = unix.Write(e.bell, []byte{0}) }

// serve is called on the poller's goroutine after a ring.
func (e *entrance) serve(nc *nbio.Conn) {
	var rings [64]byte
	for {
		if n, err := nc.Read(rings[:]); n < len(rings) || err != nil {
			break
		}
	}
	e.begin.Do(func() { close(e.began) })
	e.mu.Lock()
	defer e.mu.Unlock()
	queue := e.queue
	e.queue = nil
	e.taken.Broadcast()
	for _, c := range queue {
		e.give(c)
	}
}

// give makes c the poller's. The caller holds mu.
func (e *entrance) give(c *conn) {
	s := e.s
	e.opened = false
	_, err := s.engine.AddConn(c.nc)
	if err == nil {
		fd := c.nc.Hash()
		c.whileOpen(func() {
			err = unix.EpollCtl(e.epfd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN | unix.EPOLLET})
			if err == nil {
				err = s.watch.add(c)
			}
		})
	}
	if err == nil {
		return
	}
	s.metrics.acceptErrors.Add(1)
	s.acceptWarning.Log(s.log, slog.LevelWarn, "cannot serve a connection", "error", err)
	if e.opened {
		c.hangUp() // onClose comes
	} else {
		s.forget(c) // nbio has closed it and will say no more about it
	}
}

// close turns those away who still wait, and who come later.
func (e *entrance) close() {
	e.mu.Lock()
	queue := e.queue
	e.queue, e.closed = nil, true
	e.taken.Broadcast()
	e.mu.Unlock()
	for _, c := range queue {
		e.s.turnAway(c)
	}
}

// turnAway closes a connection that no poller has.
func (s *Server) turnAway(c *conn) {
	_ = unix.Close(c.nc.Hash())
	s.forget(c)
}

// openEntrances makes one for each poller and waits until all pollers run: one
// that is told to stop before it came to run forgets it, and nbio's Stop waits for
// it for ever. A connection's poller is decided by its descriptor, so descriptors are
// held until the next one is right.
func (s *Server) openEntrances() error {
	epfds, err := epollInstances(s.engine)
	if err != nil {
		return err
	}
	s.entrances = make([]*entrance, len(epfds))
	var held []int
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	for i := 0; i < len(epfds); {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socketpair: %w", err)
		}
		file := os.NewFile(uintptr(pair[0]), "entrance")
		inner, err := net.FileConn(file)
		_ = file.Close()
		if err != nil {
			_ = unix.Close(pair[1])
			return err
		}
		nc, err := nbio.NBConn(inner)
		if err != nil {
			_ = unix.Close(pair[1])
			_ = inner.Close()
			return err
		}
		at := nc.Hash() % len(epfds)
		if s.entrances[at] != nil {
			_ = unix.Close(pair[1]) // the next socket gets the next number, so that all pollers have their turn
			held = append(held, nc.Hash())
			continue
		}
		e := &entrance{s: s, epfd: epfds[at], bell: pair[1], began: make(chan struct{})}
		e.taken.L = &e.mu
		s.entrances[at] = e
		setOwner(nc, e)
		if _, err := s.engine.AddConn(nc); err != nil {
			return err
		}
		e.ring()
		<-e.began
		i++
	}
	return nil
}

// entranceOf is the entrance to nc's poller.
func (s *Server) entranceOf(nc *nbio.Conn) *entrance { return s.entrances[nc.Hash()%len(s.entrances)] }

// closeEntrances is called before the engine is stopped, which closes the pollers' ends.
func (s *Server) closeEntrances() {
	for _, e := range s.entrances {
		e.close()
	}
}

// closeBells is called when the engine has stopped.
func (s *Server) closeBells() {
	for _, e := range s.entrances {
		if e != nil {
			_ = unix.Close(e.bell)
		}
	}
}

// epollInstances finds the epoll descriptors of nbio's pollers, which nbio does
// not show.
func epollInstances(engine *nbio.Engine) (fds []int, err error) {
	pollers := reflect.ValueOf(engine).Elem().FieldByName("pollers")
	if pollers.Kind() != reflect.Slice || pollers.Len() != engine.NPoller {
		return nil, errOtherNbio
	}
	for i := range pollers.Len() {
		poller := pollers.Index(i)
		if poller.Kind() != reflect.Pointer || poller.Elem().Kind() != reflect.Struct {
			return nil, errOtherNbio
		}
		fd := poller.Elem().FieldByName("epfd")
		if !fd.IsValid() || !fd.CanInt() {
			return nil, errOtherNbio
		}
		fds = append(fds, int(fd.Int()))
	}
	return fds, nil
}
