//go:build linux

// Package loop runs very many client sockets and their timers on few
// goroutines. Each [Loop] is one goroutine on a thread of its own which owns its
// connections, their buffers and timers, so that none of them needs a lock, and
// whose CPU time can be told apart.
//
// It goes to epoll directly. A load generator needs things that event-loop
// libraries for servers do not give: connections that are opened on the loop
// itself from a chosen source address, timers of less than a millisecond, and
// output whose amount the caller sees.
package loop

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// readSize is how much is read from a socket at a time. Events are level
// triggered: a socket with more is read again after the others had their turn.
const readSize = 128 << 10

const maxEvents = 256

// Clock is the time in nanoseconds, from a fixed point, never going back.
type Clock func() int64

// Loop is one event loop. All methods but Post, Close and CPU are for the
// goroutine of Run only, in other words for what is called by the loop.
type Loop struct {
	epoll, wake, alarm int
	clock              Clock
	conns              []*Conn // by descriptor
	open               int
	generation         int32
	timers             timers
	armed              int64 // what the alarm is set to; 0: nothing
	dirty              []*Conn
	buf                []byte
	spare              [][]byte // output buffers that no connection uses
	spareSize          int      // their capacity

	cpu atomic.Int64 // nanoseconds of the thread

	mu     sync.Mutex
	posted []func()
	ended  bool
	rung   bool
}

// New makes a loop. The caller runs it, or closes it without.
func New(clock Clock) (*Loop, error) {
	l := &Loop{clock: clock, buf: make([]byte, readSize), epoll: -1, wake: -1, alarm: -1}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		l.free()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if l.alarm, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		l.free()
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	for _, fd := range []int{l.wake, l.alarm} {
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			l.free()
			return nil, fmt.Errorf("epoll_ctl: %w", err)
		}
	}
	return l, nil
}

func (l *Loop) free() {
	for _, fd := range []int{l.epoll, l.wake, l.alarm} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// Open is the number of open connections.
func (l *Loop) Open() int { return l.open }

// Now is the loop's clock.
func (l *Loop) Now() int64 { return l.clock() }

// CPU is the time that the loop's thread has spent, user and system. It is
// brought up to date by [Loop.Measure].
func (l *Loop) CPU() time.Duration { return time.Duration(l.cpu.Load()) }

// Measure brings [Loop.CPU] up to date.
func (l *Loop) Measure() {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &use) == nil {
		l.cpu.Store(use.Utime.Nano() + use.Stime.Nano())
	}
}

// Post calls f on the loop soon. It never blocks. It reports false, and f is
// never called, when the loop has ended.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.posted = append(l.posted, f)
	l.ring()
	return true
}

// ring wakes the loop. The caller holds mu.
func (l *Loop) ring() {
	if !l.rung {
		l.rung = true
		one := [8]byte{1}
		_, _ = unix.Write(l.wake, one[:])
	}
}

// Close ends Run, which closes all connections.
func (l *Loop) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		l.ring()
	}
}

// Run serves the loop until it is closed.
func (l *Loop) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.free()
	events := make([]unix.EpollEvent, maxEvents)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			switch int(ev.Fd) {
			case l.wake:
				if l.work() {
					l.abandon()
					return nil
				}
			case l.alarm:
				var count [8]byte
				_, _ = unix.Read(l.alarm, count[:])
				l.armed = 0
			default:
				l.event(ev)
			}
		}
		l.fire()
		l.arm()
	}
}

// work runs what was posted. It reports whether the loop shall end.
func (l *Loop) work() (end bool) {
	l.mu.Lock()
	var count [8]byte
	_, _ = unix.Read(l.wake, count[:])
	l.rung = false
	posted := l.posted
	l.posted = nil
	end = l.ended
	l.mu.Unlock()
	for _, f := range posted {
		f()
		l.flush()
	}
	return end
}

// abandon closes what is open when the loop ends. No handler is called.
func (l *Loop) abandon() {
	for _, c := range l.conns {
		if c != nil {
			_ = unix.Close(int(c.fd))
		}
	}
	l.conns = nil
	l.Measure()
}

func (l *Loop) event(ev unix.EpollEvent) {
	fd := int(ev.Fd)
	if fd >= len(l.conns) || l.conns[fd] == nil || l.conns[fd].generation != ev.Pad {
		return // it was closed by what this batch did before
	}
	c := l.conns[fd]
	if c.connecting {
		l.connected(c)
		l.flush()
		return
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		c.flush()
	}
	// The handler may have closed c meanwhile, and even dialled again.
	if c.l != nil && c.generation == ev.Pad && ev.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.read(c)
	}
	l.flush()
}

func (l *Loop) read(c *Conn) {
	buf := l.buf
	if c.readSize > 0 {
		buf = buf[:c.readSize]
	}
	n, err := unix.Read(int(c.fd), buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	case err != nil:
		c.end(fmt.Errorf("read: %w", err))
	case n == 0:
		c.end(io.EOF)
	default:
		c.h.Data(buf[:n])
	}
}

// flush writes what the last call produced.
func (l *Loop) flush() {
	for i := 0; i < len(l.dirty); i++ {
		c := l.dirty[i]
		l.dirty[i] = nil
		c.dirty = false
		c.flush()
	}
	l.dirty = l.dirty[:0]
}

// fire runs the timers that are due.
func (l *Loop) fire() {
	for now := l.clock(); len(l.timers) > 0 && l.timers[0].at <= now; {
		t := l.timers[0]
		f := t.f
		l.timers.remove(t)
		f()
		l.flush()
	}
}

// arm sets the alarm to the first timer.
func (l *Loop) arm() {
	if len(l.timers) == 0 || l.timers[0].at == l.armed {
		return
	}
	l.armed = l.timers[0].at
	wait := max(l.armed-l.clock(), 1)
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(wait)}
	_ = unix.TimerfdSettime(l.alarm, 0, &spec, nil)
}
