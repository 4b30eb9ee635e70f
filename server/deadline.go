package server

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/wheel"
)

const (
	// closeTimeout bounds how long the peer's answer to our close frame is awaited.
	closeTimeout = 5 * time.Second

	// closeMost bounds how long a connection that ends is kept although its client
	// goes on taking what was written.
	closeMost = time.Minute

	// answerTimeout bounds how long an answer of HTTP waits for a client that takes
	// none of it.
	answerTimeout = 30 * time.Second

	// lingerTimeout bounds how long a connection on which nothing counts any more
	// is kept, so that its peer can take what was written last.
	lingerTimeout = time.Second

	// far is a deadline that needs no attention; it is looked at again, as the
	// wheel's span is shorter.
	far = wheel.Slots
)

// ticks converts a duration, rounded up so that a timeout is never early.
func (s *Server) ticks(d time.Duration) uint32 {
	return uint32((d+s.o.tick-1)/s.o.tick) + 1
}

// now is the coarse clock: the tick, counted from the start. It wraps after
// more than ten years; comparisons are made on differences.
func (s *Server) now() uint32 { return s.clock.Load() }

// sweepTurn is how many connections are looked after before others have a turn:
// many may be due at once, and to ping one takes 10 µs.
const sweepTurn = 32

// longestStep bounds how far the clock goes at once, in ticks. After the process
// was stopped or starved the time of the pause does not count against clients
// whose traffic is there but was not read yet.
const longestStep = 3

// tick advances the clock; late is how long the worker could not come to it.
// Only the first worker does the former.
func (w *worker) tick(late time.Duration) {
	s := w.s
	s.metrics.lag.Observe(max(late, 0).Seconds())
	if w != s.workers[0] {
		return
	}
	passed := s.o.passed()
	s.clock.Add(min(passed-s.passed, longestStep))
	s.passed = passed
	s.incidents.flush(false)
}

// sweep looks after the connections whose deadline has come.
func (w *worker) sweep() {
	now := w.s.now()
	looked := 0
	w.wheel.Advance(now, func(c *conn) {
		w.check(c, now)
		if looked++; looked%sweepTurn == 0 {
			w.interrupt()
		}
	})
	w.adopt()
	w.recheckAll()
	if w.s.draining.Load() {
		w.depart(now)
	}
}

// interrupt serves the connections that wait, if there are any, and lets other
// goroutines run.
func (w *worker) interrupt() {
	select {
	case <-w.bell:
		if w.work() {
			w.ring() // run wants to know
		}
	default:
	}
	runtime.Gosched()
}

// schedule sets c's next deadline.
func (w *worker) schedule(c *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.scheduleLocked(c)
}

// scheduleLocked is schedule for a caller that holds mu.
func (w *worker) scheduleLocked(c *conn) {
	now := w.s.now()
	w.wheel.Put(c, now+w.untilDue(c, now))
}

// untilDue is the number of ticks until c must be looked at. Deadlines that move
// with every read or write are not moved in the wheel: c is looked at when the
// old one comes, and put back. The caller holds mu.
func (w *worker) untilDue(c *conn, now uint32) uint32 {
	t := &w.s.set().ticks
	due := int32(far)
	sooner := func(since, span uint32) { due = min(due, int32(since+span-now)) }
	stage := c.state().Stage()
	switch since := c.since; stage {
	case life.Awaiting:
		sooner(since, t.handshake)
		if w.s.draining.Load() {
			sooner(w.s.drainedAt.Load(), t.begun)
		}
	case life.Farewells, life.Discarding:
		sooner(w.overAt(c, stage, since), 0)
	case life.Session:
		if at, ok := w.pingAt(c); ok {
			sooner(at, 0)
		}
		if t.idle > 0 {
			sooner(c.lastTraffic(), t.idle)
		}
		if c.who != nil && !c.who.expires.IsZero() {
			sooner(c.who.due, 0)
		}
		if c.state() == life.Leaving {
			due = 1
		}
	}
	if at, ok := w.slowAt(c, stage); ok {
		sooner(at, 0)
	}
	return uint32(max(due, 1))
}

// pingAt is the tick at which c wants to be pinged next. ok: it does.
//
// What costs most about pings and pongs that come one by one is that the process
// wakes up for them: its goroutines, their threads, and Go's monitor, which does
// not sleep for long while anything runs. So those of a second are sent together,
// a tenth of the interval early at most.
func (w *worker) pingAt(c *conn) (at uint32, ok bool) {
	now := w.s.set()
	t := &now.ticks
	since, span := c.lastPing, t.ping
	if span == 0 {
		if now.noIdlePing {
			return 0, false
		}
		since, span = c.lastTraffic(), t.idle/2
		if span == 0 || int32(c.lastPing-since) > 0 {
			return 0, false
		}
	}
	at = since + span
	return at - at%max(1, min(t.second, span/10)), true
}

// check acts on the deadlines of c that have passed, and sets the next.
func (w *worker) check(c *conn, now uint32) {
	t := &w.s.set().ticks
	passed := func(since, span uint32) bool { return int32(now-since-span) >= 0 }
	stage, since := c.stage()
	if at, ok := w.slowAt(c, stage); ok && passed(at, 0) {
		w.countUnread(c)
		if stage == life.Session {
			c.mu.Lock()
			c.stop(life.Stop, closing{code: closePolicy, reason: "the client does not read"})
			c.mu.Unlock()
		} else {
			c.giveUp()
		}
		w.schedule(c)
		return
	}
	switch stage {
	case life.Awaiting:
		if passed(since, t.handshake) || w.s.draining.Load() && passed(w.s.drainedAt.Load(), t.begun) {
			c.handshakeTimeout()
		}
	case life.Farewells, life.Discarding:
		if passed(w.overAt(c, stage, since), 0) {
			c.giveUp()
		}
	case life.Session:
		w.checkToken(c, now)
		w.checkSession(c, now, passed)
	}
	if w.s.draining.Load() {
		w.drainConn(c)
		return
	}
	w.schedule(c)
}

// checkSession keeps an open session alive or ends it. The traffic that counts
// is what came from the client, and messages that the kernel took for it: for a
// client that is gone it takes none for long, as its window is used up or TCP
// gives up.
//
// Without a ping interval the client is pinged once when it was silent for half
// of the idle timeout, unless [Options.NoIdlePing] says no. One that answers can so stay for ever; one that is gone,
// or never answers pings, is closed when the timeout comes.
func (w *worker) checkSession(c *conn, now uint32, passed func(since, span uint32) bool) {
	t := &w.s.set().ticks
	if t.idle > 0 && passed(c.lastTraffic(), t.idle) {
		reads, reason := c.unsent.Load() == 0, "idle timeout"
		if !reads {
			reason = "idle timeout: the client does not read"
		}
		c.mu.Lock()
		// Its input is there and waits for us, unless we wait for it to read answers.
		held := c.stalled && reads
		ends := !held && c.state().Stage() == life.Session
		if ends {
			c.stop(life.Stop, closing{code: closeGoingAway, reason: reason})
		}
		c.mu.Unlock()
		if ends && !reads {
			w.countUnread(c)
		}
		if held {
			c.lastSeen.Store(now)
		}
		return
	}
	if at, ok := w.pingAt(c); !ok || !passed(at, 0) {
		return
	}
	c.lastPing = now
	if c.unsent.Load() == 0 { // else the client has something to answer already
		w.out.reset(0)
		w.out.buf = ws.AppendFrame(w.out.buf, ws.OpPing, nil)
		w.write(c, false)
	}
}

// lastTraffic is the tick at which something last came from the client, or the
// kernel last took output for it.
func (c *conn) lastTraffic() uint32 {
	seen, take := c.lastSeen.Load(), c.lastTake.Load()
	if int32(take-seen) > 0 {
		return take
	}
	return seen
}

// slowAt is the tick at which the client has taken none of its output for too
// long. ok: there is such a bound. An answer does not hold a stop for longer than a
// client that answers no close frame.
func (w *worker) slowAt(c *conn, stage life.Stage) (at uint32, ok bool) {
	t := &w.s.set().ticks
	span := t.answer
	if w.s.draining.Load() {
		span = min(span, t.close)
	}
	switch stage {
	case life.Session:
		span = t.slow
	case life.Farewells, life.Discarding:
		return 0, false // these have a deadline of their own
	}
	return c.lastTake.Load() + span, span > 0 && c.unsent.Load() > 0
}

// overAt is the tick at which a connection that is ending is ended, whatever still
// waits. A client that takes its output gets some time more for each piece.
func (w *worker) overAt(c *conn, stage life.Stage, since uint32) uint32 {
	t := &w.s.set().ticks
	span := t.close
	if stage == life.Discarding && c.unsent.Load() == 0 {
		span = t.linger
	}
	from := since
	if take := c.lastTake.Load(); int32(take-from) > 0 {
		from = take
	}
	if most := since + t.closeMost; int32(most-(from+span)) < 0 {
		return most
	}
	return from + span
}

// countUnread tells the operator of a client that is closed because it does not
// read.
func (w *worker) countUnread(c *conn) {
	w.s.metrics.slow.Add(1)
	w.s.slowWarning.Log(w.s.log, slog.LevelWarn, "closed a client that does not read its output", "remote", c.remote().String(), "unread", c.unsent.Load())
}
