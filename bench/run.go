//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// ErrNoSession is wrapped when none of a group's sessions could be opened.
var ErrNoSession = errors.New("no session could be opened")

// run is a fleet on event loops of this process.
type run struct {
	plan     *Plan
	id       uint32
	share    share
	template *frames.Template
	headers  []string
	sources  []netip.Addr
	sends    bool // there are producers that send
	aged     bool // what is delivered was sent in this run, so its age is a latency

	ctx        context.Context // of goroutines that connect
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
	clock      loop.Clock
	workers    []*worker
	groups     []*group
	deliveries []*delivery
	perTopic   []uint64 // deliveries that were opened; set before producers start
	ramped     atomic.Bool
}

// newRun makes the sessions of the plan. Nothing is opened yet.
func newRun(plan *Plan, id uint32, template *frames.Template, clock loop.Clock, share share) (*run, error) {
	r := &run{
		plan: plan, id: id, share: share, template: template, clock: clock,
		headers: plan.Target.headers(), perTopic: make([]uint64, plan.Topics),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.sources = plan.Sources
	if len(r.sources) == 0 {
		r.sources = chooseSources(plan)
	}
	for range plan.Loops {
		l, err := loop.New(clock)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("start an event loop: %w", err)
		}
		w := &worker{run: r, loop: l, faults: map[string]uint64{}}
		w.resetLatencies()
		r.workers = append(r.workers, w)
		r.goroutines.Go(func() { _ = l.Run() })
	}
	r.makeSessions()
	return r, nil
}

func (r *run) makeSessions() {
	all, sender := 0, uint32(0)
	for i := range r.plan.Groups {
		g := &group{Group: &r.plan.Groups[i]}
		r.groups = append(r.groups, g)
		shared := map[string]*delivery{}
		if g.Kind == Producer && !g.Idle {
			r.sends = true
		}
		for n := range g.Sessions {
			number, source := all, measure.Source{Run: r.id, Sender: sender}
			all++
			if g.Kind == Producer {
				sender++
			}
			if number%r.share.Of != r.share.Index {
				continue
			}
			w := r.workers[number/r.share.Of%len(r.workers)]
			s := &session{w: w, g: g, number: n}
			topic := n % r.plan.Topics
			if g.Kind == Producer {
				s.send = &producer{s: s, source: source, topic: topic}
				w.senders = append(w.senders, s.send)
			} else {
				s.recv = &receiver{s: s, d: g.delivery(n, topic, r.plan.Topics, shared, &r.deliveries)}
			}
			w.sessions = append(w.sessions, s)
		}
	}
	r.aged = r.sends || r.plan.Backlog == 0
}

// delivery finds the subscription, or the reader, of a session among the shared
// ones, or makes it and adds it to all.
func (g *group) delivery(number, topic, topics int, shared map[string]*delivery, all *[]*delivery) *delivery {
	name := g.deliveryName(number, topic, topics)
	if d := shared[name]; d != nil {
		return d
	}
	d := &delivery{topic: topic, name: name, loose: g.loose()}
	*all = append(*all, d)
	if name != "" {
		shared[name] = d
	}
	return d
}

// portsPerSource is how many connections are made from one address. Linux has
// some 28,000 ports to choose from, unless told otherwise. It looks through one
// half of them first, and when that is used up, through all of it for every
// connection: from 14,000 connections on each costs milliseconds.
const portsPerSource = 10_000

// chooseSources picks addresses of the loopback network when one has not enough
// ports: nothing; or with lifetimes, since ports of ended connections rest for a
// minute, many.
func chooseSources(p *Plan) []netip.Addr {
	n := (p.sessions() + portsPerSource - 1) / portsPerSource
	for _, g := range p.Groups {
		if g.Lifetime > 0 {
			n = max(n, 100)
		}
	}
	if a := p.Target.addr.Addr(); n < 2 || !a.Is4() || !a.IsLoopback() {
		return nil
	}
	var sources []netip.Addr
	for i := range n {
		sources = append(sources, netip.AddrFrom4([4]byte{127, 0, byte(1 + i/250), byte(1 + i%250)}))
	}
	return sources
}

// each is all with the worker's number.
func (r *run) each(f func(int, *worker)) {
	number := map[*worker]int{}
	for i, w := range r.workers {
		number[w] = i
	}
	r.all(func(w *worker) { f(number[w], w) })
}

// source is the address that s connects from; the zero address: any.
func (r *run) source(s *session) netip.Addr {
	if len(r.sources) == 0 {
		return netip.Addr{}
	}
	return r.sources[(uint32(s.number)+s.tries)%uint32(len(r.sources))]
}

func (r *run) deliveriesOn(topic int) uint64 { return r.perTopic[topic] }

// all calls f on every loop and waits until all have returned.
func (r *run) all(f func(*worker)) {
	var wait sync.WaitGroup
	for _, w := range r.workers {
		wait.Add(1)
		if !w.loop.Post(func() { f(w); wait.Done() }) {
			wait.Done()
		}
	}
	wait.Wait()
}

// ramp begins to open all sessions. The channel is closed when all were tried.
func (r *run) ramp() <-chan struct{} {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(len(r.workers))
	begin := r.clock()
	r.all(func(w *worker) { w.openAll(begin, wait.Done) })
	r.goroutines.Go(func() {
		wait.Wait()
		r.ramped.Store(true)
		close(done)
	})
	return done
}

func (r *run) window(from, to int64) {
	r.all(func(w *worker) { w.from, w.to = from, to })
}

func (r *run) err() error { return nil }

func (r *run) watched() watched { return watchedOf(r.deliveries, r.plan.Topics) }

func (r *run) begin(b beginning) {
	debug.FreeOSMemory() // what opening has left behind, now rather than in the measurement
	copy(r.perTopic, b.PerTopic)
	interval := r.plan.interval()
	r.all(func(w *worker) {
		w.from, w.to = b.From, b.To
		for _, p := range w.senders {
			if p.s.g.Idle {
				continue
			}
			p.start(b.At+r.plan.shift(p.source.Sender), interval, b.Limit)
		}
	})
}

func (r *run) end(at int64) {
	r.all(func(w *worker) {
		w.to = min(w.to, at)
		for _, p := range w.senders {
			p.end = at
		}
	})
}

func (r *run) reports() []*report {
	all := make([]*report, len(r.workers))
	r.each(func(i int, w *worker) { all[i] = w.report() })
	if slices.Contains(all, nil) {
		return nil // the loops have ended
	}
	return all
}

func (r *run) standing() (s standing) {
	parts := make([]standing, len(r.workers))
	r.each(func(i int, w *worker) {
		parts[i].Counts = w.counts
		for _, p := range w.senders {
			parts[i].Busy = parts[i].Busy || p.busy(w.loop.Now())
		}
	})
	for i := range parts {
		s.add(&parts[i])
	}
	s.Tallies, s.Ramped = r.tallies(), r.ramped.Load()
	return s
}

func (r *run) tallies() (all []tally) {
	for _, g := range r.groups {
		all = append(all, tally{g.opened.Load(), g.failed.Load()})
	}
	return all
}

func (r *run) usage() usage {
	own, _ := measure.ReadProcess(os.Getpid()) // it reads itself
	u := usage{Own: own, Loops: make([]time.Duration, len(r.workers))}
	r.all(func(w *worker) { w.loop.Measure() })
	for i, w := range r.workers {
		u.Loops[i] = w.loop.CPU()
	}
	return u
}

// finish closes all sessions in order and ends the loops. All fields may be read
// from then on.
func (r *run) finish() (e ending) {
	r.all(func(w *worker) {
		for _, p := range w.senders {
			p.giveUp()
		}
	})
	var wait sync.WaitGroup
	for _, w := range r.workers {
		wait.Add(1)
		if !w.loop.Post(func() { w.closeAll(wait.Done) }) {
			wait.Done()
		}
	}
	wait.Wait()
	r.close()
	for _, w := range r.workers {
		e.Reports = append(e.Reports, w.lastReport())
		for _, p := range w.senders {
			if p.next > 0 {
				e.Published = append(e.Published, published{p.topic, p.source, p.next, p.failed})
			}
		}
	}
	e.Tallies = r.tallies()
	return e
}

// close ends the loops and waits for all goroutines.
func (r *run) close() {
	r.cancel()
	for _, w := range r.workers {
		w.loop.Close()
	}
	// Whoever waits for the ramp would wait for ever.
	r.goroutines.Wait()
}

func (r *run) ledger(all []published) ledger {
	return ledgerOf(r.deliveries, publishedByTopic(all, r.plan.Topics), r.share.Of > 1)
}

func newID() uint32 { return rand.Uint32() }
