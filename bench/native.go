//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// natives is a fleet of producers, consumers and readers of Pulsar's Go client,
// with its defaults: the same load on the broker without a WebSocket server
// between. What this process uses is what the clients cost, and a floor for any
// gateway made with that library.
type natives struct {
	plan   *Plan
	raw    *frames.Raw
	clock  loop.Clock
	client pulsar.Client

	ctx        context.Context
	cancel     context.CancelFunc
	goroutines sync.WaitGroup

	sessions   []*native
	groups     []*group
	deliveries []*delivery
	perTopic   []uint64 // set before producers start
	from, to   atomic.Int64
	ramped     atomic.Bool
	once       sync.Once
}

// checkNative refuses what native clients are not made to do here.
func checkNative(p *Plan) error {
	bad := func(what string) error {
		return fmt.Errorf("%w: %s is not possible with a target pulsar://", ErrPlan, what)
	}
	switch {
	case p.Target.V1:
		return bad("--api v1")
	case p.Processes > 1:
		return bad("more than one process")
	case p.Reconnect > 0:
		return bad("--reconnect")
	case p.Backlog > 0:
		return bad("--backlog")
	}
	for _, g := range p.Groups {
		switch {
		case g.Lifetime > 0:
			return bad("a lifetime of sessions")
		case g.SlowBytes > 0:
			return bad("a slow receiver")
		case g.Permits > 0:
			return bad("--pull")
		}
	}
	return nil
}

func newNatives(plan *Plan, id uint32, clock loop.Clock) (*natives, error) {
	o := pulsar.ClientOptions{
		URL: plan.Target.URL, Logger: log.DefaultNopLogger(), MetricsRegisterer: prometheus.NewRegistry(),
		OperationTimeout: plan.OpenTimeout,
	}
	if plan.Target.Token != "" {
		o.Authentication = pulsar.NewAuthenticationToken(plan.Target.Token)
	}
	client, err := pulsar.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", plan.Target.URL, err)
	}
	f := &natives{plan: plan, raw: frames.NewRaw(plan.Message), clock: clock, client: client}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	sender := uint32(0)
	for i := range plan.Groups {
		g := &group{Group: &plan.Groups[i]}
		f.groups = append(f.groups, g)
		shared := map[string]*delivery{}
		for n := range g.Sessions {
			topic := n % plan.Topics
			s := &native{f: f, g: g, number: n, topic: topic, faults: map[string]uint64{}}
			if g.Kind == Producer {
				s.source = measure.Source{Run: id, Sender: sender}
				sender++
			} else {
				s.d = g.delivery(n, topic, f.plan.Topics, shared, &f.deliveries)
			}
			f.sessions = append(f.sessions, s)
		}
	}
	return f, nil
}

func (f *natives) ramp() <-chan struct{} {
	done := make(chan struct{})
	begin := f.clock()
	f.goroutines.Go(func() {
		defer close(done)
		places := make(chan struct{}, f.plan.Opening)
		var wait sync.WaitGroup
		for i, s := range f.sessions {
			due := begin + int64(float64(f.plan.RampUp)*float64(i)/float64(len(f.sessions)))
			if !f.sleepUntil(due) {
				break
			}
			places <- struct{}{}
			wait.Go(func() {
				s.open(due)
				<-places
			})
		}
		wait.Wait()
		f.ramped.Store(true)
	})
	return done
}

// sleepUntil reports false when the run has ended before.
func (f *natives) sleepUntil(at int64) bool {
	wait := time.Duration(at - f.clock())
	if wait <= 0 {
		return f.ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-f.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (f *natives) window(from, to int64) {
	f.from.Store(from)
	f.to.Store(to)
}

func (f *natives) watched() watched { return watchedOf(f.deliveries, f.plan.Topics) }

func (f *natives) begin(b beginning) {
	f.perTopic = b.PerTopic
	f.window(b.From, b.To)
	interval := f.plan.interval()
	for _, s := range f.sessions {
		if s.g.Kind == Producer && !s.g.Idle && s.opened {
			s.start(b.At+f.plan.shift(s.source.Sender), interval, b.Limit)
		}
	}
}

func (f *natives) end(at int64) {
	f.to.Store(min(f.to.Load(), at))
	for _, s := range f.sessions {
		s.mu.Lock()
		s.end = at
		s.mu.Unlock()
	}
}

func (f *natives) reports() (all []*report) {
	sum := &report{
		Faults: map[string]uint64{}, OpenLatency: measure.NewLatency(), Publish: measure.NewLatency(),
		EndToEnd: measure.NewLatency(), Lateness: measure.NewLatency(),
	}
	for _, s := range f.sessions {
		s.report(sum)
	}
	return []*report{sum}
}

func (f *natives) standing() (sum standing) {
	for _, s := range f.sessions {
		s.mu.Lock()
		sum.Counts.add(&s.counts)
		sum.Busy = sum.Busy || s.busy()
		s.mu.Unlock()
	}
	for _, g := range f.groups {
		sum.Tallies = append(sum.Tallies, tally{g.opened.Load(), g.failed.Load()})
	}
	sum.Ramped = f.ramped.Load()
	return sum
}

func (f *natives) usage() usage {
	own, _ := measure.ReadProcess(os.Getpid()) // it reads itself
	return usage{Own: own}
}

func (f *natives) finish() (e ending) {
	for _, s := range f.sessions {
		s.giveUp()
	}
	f.close()
	e.Reports, e.Tallies = f.reports(), f.standing().Tallies
	for _, s := range f.sessions {
		if s.next > 0 {
			e.Published = append(e.Published, published{s.topic, s.source, s.next, s.failed})
		}
	}
	return e
}

func (f *natives) ledger(all []published) ledger {
	return ledgerOf(f.deliveries, publishedByTopic(all, f.plan.Topics), false)
}

func (f *natives) close() {
	f.once.Do(func() {
		f.cancel()
		f.goroutines.Wait() // none receives any more
		var wait sync.WaitGroup
		places := make(chan struct{}, f.plan.Opening)
		for _, s := range f.sessions {
			places <- struct{}{}
			wait.Go(func() {
				s.close()
				<-places
			})
		}
		wait.Wait()
		f.client.Close()
	})
}

func (f *natives) err() error { return nil }
