//go:build pulsar && linux

package attack

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// The victims: enough for a percentile after a second, few enough to leave the machine to the others.
const (
	publishers   = 8
	consumers    = 2
	readers      = 2
	publishEvery = 25 * time.Millisecond // of each publisher
	replyEvery   = 10 * time.Millisecond
	openEvery    = 50 * time.Millisecond
	renewEvery   = 100 * time.Millisecond // when they log in

	victimPayload = 120 // bytes
)

// patience is how long victims wait for what they are owed before it is lost.
const patience = time.Minute

// phase is a part of a round. A latency belongs to the phase in which it began.
type phase int

const (
	warmUp phase = iota
	quiet        // before the attack
	attacked
	over // after it
	phases
)

// victims are sessions that do nothing wrong, on one loop: publishers to one topic, consumers of its Shared subscription,
// and readers, which are open all the time, and sessions that are opened and closed again.
//
// All fields below loop belong to the loop. Other goroutines use its Post.
type victims struct {
	addr    netip.AddrPort
	topic   string // such as persistent/public/default/victims
	headers []string
	token   string // to log in with, again and again; "": they do not
	done    sync.WaitGroup

	loop      *loop.Loop
	phase     [phases]int64 // when each began; 0: not yet
	latency   [probes][phases]*measure.Latency
	template  *frames.Template
	sessions  []*victim
	opened    int // of sessions
	ready     chan struct{}
	begun     bool
	paused    bool // no new sessions are opened
	ending    bool // no message is sent any more
	leaving   bool // sessions end because we end them
	openTimer loop.Timer
	openings  int                               // sessions that were begun for the probe
	pending   int                               // of them, not open yet
	consumed  measure.Sources[measure.Sequence] // by all consumers together
	lost      map[string]int                    // what a victim must not see, and how often it did
}

// startVictims opens the sessions and returns once all are open.
func startVictims(addr netip.AddrPort, topic, token string) (*victims, error) {
	v := &victims{addr: addr, topic: topic, token: token, ready: make(chan struct{}), lost: map[string]int{}}
	if token != "" {
		v.headers = []string{"Authorization: Bearer " + token}
	}
	for p := range v.latency {
		for i := range v.latency[p] {
			v.latency[p][i] = measure.NewLatency()
		}
	}
	var err error
	if v.template, err = frames.NewTemplate(frames.Content{Size: victimPayload}); err != nil {
		return nil, err
	}
	// Nanoseconds since 1970, as stamps have them, that never go back.
	base := time.Now()
	if v.loop, err = loop.New(func() int64 { return base.UnixNano() + int64(time.Since(base)) }); err != nil {
		return nil, err
	}
	var failed error
	v.done.Go(func() { failed = v.loop.Run() })
	v.loop.Post(func() {
		for range consumers {
			v.add(&victim{v: v, kind: consumer})
		}
		for range readers {
			v.add(&victim{v: v, kind: reader})
		}
		for i := range publishers {
			v.add(&victim{v: v, kind: publisher, sender: uint32(i)})
		}
		v.add(&victim{v: v, kind: asker})
	})
	select {
	case <-v.ready:
		return v, nil
	case <-time.After(patience):
	}
	lost := v.losses()
	v.close()
	return nil, fmt.Errorf("the victims' sessions are not open after %s: %v %v", patience, lost, failed)
}

// add opens a session of those that stay.
func (v *victims) add(s *victim) {
	v.sessions = append(v.sessions, s)
	s.dial()
}

// close ends the loop and with it all connections.
func (v *victims) close() {
	v.loop.Close()
	v.done.Wait()
}

// do calls f on the loop and waits for it.
func (v *victims) do(f func()) {
	done := make(chan struct{})
	if v.loop.Post(func() { f(); close(done) }) {
		<-done
	}
}

// enter begins a phase.
func (v *victims) enter(p phase) {
	v.do(func() {
		v.phase[p] = v.loop.Now()
		for _, s := range v.sessions {
			s.before = s.next
		}
		if !v.begun {
			v.begun = true
			for i, s := range v.sessions {
				s.begin(v.phase[p], i)
			}
			v.openNext(v.phase[p])
		}
	})
}

// again forgets latencies and phases, for another round with the same sessions.
func (v *victims) again() {
	v.do(func() {
		v.phase = [phases]int64{}
		for p := range v.latency {
			for _, l := range v.latency[p] {
				l.Reset()
			}
		}
	})
}

// slow is the percentile that is judged of what began in a phase.
func (v *victims) slow(p probe, in phase) (d time.Duration) {
	v.do(func() {
		all := v.latency[p][in].Percentiles()
		ms := all.P99
		if p.seldom() {
			ms = all.P90
		}
		d = time.Duration(ms * float64(time.Millisecond))
	})
	return d
}

// pause keeps new sessions from being opened, while the broker cannot serve them.
func (v *victims) pause(on bool) { v.do(func() { v.paused = on }) }

// record takes note of a latency that began at a time of the loop's clock.
func (v *victims) record(p probe, at int64) {
	in := warmUp
	for i := range phases {
		if v.phase[i] != 0 && v.phase[i] <= at {
			in = i
		}
	}
	v.latency[p][in].Record(v.loop.Now() - at)
}

// openNext opens a session for the probe at a time, and then the next.
func (v *victims) openNext(at int64) {
	v.loop.Set(&v.openTimer, at, func() {
		if v.ending {
			return
		}
		if !v.paused {
			kind := publisher
			if v.openings%2 == 1 {
				kind = reader
			}
			v.openings++
			s := &victim{v: v, kind: kind, passing: true, due: at}
			s.dial()
		}
		v.openNext(at + int64(openEvery))
	})
}

// lose takes note of what a victim must not see.
func (v *victims) lose(format string, args ...any) { v.lost[fmt.Sprintf(format, args...)]++ }

// losses are what was lost, in words. What all see is told once.
func (v *victims) losses() (lost []string) {
	v.do(func() {
		for what, n := range v.lost {
			lost = append(lost, fmt.Sprintf("%d × a victim's %s", n, what))
		}
	})
	slices.Sort(lost)
	return lost
}

// finish stops publishing and returns when everything is answered and delivered, or patience ends.
func (v *victims) finish() {
	v.do(func() { v.ending = true })
	v.await(func(s *victim) uint64 { return s.next })
	v.do(func() { v.leaving = true })
}

// settle returns when everything is answered and delivered that was sent before this phase, or patience ends.
func (v *victims) settle() {
	v.await(func(s *victim) uint64 { return s.before })
}

// await waits until nothing is missing of what each session has sent before a number. What is when patience ends is lost.
func (v *victims) await(until func(*victim) uint64) {
	limit := patience
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		var missing []string
		v.do(func() {
			missing = v.missing(until)
			if len(v.lost) > 0 {
				limit = time.Second // what a session that is gone had will not come
			}
		})
		if len(missing) == 0 {
			return
		}
		if time.Since(begun) > limit {
			v.do(func() {
				for _, what := range missing {
					v.lose("%s", what)
				}
			})
			return
		}
	}
}

// missing says what has not come yet of what each session has sent before a number.
func (v *victims) missing(until func(*victim) uint64) []string {
	var sent, unanswered, unconsumed, unread, unasked uint64
	for _, s := range v.sessions {
		n := until(s)
		switch s.kind {
		case publisher:
			source := measure.Source{Sender: s.sender}
			sent += n
			unanswered += s.answered.Lost(n, nil)
			unconsumed += v.consumed.Get(source).Lost(n, nil)
			for _, r := range v.sessions {
				if r.kind == reader {
					unread += r.read.Get(source).Lost(n, nil)
				}
			}
		case asker:
			unasked = s.answered.Lost(n, nil)
		}
	}
	var missing []string
	note := func(n uint64, what string) {
		if n > 0 {
			missing = append(missing, fmt.Sprintf("%s: %d", what, n))
		}
	}
	note(unanswered, fmt.Sprintf("messages without an answer, of %d", sent))
	note(unconsumed, "messages that never came to a consumer")
	note(unread, "messages that never came to a reader")
	note(unasked, "requests without an answer")
	note(uint64(v.pending), "new sessions that are not open")
	return missing
}
