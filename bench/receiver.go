//go:build linux

package bench

import (
	"math/rand/v2"
	"net/url"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// receiver is a session that messages are pushed to. It belongs to its worker's
// loop.
type receiver struct {
	s       *session
	d       *delivery
	last    measure.Sources[uint64] // 1 + the highest number seen, for the order
	permits int                     // pull mode: messages that may still come
	lastID  []byte                  // of a reader that is to go on behind it
	wake    *loop.Timer             // of a slow one
}

// begin is called when the session has opened.
func (r *receiver) begin() {
	w := r.s.w
	r.d.mu.Lock()
	// What was sent before it was there it could not get.
	r.d.loose = r.d.loose || !r.d.opened && w.from != 0 && w.run.plan.Backlog == 0
	r.d.opened = true
	r.d.mu.Unlock()
	if r.s.g.SlowBytes > 0 {
		r.s.conn.ReadAtMost(slowRead)
	}
	r.permits = 0
	r.permit()
}

// permit asks for messages in pull mode.
func (r *receiver) permit() {
	n := r.s.g.Permits
	if n == 0 || r.permits > n/2 {
		return
	}
	r.permits += n
	r.out(frames.AppendPermit(r.s.conn.Out(), n, rand.Uint32()))
}

func (r *receiver) out(b []byte) {
	r.s.w.counts[bytesOut] += uint64(len(b) - len(r.s.conn.Out()))
	r.s.conn.Send(b)
}

func (r *receiver) message(frame []byte) {
	w := r.s.w
	m, err := frames.ParseMessage(frame)
	if err != nil {
		w.counts[badFrames]++
		w.fault(err)
		return
	}
	w.counts[received]++
	if m.Redelivery > 0 {
		w.counts[redelivered]++
	}
	r.check(&m)
	if r.s.g.Kind == Reader && w.run.plan.Reconnect > 0 {
		r.lastID = append(r.lastID[:0], m.ID...)
	}
	if r.s.state == open && !r.s.g.NoAck {
		w.counts[acknowledged]++
		r.out(frames.AppendAck(r.s.conn.Out(), m.ID, rand.Uint32()))
	}
	if r.permits > 0 {
		r.permits--
		r.permit()
	}
}

// check counts what is wrong with a message in its place.
func (r *receiver) check(m *frames.Message) {
	w := r.s.w
	ours := m.Stamped && m.Stamp.Source.Run == w.run.id
	if !ours {
		w.counts[foreign]++
		// With senders of our own, others' messages are what an earlier run left.
		if !m.Stamped || w.run.sends {
			return
		}
	}
	if !r.d.saw(&m.Stamp, ours) {
		w.counts[repeated]++
		return
	}
	if !r.d.loose {
		w.counts[delivered]++
	}
	last := r.last.Get(m.Stamp.Source)
	if m.Stamp.Seq < *last {
		w.counts[reordered]++
	} else {
		*last = m.Stamp.Seq + 1
	}
	if !r.d.loose && w.run.aged {
		w.record(w.endToEnd, m.Stamp.At)
	}
}

// resumeAt is where a reader goes on that was open before.
func (r *receiver) resumeAt() url.Values {
	if len(r.lastID) == 0 {
		return nil
	}
	return url.Values{"messageId": {string(r.lastID)}}
}

// broken is called when the connection is gone. What comes again on the next one
// may come in another order.
func (r *receiver) broken() {
	r.last = measure.Sources[uint64]{}
	if r.wake != nil {
		r.s.w.loop.Unset(r.wake)
	}
}

// slowRead is how much a slow session reads at a time, in bytes.
const slowRead = 4096

// throttle keeps a slow session from reading before its time.
func (r *receiver) throttle(n int) {
	rate := r.s.g.SlowBytes
	if rate == 0 || r.s.state != open {
		return
	}
	if r.wake == nil {
		r.wake = new(loop.Timer)
	}
	r.s.conn.Pause()
	l := r.s.w.loop
	l.Set(r.wake, l.Now()+int64(n)*1e9/int64(rate), r.s.conn.Resume)
}
