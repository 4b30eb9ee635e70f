//go:build linux

package loop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Handler is told what happens to a connection, on its loop.
type Handler interface {
	// Connected is called first, unless Ended is.
	Connected()
	// Data hands over bytes that came. They are valid during the call only.
	Data(b []byte)
	// Ended is the last call. It is not made after [Conn.Close]. The error is
	// io.EOF when the peer ended the connection in order.
	Ended(err error)
}

// Conn is one connection. Its zero value is closed. It can be dialled again
// after it has ended. It is meant to be a part of its handler.
//
// Output is kept without a bound: what bounds it is the caller's window.
type Conn struct {
	l          *Loop
	h          Handler
	out        []byte // what the kernel has not taken; nil: nothing
	taken      int    // bytes at the start of out that it has
	fd         int32  // valid while l is set
	generation int32
	readSize   int32 // bytes to read at a time; 0: as many as fit
	connecting bool
	writing    bool // the event of a writable socket is asked for
	paused     bool // the event of a readable socket is not asked for
	dirty      bool
}

// Dial begins to connect c to a TCP address. The source is an address to
// connect from; the zero address: any.
func (l *Loop) Dial(c *Conn, to netip.AddrPort, source netip.Addr, h Handler) error {
	family, sockaddr := sockaddrOf(to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if source.IsValid() {
		// The port is chosen when the peer is known, so that all of an
		// address's ports can be used for each peer.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		_, local := sockaddrOf(netip.AddrPortFrom(source, 0))
		if err := unix.Bind(fd, local); err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("use the source address %v: %w", source, os.NewSyscallError("bind", err))
		}
	}
	if err := unix.Connect(fd, sockaddr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return os.NewSyscallError("connect", err)
	}
	return l.add(c, fd, h, true)
}

// Attach makes c the connection behind a connected, non-blocking descriptor,
// which c owns from here on, also after an error. [Handler.Connected] is not called.
func (l *Loop) Attach(c *Conn, fd int, h Handler) error { return l.add(c, fd, h, false) }

func (l *Loop) add(c *Conn, fd int, h Handler, connecting bool) error {
	l.generation++
	*c = Conn{l: l, h: h, fd: int32(fd), generation: l.generation, connecting: connecting, writing: connecting}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, c.interest()); err != nil {
		_ = unix.Close(fd)
		c.l = nil
		return os.NewSyscallError("epoll_ctl", err)
	}
	for fd >= len(l.conns) {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = c
	l.open++
	return nil
}

func (c *Conn) interest() *unix.EpollEvent {
	ev := &unix.EpollEvent{Fd: c.fd, Pad: c.generation}
	if !c.connecting && !c.paused {
		ev.Events |= unix.EPOLLIN
	}
	if c.writing {
		ev.Events |= unix.EPOLLOUT
	}
	return ev
}

func (c *Conn) watch() {
	_ = unix.EpollCtl(c.l.epoll, unix.EPOLL_CTL_MOD, int(c.fd), c.interest())
}

func (l *Loop) connected(c *Conn) {
	status, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && status != 0 {
		err = unix.Errno(status)
	}
	if err != nil {
		c.end(os.NewSyscallError("connect", err))
		return
	}
	c.connecting, c.writing = false, false
	c.watch()
	c.h.Connected()
}

// Open reports whether c is connected or about to be.
func (c *Conn) Open() bool { return c.l != nil }

// Out is the buffer to append output to. It goes back by [Conn.Send].
func (c *Conn) Out() []byte {
	if c.out == nil && len(c.l.spare) > 0 {
		last := len(c.l.spare) - 1
		c.out = c.l.spare[last]
		c.l.spare[last] = nil
		c.l.spare = c.l.spare[:last]
		c.l.spareSize -= cap(c.out)
	}
	return c.out
}

// Send takes back what was appended to [Conn.Out]. It is written when the
// handler's call, timer or posted function that is under way has returned.
func (c *Conn) Send(b []byte) {
	c.out = b
	if !c.dirty && !c.connecting && !c.writing {
		c.dirty = true
		c.l.dirty = append(c.l.dirty, c)
	}
}

// Pending is the number of bytes that wait to be written.
func (c *Conn) Pending() int { return len(c.out) - c.taken }

const (
	keptOutput = 8 << 20  // bounds a buffer that is kept for the next connection
	keptSpare  = 32 << 20 // bounds all of them
)

func (c *Conn) flush() {
	if c.l == nil || c.connecting {
		return
	}
	for c.taken < len(c.out) {
		n, err := unix.Write(int(c.fd), c.out[c.taken:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			c.end(fmt.Errorf("write: %w", err))
			return
		}
		c.taken += n
	}
	done := c.taken == len(c.out)
	if done {
		c.giveBuffer()
	} else if c.taken > len(c.out)/2 {
		// A connection that is never done must not keep what was written.
		c.out = c.out[:copy(c.out, c.out[c.taken:])]
		c.taken = 0
	}
	if c.writing == done {
		c.writing = !done
		c.watch()
	}
}

// giveBuffer lets the next connection use c's output buffer.
func (c *Conn) giveBuffer() {
	if cap(c.out) > 0 && cap(c.out) <= keptOutput && c.l.spareSize+cap(c.out) <= keptSpare {
		c.l.spare = append(c.l.spare, c.out[:0])
		c.l.spareSize += cap(c.out)
	}
	c.out, c.taken = nil, 0
}

// ReadAtMost bounds a read to n bytes; 0: as many as fit.
func (c *Conn) ReadAtMost(n int) { c.readSize = int32(n) }

// Pause stops reading, so that what the peer sends stays in the kernel.
func (c *Conn) Pause() { c.pause(true) }

// Resume reads on.
func (c *Conn) Resume() { c.pause(false) }

func (c *Conn) pause(on bool) {
	if c.l != nil && c.paused != on {
		c.paused = on
		c.watch()
	}
}

// Close closes the connection at once. What was not written is lost.
func (c *Conn) Close() {
	if c.l == nil {
		return
	}
	_ = unix.Close(int(c.fd))
	c.l.conns[c.fd] = nil
	c.l.open--
	c.giveBuffer()
	c.l = nil
}

// end closes c and tells the handler.
func (c *Conn) end(err error) {
	h := c.h
	c.Close()
	h.Ended(err)
}

func sockaddrOf(a netip.AddrPort) (family int, s unix.Sockaddr) {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
