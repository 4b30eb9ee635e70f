//go:build linux

package bench

import (
	"fmt"
	"math/rand/v2"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// producer sends numbered messages on a session. It belongs to its worker's loop.
//
// At a fixed rate, message k is due at begin + k × interval. When the window is
// full or the connection gone, what is due waits, and keeps its time. Without a
// rate a message is due when the window has room for it.
type producer struct {
	s      *session
	source measure.Source
	topic  int

	running  bool
	over     bool      // given up: what was not answered has been counted
	next     uint64    // number of the next message
	limit    uint64    // how many to send at most; 0: no limit
	begin    int64     // when the first message is due
	end      int64     // no message is due from then on; 0: not known yet
	interval float64   // nanoseconds from one message to the next; 0: no rate
	pending  []pending // the window: message n is in place n modulo its length
	waiting  int       // how many are pending
	answered uint64    // 1 + the highest number answered
	failed   []uint64  // messages that were answered with an error
	timer    loop.Timer
	fire     func()
}

// pending is a message without an answer.
type pending struct {
	seq uint64
	at  int64 // when it was due; 0: the place is free
}

// start begins to send.
func (p *producer) start(begin int64, interval float64, limit uint64) {
	p.pending = make([]pending, p.s.w.run.plan.Window)
	p.fire = func() {
		if p.interval > 0 {
			p.s.w.record(p.s.w.lateness, p.timer.At())
		}
		p.pump()
	}
	p.begin, p.interval, p.limit, p.running = begin, interval, limit, true
	p.pump()
}

// dueAt is when message n is due at a fixed rate.
func (p *producer) dueAt(n uint64) int64 { return p.begin + int64(float64(n)*p.interval) }

// pump sends what is due and fits into the window.
func (p *producer) pump() {
	if !p.running || p.s.state != open {
		return
	}
	w := p.s.w
	now := w.loop.Now()
	out := p.s.conn.Out()
	before := len(out)
	for p.more() {
		at := now
		if p.interval > 0 {
			at = p.dueAt(p.next)
		} else if p.begin > at {
			at = p.begin
		}
		if p.end > 0 && at >= p.end {
			break
		}
		if at > now {
			w.loop.Set(&p.timer, at, p.fire)
			break
		}
		slot := &p.pending[p.next%uint64(len(p.pending))]
		if slot.at != 0 {
			break
		}
		*slot = pending{p.next, at}
		p.waiting++
		out = w.run.template.Append(out, frames.Stamp{Source: p.source, Seq: p.next, At: at}, rand.Uint32())
		p.next++
		w.counts[sent]++
	}
	if len(out) > before {
		w.counts[bytesOut] += uint64(len(out) - before)
		p.s.conn.Send(out)
	}
}

// more reports whether the producer has a message to send some time.
func (p *producer) more() bool { return p.limit == 0 || p.next < p.limit }

// reply takes the server's answer.
func (p *producer) reply(frame []byte) {
	w := p.s.w
	r, err := frames.ParseReply(frame)
	if err != nil {
		w.counts[badFrames]++
		w.fault(err)
		return
	}
	if p.over {
		return // it was given up
	}
	if len(p.pending) == 0 {
		w.counts[strayReplies]++
		return
	}
	slot := &p.pending[r.Seq%uint64(len(p.pending))]
	if slot.at == 0 || slot.seq != r.Seq {
		w.counts[strayReplies]++
		return
	}
	at := slot.at
	slot.at = 0
	p.waiting--
	if r.Seq < p.answered {
		w.counts[lateReplies]++
	} else {
		p.answered = r.Seq + 1
	}
	if r.Error != "" {
		w.counts[sendErrors]++
		p.failed = append(p.failed, r.Seq)
		w.fault(fmt.Errorf("not published: %s", r.Error))
	} else {
		w.counts[confirmed]++
		w.counts[expected] += w.run.deliveriesOn(p.topic)
		w.record(w.publish, at)
	}
	p.pump()
}

// broken: the connection is gone, and with it the answers to what was sent.
func (p *producer) broken() {
	w := p.s.w
	w.loop.Unset(&p.timer)
	for i := range p.pending {
		if s := &p.pending[i]; s.at != 0 {
			p.unanswered(s)
		}
	}
	p.waiting = 0
}

// unanswered gives a message up. It counts with the time it has waited.
func (p *producer) unanswered(s *pending) {
	w := p.s.w
	w.record(w.publish, s.at)
	w.unanswered++
	p.failed = append(p.failed, s.seq)
	s.at = 0
}

// backlog is the number of messages that are due before the end and were not
// sent, of those the producer may still send.
func (p *producer) backlog(now int64) uint64 {
	if !p.running || p.interval == 0 {
		return 0
	}
	until := now
	if p.end > 0 {
		until = min(until, p.end-1)
	}
	if until < p.begin {
		return 0
	}
	due := uint64(float64(until-p.begin)/p.interval) + 1
	if p.limit > 0 {
		due = min(due, p.limit)
	}
	if due <= p.next {
		return 0
	}
	return due - p.next
}

// busy reports whether something is still under way, or to be sent.
func (p *producer) busy(now int64) bool {
	if p.waiting > 0 {
		return true
	}
	canSend := p.s.state == open || p.s.w.run.plan.Reconnect > 0
	return canSend && (p.backlog(now) > 0 || p.limit > 0 && p.more())
}

// giveUp ends the producer. What was due and not sent counts with the time it
// has waited, too.
func (p *producer) giveUp() {
	p.broken()
	w := p.s.w
	n := p.backlog(w.loop.Now())
	w.unsent += n
	for i := range n {
		w.record(w.publish, p.dueAt(p.next+i))
	}
	p.running, p.over = false, true
}
