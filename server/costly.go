package server

import (
	"container/heap"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/life"
)

// costly is a message that is worked on, or waits to be, beside the loops. Its
// connection reads nothing meanwhile. [conn.mu] guards the fields.
type costly struct {
	message *ws.Costly     // nil once the work has begun
	bytes   int            // of the message as it came
	left    bridge.Session // was detached during the work, and is to be closed after it
}

// lane is a connection's place among those with a costly message. [costlyMessages.mu]
// guards it.
type lane struct {
	due  time.Duration // the time that had been spent on others when its turn came, or is to come
	came uint64        // decides between those that are due at once
}

// costlyMessages works on messages that take long, away from the loops: a MiB of
// them can take 20 ms. Each connection has one message here at most, so their
// number bounds the queue. Who has taken less time comes first, so that a client
// that sends much waits for itself and keeps others waiting for one message of its
// at most. All but one of the CPUs are used, so that others are served meanwhile.
type costlyMessages struct {
	mu    sync.Mutex
	ready sync.Cond
	queue costlyQueue
	at    time.Duration // the place of the one that was taken last
	came  uint64
	quit  bool
	done  sync.WaitGroup
}

func (q *costlyMessages) start(n int) {
	q.ready.L = &q.mu
	for range n {
		q.done.Go(func() {
			for c := q.next(); c != nil; c = q.next() {
				c.workCostly()
			}
		})
	}
}

func (q *costlyMessages) push(c *conn) {
	q.mu.Lock()
	if c.lane == nil {
		c.lane = &lane{}
	}
	c.lane.due = max(c.lane.due, q.at)
	c.lane.came = q.came
	q.came++
	heap.Push(&q.queue, c)
	q.mu.Unlock()
	q.ready.Signal()
}

// next waits for a connection; nil: it is over.
func (q *costlyMessages) next() *conn {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 && !q.quit {
		q.ready.Wait()
	}
	if q.quit {
		return nil
	}
	c := heap.Pop(&q.queue).(*conn)
	q.at = c.lane.due
	return c
}

// spent counts the time that c's message took. It is called before c can be
// pushed again.
func (q *costlyMessages) spent(c *conn, d time.Duration) {
	q.mu.Lock()
	c.lane.due += d
	q.mu.Unlock()
}

// stop ends the work. What waits is given up.
func (q *costlyMessages) stop() {
	q.mu.Lock()
	q.quit = true
	for _, c := range q.queue {
		c.wake(wantRead) // it may be waiting to be buried
	}
	q.queue = nil
	q.mu.Unlock()
	if q.ready.L != nil {
		q.ready.Broadcast()
	}
	q.done.Wait()
}

// costlyQueue is a heap of connections, as [heap.Interface] has it.
type costlyQueue []*conn

func (h costlyQueue) Len() int { return len(h) }
func (h costlyQueue) Less(i, j int) bool {
	a, b := h[i].lane, h[j].lane
	return a.due < b.due || a.due == b.due && a.came < b.came
}
func (h costlyQueue) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *costlyQueue) Push(c any)   { *h = append(*h, c.(*conn)) }
func (h *costlyQueue) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	if *h = (*h)[:last]; last == 0 {
		*h = nil
	}
	return c
}

// Costly leaves a message to the [costlyMessages]; input waits for it.
func (h *frameHandler) Costly(m *ws.Costly) {
	c := (*conn)(h)
	if !c.listens() {
		m.Release()
		return
	}
	c.messages++
	c.traffic().messagesIn.Add(1)
	c.costly = &costly{message: m, bytes: m.Len()}
	c.stalled, c.yielded = true, true
	c.s.costly.push(c)
}

// workCostly handles c's costly message. The session is used without mu, as the
// worker has to get on meanwhile: nobody else gives it messages, and if it is
// detached it is closed here.
func (c *conn) workCostly() {
	c.mu.Lock()
	work := c.costly
	message, session := work.message, c.session
	work.message = nil
	if !c.listens() { // it has ended meanwhile, as for an expired token
		session = nil
	}
	if session == nil {
		c.costly = nil
		c.countInput()
	}
	c.mu.Unlock()
	if session == nil {
		message.Release()
		return
	}
	h := costlyHandler{session: session}
	begun := time.Now()
	failure, panicked := h.take(c, message)
	c.s.costly.spent(c, time.Since(begun))

	c.mu.Lock()
	c.costly = nil
	if c.state().Stage() == life.Session {
		switch {
		case panicked:
			c.stop(life.Fail, closing{code: closeInternal, reason: "internal error"})
		case failure != nil:
			c.broken(failure)
		case h.refusal != nil:
			c.refusedBy(h.refusal)
		}
	}
	if c.state().Stage() == life.Discarding {
		c.reader.Release()
	}
	c.countInput() // it may be buried already, and then nobody else does
	c.mu.Unlock()
	if work.left != nil {
		c.s.closeSession(work.left)
	}
	c.wake(wantRead | wantTurn) // one message was more than a turn
}

// costlyHandler gives a session one message.
type costlyHandler struct {
	ws.Handler // there is nothing else to be handed over
	session    bridge.Session
	refusal    error
}

// Message implements [ws.Handler].
func (h *costlyHandler) Message(_ ws.Opcode, payload []byte) (more bool) {
	h.refusal = h.session.Handle(payload)
	return true
}

// take hands the message over and reports what is wrong with it.
func (h *costlyHandler) take(c *conn, m *ws.Costly) (failure error, panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			c.s.panicked("handling a costly message", p, debug.Stack())
			panicked = true
		}
	}()
	_, failure = m.Deliver(&c.s.set().frames, h)
	return failure, false
}
