//go:build linux

package bench

import (
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
	"github.com/pulsegate/pulsegate/bench/wire"
)

// worker is one loop and what it counts. All fields belong to the loop, but for
// those that never change.
type worker struct {
	run      *run
	loop     *loop.Loop
	sessions []*session
	senders  []*producer // those of sessions that produce

	counts     counts
	open       int // sessions
	unanswered uint64
	unsent     uint64
	faults     map[string]uint64

	// The measurement: messages that were due in it count in latencies.
	from, to int64

	// Since the last report.
	openLatency *measure.Latency
	publish     *measure.Latency
	endToEnd    *measure.Latency
	lateness    *measure.Latency // of timers: how late the loop itself came to a message

	// Opening.
	toOpen  int // sessions[toOpen:] were not tried yet
	opening int
	inRow   int // openings that failed since one succeeded, those without an answer several times
	gaveUp  bool
	begun   int64
	pace    loop.Timer
	ramped  func() // called once when all were tried
	stopped bool   // nothing is opened any more
}

// group is a [Group] at work.
type group struct {
	*Group
	opened, failed atomic.Int64
}

const (
	// giveUpAfter is how many openings in a row may fail before no more is tried.
	giveUpAfter = 50
	// silentRounds is after how many timeouts in a row that is, at the latest, when the server
	// says nothing: with few handshakes at a time, giveUpAfter of them would take hours.
	silentRounds = 5
	// maxFaults bounds the different faults that are kept.
	maxFaults = 50
)

func (w *worker) resetLatencies() {
	w.openLatency, w.publish = measure.NewLatency(), measure.NewLatency()
	w.endToEnd, w.lateness = measure.NewLatency(), measure.NewLatency()
}

// fault keeps what went wrong, as a text with a count.
func (w *worker) fault(err error) {
	text := err.Error()
	if _, known := w.faults[text]; !known && len(w.faults) >= maxFaults {
		text = "other faults"
	}
	w.faults[text]++
}

// record adds the time since at, which is when a message was due, if that lies
// in the measurement.
func (w *worker) record(l *measure.Latency, at int64) {
	if at >= w.from && at < w.to {
		l.Record(w.loop.Now() - at)
	}
}

// openAll begins to open the sessions; done is called when all were tried.
func (w *worker) openAll(begin int64, done func()) {
	w.begun, w.ramped = begin, done
	w.openMore()
}

// openMore opens sessions whose time has come, as many at a time as the plan says.
func (w *worker) openMore() {
	p := w.run.plan
	if w.stopped || w.ramped == nil {
		return
	}
	now := w.loop.Now()
	for w.toOpen < len(w.sessions) && w.opening < w.atATime() && !w.gaveUp {
		if w.inRow >= giveUpAfter {
			w.gaveUp = true
			w.fault(fmt.Errorf("gave up opening sessions, as none was opened any more; not tried: %d", len(w.sessions)-w.toOpen))
			break
		}
		due := w.begun + int64(float64(p.RampUp)*float64(w.toOpen)/float64(len(w.sessions)))
		if due > now {
			w.loop.Set(&w.pace, due, w.openMore)
			return
		}
		s := w.sessions[w.toOpen]
		w.toOpen++
		if p.RampUp == 0 {
			due = now
		}
		s.first = true
		s.begin(due)
	}
	if (w.toOpen == len(w.sessions) || w.gaveUp) && w.opening == 0 {
		done := w.ramped
		w.ramped = nil
		done()
	}
}

// atATime is how many handshakes may be under way.
func (w *worker) atATime() int { return max(w.run.plan.Opening/w.run.plan.Loops, 1) }

func (w *worker) report() *report {
	r := w.lastReport()
	now := w.loop.Now()
	for _, p := range w.senders {
		r.Backlog += p.backlog(now)
	}
	for _, l := range []**measure.Latency{&w.openLatency, &w.publish, &w.endToEnd, &w.lateness} {
		if (*l).Count() > 0 { // an empty one was not handed over
			*l = measure.NewLatency()
		}
	}
	return r
}

// lastReport is the report of a worker whose loop has ended.
func (w *worker) lastReport() *report {
	return &report{
		Counts: w.counts, Open: w.open, Unanswered: w.unanswered, Unsent: w.unsent, Faults: maps.Clone(w.faults),
		OpenLatency: filled(w.openLatency), Publish: filled(w.publish), EndToEnd: filled(w.endToEnd), Lateness: filled(w.lateness),
	}
}

// filled is nil for a latency that is empty: to hand over 200 KB of zeros every second costs
// more than the sessions do that are idle.
func filled(l *measure.Latency) *measure.Latency {
	if l.Count() == 0 {
		return nil
	}
	return l
}

// closeAll closes all sessions in order; done is called on the loop when no
// connection is left, or closeWait has passed.
func (w *worker) closeAll(done func()) {
	w.stopped = true
	if w.ramped != nil { // the ramp-up was cut short
		w.ramped()
		w.ramped = nil
	}
	w.loop.Unset(&w.pace)
	for _, s := range w.sessions {
		s.finish()
	}
	deadline := w.loop.Now() + int64(closeWait)
	var timer loop.Timer
	var look func()
	look = func() {
		if w.loop.Open() == 0 || w.loop.Now() >= deadline {
			done()
			return
		}
		w.loop.Set(&timer, w.loop.Now()+int64(5*time.Millisecond), look)
	}
	look()
}

var _ wire.Handler = (*session)(nil)
