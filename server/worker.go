package server

import (
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/server/wheel"
)

// worker writes for its connections, reads what their pollers left, and keeps their
// deadlines, on one goroutine. All its fields belong to that goroutine, but for the queue.
type worker struct {
	s          *Server
	bell       chan struct{} // holds one ring: the queue is not empty, or stop was called
	wheel      wheel.Wheel[conn, *conn]
	out        output
	sealed     []byte // what it becomes with TLS
	buf        []byte // for reading
	spare      []*conn
	strangers  []*conn // taken of passing, to be served next
	handled    int     // bytes of input since it was set to 0, as turns count them
	reads      waiting // those that want to read
	turns      waiting // the same, of those that send more than fits in a turn: only they wait for each other
	heads      waiting // the same, of those that pass
	departures departures
	generation uint64    // of the permissions that all sessions were checked against
	settings   *settings // that its connections' deadlines were made with

	mu      sync.Mutex
	queue   []*conn   // sessions
	passing waiting   // connections that are no session, or none any more; in one of both at most once, see [conn.wake]
	passed  uint64    // how many of those were served
	calm    sync.Cond // some of those were served
	quit    bool
}

func newWorker(s *Server) *worker {
	w := &worker{s: s, bell: make(chan struct{}, 1), buf: make([]byte, readBuffer), settings: s.set()}
	w.calm.L = &w.mu
	return w
}

func (w *worker) push(c *conn) {
	w.mu.Lock()
	if c.settled() {
		w.queue = append(w.queue, c)
	} else {
		w.passing = append(w.passing, c)
	}
	first := len(w.queue)+len(w.passing) == 1
	w.mu.Unlock()
	if first {
		w.ring()
	}
}

// waiting are connections in the order they came, each at most once. They have turns in between what else there is to do.
type waiting []*conn

// take removes the first of them, nil if there is none.
func (q *waiting) take() *conn {
	if len(*q) == 0 {
		return nil
	}
	c := (*q)[0]
	(*q)[0] = nil
	if *q = (*q)[1:]; len(*q) == 0 {
		*q = nil
	}
	return c
}

func (w *worker) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// stop ends run once the queue is empty.
func (w *worker) stop() {
	w.mu.Lock()
	w.quit = true
	w.mu.Unlock()
	w.ring()
}

func (w *worker) run() {
	ticker := time.NewTicker(w.s.o.tick)
	defer ticker.Stop()
	for {
		select {
		case <-w.bell:
			if w.work() {
				return
			}
		case at := <-ticker.C:
			w.out.later()
			w.tick(time.Since(at))
			w.sweep()
		}
	}
}

const (
	// readEvery is how many connections are served between two that read, while there
	// are so many. A read takes a millisecond at worst, all else about 10 µs.
	readEvery = 8

	// passEvery is how many connections that come or go are served behind the sessions, at most. One
	// takes 50 µs, and clients can have them come and go faster than any server can serve them: it is they who wait then.
	passEvery = 16

	// mostPassing is from how many of them on a worker gets a further connection only for every passEvery that it
	// has served: those that wait cost memory, and their sockets' events the pollers' time. One that comes and goes is
	// served a few times only, so that they become less.
	mostPassing = 128
)

// awaitCalm waits while very many connections come or go, but only until the worker, which always gets on with them,
// has served some: those that ask for one answer after another pass without end, and would keep everybody else out.
func (w *worker) awaitCalm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	crowded := func() bool { return len(w.passing) >= mostPassing }
	if crowded() {
		w.s.metrics.acceptWaits.Add(1)
	}
	for from := w.passed; crowded() && w.passed-from < passEvery; {
		w.calm.Wait()
	}
}

// work serves the sessions in the queue once, in the order they came, with some of the connections that
// come or go in between and behind them, and lets some of those read that want to. What they add meanwhile is served on the next call,
// so that no connection can keep the others waiting. It reports whether the worker
// shall end.
func (w *worker) work() (end bool) {
	w.mu.Lock()
	batch := w.queue
	w.queue = w.spare[:0]
	w.mu.Unlock()
	w.out.later()
	for i, c := range batch {
		batch[i] = nil
		w.serve(c)
		if i%readEvery == readEvery-1 {
			w.readNext()
			w.pass(1)
			w.out.later()
		}
	}
	w.spare = batch
	w.readNext()
	w.pass(passEvery)

	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue)+len(w.passing)+len(w.strangers)+len(w.reads)+len(w.turns)+len(w.heads) > 0 {
		w.ring()
		return false
	}
	if cap(w.queue) > 4096 { // what a storm or broadcast left behind
		w.queue, w.spare = nil, nil
	}
	return w.quit
}

// pass serves up to n of the connections that come or go, and lets as many of them read, but no more of either than have
// input for one turn.
func (w *worker) pass(n int) {
	w.mu.Lock()
	for len(w.strangers) < n && len(w.passing) > 0 {
		w.strangers = append(w.strangers, w.passing.take())
		w.passed++
	}
	w.calm.Broadcast()
	w.mu.Unlock()
	w.out.later()
	served := 0
	for w.handled = 0; served < min(n, len(w.strangers)) && w.handled < turnBytes; served++ {
		w.serve(w.strangers[served])
	}
	w.strangers = slices.Delete(w.strangers, 0, served)
	if served > 0 {
		runtime.Gosched()
	}
	for w.handled = 0; n > 0 && w.handled < turnBytes; n-- {
		c := w.heads.take()
		if c == nil {
			return
		}
		w.read(c)
	}
}

// serve does what c wants.
func (w *worker) serve(c *conn) {
	defer func() {
		if p := recover(); p != nil {
			w.s.panicked("serving a session", p, debug.Stack())
			w.abandon(c)
		}
	}()
	wants := c.wants.Swap(0)
	if c.gone { // only the worker sets it
		return // it was buried; what comes now comes too late
	}
	if wants&wantNew != 0 {
		w.schedule(c)
	}
	if wants&wantGone != 0 || c.state().Closed() {
		if !w.leftover(c) {
			w.bury(c)
		}
		return
	}
	if wants&wantOpened != 0 {
		w.attach(c)
	}
	if wants&wantRoom != 0 {
		c.writeLater()
	}
	if wants&wantFlush != 0 {
		w.flush(c)
	}
	if wants&wantLook != 0 {
		w.schedule(c)
	}
	if wants&wantEnd != 0 {
		c.mu.Lock()
		c.ending = true
		c.mu.Unlock()
	}
	if wants&(wantRead|wantEnd) != 0 && !c.toRead.Swap(true) {
		switch {
		case !c.settled():
			w.heads = append(w.heads, c)
		case wants&wantTurn != 0:
			w.turns = append(w.turns, c)
		default:
			w.reads = append(w.reads, c)
		}
	}
	if c.ended.Load() && !c.toRead.Load() { // else it is, behind what is read
		w.conclude(c)
	}
	if w.s.draining.Load() {
		w.drainConn(c)
	}
}

// readNext gives the first of those that want to read their turn, and the first of those of them that send much.
func (w *worker) readNext() {
	if c := w.reads.take(); c != nil {
		w.read(c)
	}
	if c := w.turns.take(); c != nil {
		w.read(c)
	}
}

// read gives c its turn to read.
func (w *worker) read(c *conn) {
	c.toRead.Store(false)
	if c.gone {
		return
	}
	c.mu.Lock()
	w.receive(c)
	c.mu.Unlock()
	if c.ended.Load() {
		w.conclude(c)
	}
	if w.s.draining.Load() {
		w.drainConn(c)
	}
	// A worker that has input without end would keep the processor for 10 ms, and
	// with it the pollers, which come back from the kernel and want one.
	runtime.Gosched()
}

// receive is [conn.receive] for what the worker handles. The caller holds c's mu.
func (w *worker) receive(c *conn) {
	w.handled += max(c.receive(w.buf, false), c.turn)
}
