package server

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// watch is an epoll instance beside those of nbio's pollers. It tells a worker
// what nbio would not tell, or would close the socket for: that a peer has ended
// its direction, and that the kernel has room for output again.
//
// Go's own poller waits for it, so it costs no thread. Events are edge triggered.
//
// mu guards conns; nothing is called under it. A descriptor may have become
// another connection's by the time its event is looked at: both events only make
// a worker look.
type watch struct {
	file *os.File

	mu    sync.Mutex
	conns []*conn // by descriptor
}

func newWatch() (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what makes Go wait for it
		_ = unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &watch{file: os.NewFile(uintptr(fd), "epoll")}, nil
}

// run tells workers until the watch is closed.
func (w *watch) run() {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return // closed
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			var err error
			if n, err = unix.EpollWait(int(fd), events, 0); err != nil {
				n = 0
				return errors.Is(err, unix.EINTR)
			}
			return n > 0
		})
		if err != nil {
			return // closed
		}
		w.tell(events[:n])
	}
}

func (w *watch) tell(events []unix.EpollEvent) {
	for _, ev := range events {
		w.mu.Lock()
		c := w.conns[ev.Fd]
		w.mu.Unlock()
		if c == nil {
			continue
		}
		var wants uint32
		if ev.Events&unix.EPOLLRDHUP != 0 {
			wants |= wantEnd
		}
		if ev.Events&unix.EPOLLOUT != 0 {
			wants |= wantRoom
		}
		if wants != 0 {
			c.wake(wants)
		}
	}
}

func (w *watch) close() { _ = w.file.Close() }

// add begins to watch c. The caller sees to it that its socket is open.
func (w *watch) add(c *conn) error {
	fd := c.nc.Hash()
	w.mu.Lock()
	if missing := fd + 1 - len(w.conns); missing > 0 {
		w.conns = append(w.conns, make([]*conn, missing)...)
	}
	w.conns[fd] = c
	w.mu.Unlock()
	return w.control(c, unix.EPOLL_CTL_ADD, 0)
}

// remove forgets c, whose socket is closed; the kernel has forgotten it already.
func (w *watch) remove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if fd := c.nc.Hash(); fd < len(w.conns) && w.conns[fd] == c {
		w.conns[fd] = nil
	}
}

// room says whether the worker wants to hear of room for output. If there is some
// already, it hears at once.
func (w *watch) room(c *conn, wanted bool) error {
	more := uint32(0)
	if wanted {
		more = unix.EPOLLOUT
	}
	var err error
	c.whileOpen(func() { err = w.control(c, unix.EPOLL_CTL_MOD, more) })
	return err
}

func (w *watch) control(c *conn, op int, more uint32) error {
	fd := c.nc.Hash()
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	errControl := raw.Control(func(epfd uintptr) {
		err = unix.EpollCtl(int(epfd), op, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLRDHUP | unix.EPOLLET | more})
	})
	return errors.Join(errControl, err)
}
