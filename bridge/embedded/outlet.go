package embedded

import (
	"sync/atomic"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// The bounds of what one Send does for others before it leaves the rest to the worker.
const (
	inlineOutlets = 8
	inlineCalls   = 256
	outletChunk   = 64 // calls between two looks at the queue
)

// delivery is one call of Deliver, or of Sent if done is set.
type delivery struct {
	t     *topic
	m     *message
	from  *member // nil for readers and non-persistent topics
	count uint32  // redeliveries so far

	done bridge.SendDone
	err  error
}

// outlet is where calls to a receiver, or to the SendDones of one producer,
// wait to be made. See [Upstream] for who makes them.
//
// queue, busy, idle and lost are guarded by Upstream.mu; chunk belongs to the
// goroutine that is emptying the outlet. What queues is bounded: by the
// permits for a receiver, by the publishes in flight for a producer.
type outlet struct {
	u       *Upstream
	recv    bridge.Receiver
	topics  bool // ids tell their topic
	permits int

	queue ring[delivery]
	busy  bool            // in touched, in ready, or being emptied
	idle  []chan struct{} // closed when no longer busy
	lost  error           // to be told once, instead of what is queued

	chunk   []delivery
	closing atomic.Bool  // no receiver is to be called any more
	waiting atomic.Int64 // deliveries queued or in chunk, not begun
}

// take queues a delivery and uses up a permit for it. Called with mu held.
func (o *outlet) take(d delivery) {
	o.permits--
	o.waiting.Add(1)
	o.push(d)
}

// push queues one call. Called with mu held.
func (o *outlet) push(d delivery) {
	o.queue.push(d)
	o.touch()
}

func (o *outlet) touch() {
	if !o.busy {
		o.busy = true
		o.u.touched = append(o.u.touched, o)
	}
}

// lose ends the receiver: what is queued is dropped, then Lost is called. Called with mu held.
func (o *outlet) lose(err error) {
	o.discard()
	o.permits = 0
	o.lost = err
	o.touch()
}

// discard drops what is queued. Called with mu held.
func (o *outlet) discard() {
	o.waiting.Add(-int64(o.queue.len()))
	o.queue = ring[delivery]{}
}

// idleChan returns a channel that is closed when the outlet is not busy. Called
// with mu held while it is.
func (o *outlet) idleChan() chan struct{} {
	ch := make(chan struct{})
	o.idle = append(o.idle, ch)
	return ch
}

// empty makes the queued calls until there are none or the budget is used up;
// then the worker goes on. Called without mu, by the one goroutine that found
// the outlet among those it is to empty.
func (o *outlet) empty(budget int) {
	u := o.u
	for {
		u.mu.Lock()
		if budget <= 0 && !o.closing.Load() && !u.closed {
			u.ready = append(u.ready, o)
			u.mu.Unlock()
			u.wakeWorker()
			return
		}
		lost, n := o.lost, 0
		if o.closing.Load() {
			lost = nil // what is queued stays for whoever closes
		} else {
			n = o.fill()
		}
		if n == 0 && lost == nil && (o.closing.Load() || o.queue.len() == 0) {
			o.busy = false
			for _, ch := range o.idle {
				close(ch)
			}
			o.idle = nil
			u.mu.Unlock()
			return
		}
		o.lost = nil
		u.mu.Unlock()
		budget -= max(n, 1)
		o.call(lost)
	}
}

// fill moves calls from the queue to the chunk and returns how many. Deliveries
// that someone else acknowledged meanwhile are dropped and their permits used
// again. Called with mu held.
func (o *outlet) fill() int {
	refunded := false
	for o.queue.len() > 0 && len(o.chunk) < outletChunk {
		d := o.queue.pop()
		if d.from == nil || d.from.has(d.m.seq) {
			o.chunk = append(o.chunk, d)
			continue
		}
		o.waiting.Add(-1)
		d.from.c.refund()
		refunded = true
	}
	if refunded {
		o.u.settle()
		if o.u.leaveToWorker(0) {
			o.u.wakeWorker()
		}
	}
	return len(o.chunk)
}

// putBack returns the chunk to the head of the queue. Called with mu held.
func (o *outlet) putBack() {
	var q ring[delivery]
	for _, d := range o.chunk {
		q.push(d)
	}
	for o.queue.len() > 0 {
		q.push(o.queue.pop())
	}
	o.queue = q
	clear(o.chunk)
	o.chunk = o.chunk[:0]
}

// call makes the calls of one chunk, unless the outlet is closing: then what is
// left goes back, so that whoever closes sees what was never delivered.
func (o *outlet) call(lost error) {
	for i := range o.chunk {
		d := &o.chunk[i]
		if d.done != nil {
			id := codec.MessageID{}
			if d.err == nil {
				id = d.t.id(d.m)
			}
			d.done.Sent(id, d.err)
			continue
		}
		if o.closing.Load() {
			o.chunk = o.chunk[:copy(o.chunk, o.chunk[i:])]
			o.u.mu.Lock()
			o.putBack()
			o.u.mu.Unlock()
			return
		}
		o.waiting.Add(-1)
		o.recv.Deliver(o.frame(d))
	}
	clear(o.chunk)
	o.chunk = o.chunk[:0]
	if lost != nil && !o.closing.Load() {
		o.recv.Lost(lost)
	}
}

// frame is the message as one receiver gets it. The payload and the properties are shared.
func (o *outlet) frame(d *delivery) *codec.Message {
	m := &codec.Message{
		ID: d.t.id(d.m), Payload: d.m.payload, Properties: d.m.properties,
		PublishTime: d.m.published, EventTime: d.m.event,
		Key: d.m.key, HasKey: d.m.hasKey, RedeliveryCount: d.count,
	}
	if o.topics {
		m.ID.Topic = d.t.Partitioned()
	}
	return m
}

// handOver ends a step: it settles what the step left open, gives mu back and leaves the
// outlets touched to the worker. Called with mu held.
func (u *Upstream) handOver() {
	u.settle()
	left := u.leaveToWorker(0)
	u.mu.Unlock()
	if left {
		u.wakeWorker()
	}
}

// handOut is handOver for Send: it empties the first outlets itself.
func (u *Upstream) handOut() {
	u.settle()
	var mine [inlineOutlets]*outlet
	n := copy(mine[:], u.touched)
	left := u.leaveToWorker(n)
	u.mu.Unlock()
	if left {
		u.wakeWorker()
	}
	for _, o := range mine[:n] {
		o.empty(inlineCalls)
	}
}

// leaveToWorker ends a step: it moves the touched outlets behind the first n to the worker's
// and reports whether there were any. Called with mu held.
func (u *Upstream) leaveToWorker(n int) bool {
	u.step++
	left := len(u.touched) > n
	u.ready = append(u.ready, u.touched[n:]...)
	clear(u.touched)
	u.touched = u.touched[:0]
	return left
}
