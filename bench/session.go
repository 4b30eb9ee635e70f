//go:build linux

package bench

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/wire"
)

// state is where a session stands.
type state uint8

const (
	closed  state = iota // not opened yet, or not to be opened again
	opening              // from the connection's beginning to the answer to the handshake
	open
	closing // our close frame is sent
	waiting // for the time to be opened again
)

// errNoAnswer is a handshake that took too long.
var errNoAnswer = errors.New("no answer to the handshake in time")

// closeWait bounds how long the server may take to end a connection after our
// close frame.
const closeWait = 2 * time.Second

// session is one session and its connection. It belongs to its worker's loop.
//
// An idle one holds no buffers: only this struct, and one small struct for what
// it does.
type session struct {
	conn   loop.Conn
	w      *worker
	g      *group
	in     wire.Reader
	timer  loop.Timer // what is next: the handshake's timeout, the lifetime's end, opening again
	head   []byte     // the answer to the handshake so far
	send   *producer  // nil: it does not produce
	recv   *receiver  // nil: it does not receive
	due    int64      // when it was to be opened
	number int        // in its group
	tries  uint32     // openings begun
	state  state
	first  bool // the opening under way is one of the ramp-up
}

// begin opens the session. It was to be opened at the time due.
func (s *session) begin(due int64) {
	p := s.w.run.plan
	s.state, s.due = opening, due
	s.tries++
	s.w.opening++
	err := s.dial()
	if err != nil {
		s.failed(advise(err))
		return
	}
	s.w.loop.Set(&s.timer, s.w.loop.Now()+int64(p.OpenTimeout), func() {
		s.conn.Close()
		s.failed(fmt.Errorf("%w: %v", errNoAnswer, p.OpenTimeout))
	})
}

// advise says what to do about limits of this machine.
func advise(err error) error {
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no port left for more connections to the server; connect from more addresses with --source, or run on more machines", err)
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w: raise the limit of file descriptors of a process with `ulimit -n`, or use more --processes", err)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w: the machine has no file descriptor left; raise fs.file-max with sysctl", err)
	case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: the kernel has no memory left for sockets; see net.ipv4.tcp_mem", err)
	}
	return err
}

func (s *session) dial() error {
	r := s.w.run
	if r.plan.Target.secure {
		return s.dialTLS()
	}
	return s.w.loop.Dial(&s.conn, r.plan.Target.addr, r.source(s), s)
}

// Connected implements [loop.Handler].
func (s *session) Connected() {
	p := s.w.run.plan
	var more url.Values
	if s.recv != nil {
		more = s.recv.resumeAt()
	}
	before := len(s.conn.Out())
	out := wire.AppendUpgrade(s.conn.Out(), p.Target.host, p.request(s.g.Group, s.number, more), s.w.run.headers...)
	s.w.counts[bytesOut] += uint64(len(out) - before)
	s.conn.Send(out)
}

// Data implements [loop.Handler].
func (s *session) Data(b []byte) {
	s.w.counts[bytesIn] += uint64(len(b))
	if s.state == opening {
		s.answer(b, false)
		return
	}
	if err := s.in.Feed(b, s); err != nil {
		s.w.fault(err)
		s.conn.Close()
		s.lost()
		return
	}
	if s.recv != nil {
		s.recv.throttle(len(b))
	}
}

// answer takes bytes of the server's answer to the handshake.
func (s *session) answer(b []byte, ended bool) {
	if s.head != nil {
		s.head = append(s.head, b...)
		b = s.head
	}
	n, err := wire.ReadAnswer(b, ended)
	switch {
	case err != nil:
		s.conn.Close()
		s.failed(err)
	case n == 0:
		if s.head == nil {
			s.head = append([]byte(nil), b...)
		}
	default:
		s.head = nil
		s.isOpen()
		if rest := b[n:]; len(rest) > 0 {
			s.w.counts[bytesIn] -= uint64(len(rest)) // Data counts them again
			s.Data(rest)
		}
	}
}

func (s *session) isOpen() {
	w := s.w
	now := w.loop.Now()
	w.loop.Unset(&s.timer)
	s.state = open
	w.opening--
	w.counts[opened]++
	w.open++
	s.g.opened.Add(1)
	w.openLatency.Record(now - s.due)
	w.inRow = 0
	if s.g.Lifetime > 0 {
		s.endAt(now)
	}
	if s.recv != nil {
		s.recv.begin()
	}
	if s.send != nil {
		s.send.pump()
	}
	w.openMore()
}

// endAt sets the end of the session's lifetime. The first ones end at any time
// within it, so that they end evenly from then on.
func (s *session) endAt(now int64) {
	life := int64(s.g.Lifetime)
	if s.first {
		life = rand.Int64N(life) + 1
	}
	s.first = false
	s.w.loop.Set(&s.timer, now+life, func() {
		s.w.counts[ended]++
		s.finish()
	})
}

// failed: the session could not be opened.
func (s *session) failed(err error) {
	w := s.w
	w.loop.Unset(&s.timer)
	s.state = closed
	s.release()
	w.opening--
	w.counts[openFailed]++
	s.g.failed.Add(1)
	w.inRow++
	if errors.Is(err, errNoAnswer) {
		w.inRow += max(giveUpAfter/(silentRounds*w.atATime()), 1) - 1
	}
	w.fault(err)
	s.again()
	w.openMore()
}

// Ended implements [loop.Handler].
func (s *session) Ended(err error) {
	switch s.state {
	case opening:
		if s.head != nil {
			s.answer(nil, true)
			if s.state != opening {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("the server ended the connection without an answer to the handshake")
		}
		s.failed(err)
	case open:
		if errors.Is(err, io.EOF) {
			err = errors.New("the server ended the connection without a close frame")
		}
		s.w.fault(fmt.Errorf("session dropped: %w", err))
		s.lost()
	default:
		s.shut()
	}
}

// lost: an open session ended, and nobody here wanted that.
func (s *session) lost() {
	if s.state == open {
		s.w.open--
		s.w.counts[dropped]++
	}
	s.state = closed
	s.w.loop.Unset(&s.timer)
	s.release()
	s.again()
}

// release drops what a connection had in buffers.
func (s *session) release() {
	s.in.Release()
	s.head = nil
	if s.send != nil {
		s.send.broken()
	}
	if s.recv != nil {
		s.recv.broken()
	}
}

// again opens the session again after the plan's delay.
func (s *session) again() {
	delay := s.w.run.plan.Reconnect
	if delay == 0 && s.g.Lifetime > 0 {
		delay = s.g.Lifetime
	}
	if delay == 0 || s.w.stopped {
		return
	}
	s.state = waiting
	at := s.w.loop.Now() + int64(delay)
	s.w.loop.Set(&s.timer, at, func() {
		s.state = closed
		if !s.w.stopped {
			s.begin(at)
		}
	})
}

// Message implements [wire.Handler].
func (s *session) Message(payload []byte) {
	switch {
	case s.state != open && s.state != closing:
	case s.send != nil:
		s.send.reply(payload)
	case s.recv != nil:
		s.recv.message(payload)
	}
}

// Ping implements [wire.Handler].
func (s *session) Ping(payload []byte) {
	s.conn.Send(wire.AppendFrame(s.conn.Out(), wire.Pong, payload, rand.Uint32()))
}

// Closed implements [wire.Handler]. The server ends the connection next.
func (s *session) Closed(code uint16, reason string) {
	if s.state != open {
		return
	}
	s.w.fault(fmt.Errorf("session dropped: the server closed it with code %d %s", code, reason))
	s.w.open--
	s.w.counts[dropped]++
	s.state = closing
	s.conn.Send(wire.AppendClose(s.conn.Out(), 1000, "", rand.Uint32()))
	s.w.loop.Set(&s.timer, s.w.loop.Now()+int64(closeWait), s.shut)
}

// finish closes the session in order.
func (s *session) finish() {
	s.w.loop.Unset(&s.timer)
	switch s.state {
	case open:
		s.w.open--
		if s.g.SlowBytes > 0 { // the server's answer stands behind what it has not read
			s.state = closed
			s.shut()
			return
		}
		s.state = closing
		s.conn.Send(wire.AppendClose(s.conn.Out(), 1000, "", rand.Uint32()))
		s.w.loop.Set(&s.timer, s.w.loop.Now()+int64(closeWait), s.shut)
	case opening:
		s.w.opening--
		s.shut()
	case closing:
		s.w.loop.Set(&s.timer, s.w.loop.Now()+int64(closeWait), s.shut)
	default:
		s.shut()
	}
}

// shut ends a session that is closed as far as its protocol goes. One with a
// lifetime is opened anew.
func (s *session) shut() {
	was := s.state
	s.w.loop.Unset(&s.timer)
	s.conn.Close()
	s.state = closed
	s.release()
	switch {
	case was != closing || s.w.stopped:
	case s.g.Lifetime > 0:
		s.begin(s.w.loop.Now())
	default:
		s.again()
	}
}
