package server

import (
	"bytes"
	"errors"
	"runtime"
	"syscall"

	"github.com/lesismal/nbio"
	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/tlsio"
)

// Input is handled in turns, so that nobody waits for long because of what one
// client sends: a turn ends after turnBytes, and what is left waits for the next
// one, behind those other sockets of the worker that send as much; who sends little does not
// wait for them. A message that may take longer than a turn is left to the [costlyMessages].

const (
	// readBuffer is the size of a read, but in the midst of a long frame, see [ws.Reader.Room]. Each poller and each
	// worker has one. A socket that had so much to read has had its turn, see [turnBytes]: what is left is read by
	// the socket's worker, in turns with its other sockets.
	readBuffer = 64 << 10

	// maxPending bounds the bytes taken behind a request that is being worked on.
	maxPending = 64 << 10

	// turnBytes is the input that one socket may have handled in a turn. The worst
	// JSON that was found takes 20 ns for each byte.
	turnBytes = 32 << 10

	// messageCost is what a message costs beside its bytes, in bytes: a publish
	// takes 2.5 µs however short it is.
	messageCost = 128

	// inlineMessage is the longest message that is handled in a turn, unless it came
	// in a single read.
	inlineMessage = 32 << 10
)

// onRead is nbio's call for a readable socket, on a poller. Events are edge
// triggered: what is left unread must be read later without a new one.
func (s *Server) onRead(nc *nbio.Conn) {
	owner := owner(nc)
	c, ok := owner.(*conn)
	if !ok {
		owner.(*entrance).serve(nc)
		return
	}
	// What the worker is going to read is not for the poller, or a client that sends
	// much would have turns at both. While the worker reads this socket the poller has
	// better things to do than to wait for it.
	wanted := c.toRead.Load() || c.wants.Load()&wantRead != 0
	mine, wants := !wanted && c.mu.TryLock(), wantRead
	if mine && c.reader.Long() {
		// With very many of these a poller would do nothing else for a while, and who sends little would wait for it.
		c.mu.Unlock()
		mine, wants = false, wantRead|wantTurn
	}
	if !mine {
		if !broken(nc) {
			if !wanted {
				c.wake(wants)
			}
			return
		}
		c.mu.Lock()
	}
	// What this wakes, a worker or the upstream's goroutine, runs now, on this
	// processor. Without it another one would have to come and fetch the work, if there is one: on two, publishing
	// takes a fifth more CPU.
	defer runtime.Gosched()
	defer c.mu.Unlock()
	buf := *s.engine.PollerBufferPtr(nc)
	read := c.receive(buf, true)
	if c.leftUnread(read, len(buf)) && broken(nc) {
		c.salvage(buf)
	}
}

// leftUnread reports whether the kernel may hold input, when receive has read so many bytes to a buffer of that size. That
// the worker is to read it does not tell: it may have taken that note already, and it waits for mu. The caller holds mu.
func (c *conn) leftUnread(read, size int) bool {
	return c.yielded || read >= size || c.wants.Load()&wantRead != 0
}

// broken reports whether nbio closes the socket when onRead returns.
func broken(nc *nbio.Conn) (hup bool) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}} // it always tells of these
		n, err := unix.Poll(p, 0)
		hup = err == nil && n == 1 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return hup
}

// salvage takes what the kernel still holds of a session whose socket is about to be
// closed; see [worker.leftover]. The caller holds mu.
func (c *conn) salvage(buf []byte) {
	if !c.listens() || c.stalled && !c.yielded {
		return
	}
	for {
		n, err := c.nc.Read(buf)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		c.traffic().bytesIn.Add(uint64(n))
		if c.tls == nil {
			c.rest = c.rest.with(buf[:n])
		} else if c.tls.Append(buf[:n]) != nil {
			break
		}
	}
	c.stalled, c.yielded = true, true
	c.countInput()
}

// receive reads and handles input until there is none, the session takes no
// more, or its turn is over, and returns how many bytes it read. inPoller: it runs on the socket's poller, and nbio
// closes the socket when this returns, if the connection is broken or over. The caller holds mu.
func (c *conn) receive(buf []byte, inPoller bool) (read int) {
	defer c.countInput()
	defer c.recoverSession()
	c.turn = 0
	if inPoller && c.yielded {
		return 0 // the worker gives it its next turn
	}
	c.resume()
	for more := true; c.takes(); {
		if c.secured() {
			switch n, err := c.decrypt(buf); {
			case err != nil:
				c.tlsFailed(err)
				return read
			case n > 0:
				c.input(buf[:n])
				continue
			}
		}
		if !more || c.ended.Load() {
			return read
		}
		into, inPlace := c.readTo(buf)
		n, err := c.nc.Read(into)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return read
		case err == nil && n == 0:
			c.peerEnded()
			return read
		case err != nil:
			// The poller closes the socket on the event that comes with this; see hangUp.
			if inPoller {
				_ = c.nc.CloseWithError(err)
			}
			return read
		}
		c.traffic().bytesIn.Add(uint64(n))
		c.lastSeen.Store(c.s.now())
		switch {
		case c.secured():
			if err := c.tls.Append(buf[:n]); err != nil {
				c.tlsFailed(err)
				return read
			}
		case inPlace:
			c.filled(n)
		default:
			c.input(buf[:n])
		}
		read += n
		if n < len(into) {
			more = c.ending // no event will tell of it again
		} else if read >= len(buf) {
			c.wake(wantRead | wantTurn)
			more = false
		}
	}
	return read
}

// readTo is where the next bytes are read to: in the midst of a long frame to where they are kept, else buf. The caller
// holds mu.
func (c *conn) readTo(buf []byte) (into []byte, inPlace bool) {
	if c.secured() {
		return buf[:tlsio.MaxRead], false
	}
	if room := c.reader.Room(); room != nil {
		return room, true
	}
	return buf, false
}

// decrypt returns what came in the next record, if all of it is there. The
// caller holds mu.
func (c *conn) decrypt(buf []byte) (int, error) {
	n, sends, err := c.tls.Read(buf)
	if sends {
		c.wake(wantFlush)
	}
	if n > 0 {
		return n, nil // an error will come again
	}
	return 0, err
}

// takes reports whether input is wanted now. The caller holds mu.
func (c *conn) takes() bool {
	switch {
	case c.state() == life.Gone || c.stalled:
		return false
	case c.drainsFirst():
		return false
	}
	return true
}

// resume takes up what was left when input stopped, if it can go on. The caller
// holds mu.
func (c *conn) resume() {
	if !c.stalled || c.costly != nil {
		return
	}
	switch {
	case c.listens():
		if c.session.Full() || c.drainsFirst() {
			c.yielded = false
			return
		}
		rest := c.rest.bytes()
		c.unstall()
		c.frames(rest, true)
	case c.state().Stage() == life.Working:
	case c.state() == life.Handshake:
		c.stalled = len(c.req.tls.in) > maxHandshakeInput
	default:
		c.unstall()
	}
}

// unstall lets input go on, without what waited. The caller holds mu.
func (c *conn) unstall() { c.stalled, c.yielded, c.rest = false, false, nil }

// input handles bytes that were read. They are valid during the call only. The
// caller holds mu.
func (c *conn) input(data []byte) {
	switch state := c.state(); {
	case state == life.Handshake:
		c.gather(data)
	case state.Stage() == life.Awaiting:
		c.req.buf = append(c.req.buf, data...)
		c.requests()
	case state.Stage() == life.Working:
		c.req.buf = append(c.req.buf, data...)
		c.holdBack()
		c.inputCame()
	case state.Stage() == life.Session, state.Stage() == life.Farewells:
		c.frames(data, false)
	}
}

// turnOver counts a message, and reports whether the turn ends with it. The caller
// holds mu.
func (c *conn) turnOver(bytes int) bool {
	c.turn += messageCost + bytes + c.reader.TakeWork()
	if c.turn < turnBytes {
		return false
	}
	c.stalled, c.yielded = true, true
	c.wake(wantRead | wantTurn)
	return true
}

// filled is frames for the first n bytes of what [ws.Reader.Room] gave. The caller holds mu.
func (c *conn) filled(n int) {
	if err := c.reader.Filled(&c.s.set().frames, n, (*frameHandler)(c)); err != nil && !c.stalled {
		c.broken(err)
	}
	if c.state().Stage() == life.Discarding {
		c.reader.Release()
	}
}

// frames handles WebSocket input. own: data is the connection's and can be kept.
// The caller holds mu.
func (c *conn) frames(data []byte, own bool) {
	turns, ok := c.session.(bridge.Turner)
	if !ok || c.costly != nil || !c.listens() { // a costly message has the session to itself
		c.feed(data, own)
		return
	}
	turns.BeginTurn()
	c.feed(data, own)
	turns.EndTurn()
	if !c.stalled && c.listens() {
		c.isFull()
	}
}

// feed handles WebSocket input as frames does, but for the end of a turn. The caller holds mu.
func (c *conn) feed(data []byte, own bool) {
	for len(data) > 0 {
		n, err := c.reader.Feed(&c.s.set().frames, data, (*frameHandler)(c))
		data = data[n:]
		if c.stalled {
			if !own {
				data = bytes.Clone(data)
			}
			c.rest = keep(data)
			return
		}
		if err != nil {
			c.broken(err)
		}
	}
	if c.state().Stage() == life.Discarding {
		c.reader.Release()
	}
}

// frameHandler takes what a [ws.Reader] finds. Its methods run with mu held.
type frameHandler conn

// Message hands a message to the session. Text and binary are the same to it.
func (h *frameHandler) Message(_ ws.Opcode, payload []byte) (more bool) {
	c := (*conn)(h)
	if !c.listens() {
		return true
	}
	c.messages++
	c.traffic().messagesIn.Add(1)
	if err := c.session.Handle(payload); err != nil {
		c.refusedBy(err)
		return true
	}
	return !c.isFull() && !c.turnOver(len(payload))
}

// isFull reports that the session takes no more for now, and stalls the connection. The caller holds mu.
func (c *conn) isFull() bool {
	if !c.session.Full() {
		return false
	}
	// Resume may have been called before the session was marked as stalled: it
	// is then no longer full, and if it is called later, the worker waits for mu.
	c.stalled = true
	if !c.session.Full() {
		c.stalled = false
	}
	return c.stalled
}

// maxPongs bounds the answers to pings, in bytes, that wait to be written.
const maxPongs = 16 << 10

// Ping answers. Where too many answers wait, all but the latest are left out,
// as RFC 6455 section 5.5.3 allows.
func (h *frameHandler) Ping(payload []byte) {
	c := (*conn)(h)
	if c.state().Stage() == life.Session {
		c.leave(wantFlush, func(m *mail) {
			if len(m.pongs)+len(payload) > maxPongs {
				m.pongs = m.pongs[:0]
			}
			m.pongs = ws.AppendFrame(m.pongs, ws.OpPong, payload)
		})
	}
}

// Pong needs nothing: it counted as traffic when it was read.
func (h *frameHandler) Pong([]byte) {}

// Close is the peer's close frame. It is answered with the same code, unless it
// is the answer to ours.
func (h *frameHandler) Close(code uint16, _ string) {
	(*conn)(h).stop(life.PeerClose, closing{code: code})
}
