//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// ErrNoSession is wrapped when none of a group's sessions could be opened.
var ErrNoSession = errors.New("no session could be opened")

// spareDescriptors are those needed for other things than sessions.
const spareDescriptors = 64

// run is one set of sessions and their workers.
type run struct {
	plan     *Plan
	id       uint32
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
	published  []published
}

// published is what one producer has sent.
type published struct {
	topic   int
	source  measure.Source
	sent    uint64
	excused []uint64 // numbers without a confirmation
}

// newRun makes the sessions of the plan. Nothing is opened yet.
func newRun(plan *Plan, id uint32, template *frames.Template, clock loop.Clock) (*run, error) {
	r := &run{plan: plan, id: id, template: template, clock: clock, headers: plan.Target.headers(), perTopic: make([]uint64, plan.Topics)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.sources = plan.Sources
	if len(r.sources) == 0 {
		r.sources = chooseSources(plan)
	}
	for range plan.Loops {
		l, err := loop.New(clock)
		if err != nil {
			r.stop()
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
		for n := range g.Sessions {
			w := r.workers[all%len(r.workers)]
			all++
			s := &session{w: w, g: g, number: n}
			topic := n % r.plan.Topics
			if g.Kind == Producer {
				s.send = &producer{s: s, source: measure.Source{Run: r.id, Sender: sender}, topic: topic}
				sender++
				r.sends = r.sends || !g.Idle
			} else {
				s.recv = &receiver{s: s, d: r.deliveryOf(g, n, topic, shared)}
			}
			w.sessions = append(w.sessions, s)
		}
	}
	r.aged = r.sends || r.plan.Backlog == 0
}

// deliveryOf finds or makes the subscription, or the reader, of a session.
func (r *run) deliveryOf(g *group, number, topic int, shared map[string]*delivery) *delivery {
	name := ""
	if g.Kind == Consumer && g.Subscriptions > 0 {
		name = fmt.Sprint(topic, "/", g.subscription(number, r.plan.Topics))
		if d := shared[name]; d != nil {
			return d
		}
	}
	d := &delivery{topic: topic, loose: g.SlowBytes > 0 || g.Apart}
	r.deliveries = append(r.deliveries, d)
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
		close(done)
	})
	return done
}

// opened checks that each group has sessions.
func (r *run) opened() error {
	for _, g := range r.groups {
		if g.opened.Load() == 0 && g.failed.Load() > 0 {
			return fmt.Errorf("%s: %w", g.Name, ErrNoSession)
		}
	}
	return nil
}

// begin lets the producers send from the given time on, each at most limit
// messages if that is not 0. Latencies of what is due from there on count.
func (r *run) begin(at, from, to int64, limit uint64) {
	for _, d := range r.deliveries {
		d.mu.Lock()
		if d.opened && !d.loose {
			r.perTopic[d.topic]++
		}
		d.mu.Unlock()
	}
	senders := 0
	for _, g := range r.plan.Groups {
		if g.Kind == Producer && !g.Idle {
			senders += g.Sessions
		}
	}
	interval := 0.0
	if r.plan.Rate > 0 {
		interval = float64(time.Second) * float64(senders) / r.plan.Rate
	}
	r.all(func(w *worker) {
		w.from, w.to = from, to
		for _, s := range w.sessions {
			if s.send != nil && !s.g.Idle {
				// The senders' schedules are shifted against each other.
				shift := int64(interval * float64(int(s.send.source.Sender)%senders) / float64(senders))
				s.send.start(at+shift, interval, limit)
			}
		}
	})
}

// end makes the given time the end: nothing is due from then on, and no
// session's life begins anew.
func (r *run) end(at int64) {
	r.all(func(w *worker) {
		w.to = min(w.to, at)
		for _, s := range w.sessions {
			if s.send != nil {
				s.send.end = at
			}
		}
	})
}

// finish closes all sessions in order and ends the loops. What producers sent is
// in published from then on, and all fields may be read.
func (r *run) finish() {
	r.all(func(w *worker) {
		for _, s := range w.sessions {
			if s.send != nil {
				s.send.giveUp()
			}
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
	r.stop()
	for _, w := range r.workers {
		for _, s := range w.sessions {
			if p := s.send; p != nil && p.next > 0 {
				r.published = append(r.published, published{p.topic, p.source, p.next, p.failed})
			}
		}
	}
}

// stop ends the loops and waits for all goroutines.
func (r *run) stop() {
	r.cancel()
	for _, w := range r.workers {
		w.loop.Close()
	}
	// Whoever waits for the ramp would wait for ever.
	r.goroutines.Wait()
}

// lost counts the confirmed messages that did not reach a subscription or reader.
func (r *run) lost() (n uint64) {
	byTopic := make([][]published, r.plan.Topics)
	for _, p := range r.published {
		byTopic[p.topic] = append(byTopic[p.topic], p)
	}
	for _, d := range r.deliveries {
		if !d.opened || d.loose {
			continue
		}
		for _, p := range byTopic[d.topic] {
			n += d.sources.Get(p.source).Lost(p.sent, p.excused)
		}
		if len(byTopic[d.topic]) == 0 { // others' messages: only gaps are known
			d.sources.Each(func(_ measure.Source, s *measure.Sequence) { n += s.Missing() })
		}
	}
	return n
}

// checkDescriptors says what to do when the sessions cannot all have a descriptor.
func checkDescriptors(p *Plan) error {
	need := uint64(p.sessions())
	if p.Target.secure {
		need *= 3
	}
	need += spareDescriptors
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= need {
		return nil
	}
	return fmt.Errorf("%w: %d sessions need %d file descriptors, but this process may have %d: raise the limit with `ulimit -n %d` (as root or in limits.conf for more than the hard limit of %d), or spread the sessions over several processes",
		ErrPlan, p.sessions(), need, limit.Cur, need, limit.Max)
}

func newID() uint32 { return rand.Uint32() }
