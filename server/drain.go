package server

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/route"
)

// begunTimeout bounds how long a stop waits for the rest of a request that has
// begun to come.
const begunTimeout = time.Second

// What a client is told whose session a stop ends.
const (
	drainReason   = "the server is shutting down"
	restartReason = "the server is being replaced: connect again"
)

// Leave makes /readyz answer 503 and /status.html 404, so that balancers send no more
// clients here. Those that come all the same are served as before; only the
// connection of a request that is no session is closed behind its answer. It is followed
// by Drain, after the time that a balancer takes to notice.
func (s *Server) Leave() { s.leaving.Store(true) }

// Drain stops accepting connections and sessions and ends those there are: each session
// in its turn, within [Options.DrainSpread], with close code 1001 or 1012, see
// [Options.Replaced]. Until then a session goes on as before. From then on what a
// producer sends is not taken, so that it is not half done, and its session is closed
// when its publishes in flight are answered. A consumer gets the close
// frame at once, and what its client sends until it answers that frame still counts:
// its acknowledgements are not lost.
//
// Who has sent a part of a request only, or takes no output, is not waited for as long
// as else. Drain returns when all connections are closed, or with an error when ctx ends.
// Close must still be called.
func (s *Server) Drain(ctx context.Context) error {
	s.Leave()
	s.drainedAt.Store(s.now())
	s.draining.Store(true)
	s.stopAccepting()
	if s.conns.Load() == 0 {
		return nil
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// departures is the order in which a worker's sessions leave while the server stops,
// and how far it has come. It belongs to the worker.
type departures struct {
	begun    bool
	since    uint32  // tick at which it began
	all      int     // how many there were at the beginning
	sessions []*conn // that are still to leave, the last one first
}

// due is how many sessions are to be left at a tick if all leave within span ticks.
func (d *departures) due(now, span uint32) (left int) {
	passed := min(now-d.since, span)
	return d.all - int(uint64(d.all)*uint64(passed+1)/uint64(span+1))
}

// depart ends the connections that are no session at its first call, and the sessions,
// in random order, as their turn comes. It is called at every tick of a drain.
func (w *worker) depart(now uint32) {
	d := &w.departures
	if !d.begun {
		d.begun, d.since = true, now
		w.wheel.All(func(c *conn) {
			if c.state().Stage() == life.Session {
				d.sessions = append(d.sessions, c)
				return
			}
			w.drainConn(c)
		})
		d.all = len(d.sessions)
		rand.Shuffle(d.all, func(i, j int) { d.sessions[i], d.sessions[j] = d.sessions[j], d.sessions[i] })
	}
	left := d.due(now, w.s.set().ticks.spread)
	for told := 1; len(d.sessions) > left; told++ {
		last := len(d.sessions) - 1
		c := d.sessions[last]
		d.sessions[last] = nil
		d.sessions = d.sessions[:last]
		c.mu.Lock()
		c.on(life.Turn)
		c.mu.Unlock()
		w.drainConn(c)
		if told%sweepTurn == 0 {
			w.interrupt()
		}
	}
}

// drainsFirst reports that c, a producer's session, takes no more input because its turn
// to leave has come. The caller holds mu.
func (c *conn) drainsFirst() bool {
	return c.state() == life.Leaving && c.kind == route.Producer
}

// listens reports whether a message that comes now counts. The caller holds mu.
func (c *conn) listens() bool {
	return c.state().Listens()
}

// drainConn moves c on while the server stops. It is called once for every
// connection, a session's when its turn to leave has come, and again whenever something
// happens to it or its deadline comes.
func (w *worker) drainConn(c *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.recoverSession()
	switch c.state() {
	case life.Head, life.Proxy, life.Leaving:
		// What is there already counts, read or not: a request gets its answer, an
		// acknowledgement is taken.
		w.receive(c)
	}
	switch c.state() {
	case life.Head, life.Handshake, life.Proxy:
		if len(c.req.buf) == 0 { // a handshake of TLS may have begun, but no request
			c.on(life.Cut)
		}
	case life.Leaving:
		if c.kind == route.Producer && c.session.InFlight() > 0 || w.handsOver(c) {
			break
		}
		c.part()
	case life.Gone:
		return
	}
	w.scheduleLocked(c)
}

// part ends a session whose turn to leave has come. The caller holds mu.
func (c *conn) part() {
	cl := closing{code: closeGoingAway, reason: drainReason}
	if c.s.o.Replaced {
		cl = closing{code: closeRestart, reason: restartReason}
	}
	if c.kind == route.Consumer {
		c.stop(life.Part, cl)
	} else {
		c.stop(life.Leave, cl)
	}
}

// handsOver reports whether a drain has to wait for what c, whose turn to leave has
// come, has sent before. The caller holds mu.
func (w *worker) handsOver(c *conn) bool {
	return c.yielded && int32(w.s.now()-c.since) < int32(w.s.set().ticks.close)
}
