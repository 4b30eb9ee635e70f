//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
)

const (
	tick = time.Second
	// drainTick is how often a drain is looked at: whether all is done.
	drainTick = 50 * time.Millisecond
	// interruptedDrain bounds the drain after Ctrl-C.
	interruptedDrain = time.Second
	// startDelay is from the order to send to the first message, so that all
	// loops begin together.
	startDelay = 20 * time.Millisecond
	// onceAfter is from the end of the measurement to the only message: by then it must be read
	// what was used, which with many processes takes a while.
	onceAfter = time.Second
)

// Run does what the plan says, and tells the watch about every second of it. When
// ctx ends, so does the run, with the results so far. Errors wrap [ErrPlan] when the
// plan or the limits of this machine are at fault.
func Run(ctx context.Context, plan Plan, watch func(Progress)) (*Result, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	if err := plan.Target.resolve(ctx); err != nil {
		return nil, err
	}
	if plan.Target.native {
		if err := checkNative(&plan); err != nil {
			return nil, err
		}
		plan.PIDs = []int{os.Getpid()} // the clients are the server that is measured
	}
	if err := checkDescriptors(&plan); err != nil {
		return nil, err
	}
	if err := checkMachine(&plan); err != nil {
		return nil, err
	}
	template, err := frames.NewTemplate(plan.Message)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	sampler := &sampler{pids: plan.PIDs, urls: plan.Scrape, kernel: plan.sessions() >= manySessions && !plan.Target.native}
	if sampler.server(); sampler.trouble != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, sampler.trouble)
	}
	e := &execution{plan: &plan, id: newID(), template: template, clock: wallClock(), sampler: sampler, watch: watch}
	e.result = &Result{Scenario: plan.Scenario, Target: plan.Target.URL, Started: time.Now()}
	if plan.Backlog > 0 {
		if err := e.prefill(ctx); err != nil {
			return nil, fmt.Errorf("publish the backlog: %w", err)
		}
	}
	return e.execute(ctx)
}

// wallClock is the wall clock at its start, and goes on without jumps.
func wallClock() loop.Clock {
	start := time.Now()
	wall := start.UnixNano()
	return func() int64 { return wall + int64(time.Since(start)) }
}

// execution is one call of [Run].
type execution struct {
	plan     *Plan
	id       uint32
	template *frames.Template
	clock    loop.Clock
	sampler  *sampler
	watch    func(Progress)
	past     []published // the backlog
	result   *Result

	fleet    fleet
	c        *collector
	end      int64  // of the phase; 0: unknown
	expected uint64 // deliveries of the backlog

	before, ramped, begin, final sample
	rampSeconds                  float64
	rampOpened                   int
	measuredFrom                 counts
	measured                     counts
}

// newFleet makes the sessions of the plan. Nothing is opened yet.
func (e *execution) newFleet() (fleet, error) {
	if e.plan.Target.native {
		return newNatives(e.plan, e.id, e.clock)
	}
	if e.plan.Processes > 1 {
		return startProcesses(e.plan, e.id)
	}
	return newRun(e.plan, e.id, e.template, e.clock, alone)
}

func (e *execution) execute(ctx context.Context) (*Result, error) {
	f, err := e.newFleet()
	if err != nil {
		return nil, err
	}
	e.fleet = f
	defer f.close()
	e.c = newCollector(e)
	e.before = e.sampler.take(e.clock(), f)
	e.ramped, e.begin = e.before, e.before
	err = e.phases(ctx)
	interrupted := errors.Is(err, context.Canceled)
	if interrupted {
		err = nil
	}
	if e.final.at == 0 {
		e.final = e.sampler.take(e.clock(), f)
	}
	openAtEnd := e.c.open
	end := f.finish()
	l := f.ledger(append(e.past, end.Published...))
	if ferr := f.err(); ferr != nil {
		return nil, ferr
	}
	e.c.phase = "closed"
	e.c.fold(end.Reports)
	e.c.total[expected] += e.expected
	e.summarize(openAtEnd, interrupted, l, end.Tallies)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, e.worstFault())
	}
	return e.result, nil
}

// phases opens the sessions, warms up, measures and drains.
func (e *execution) phases(ctx context.Context) error {
	f, c, p := e.fleet, e.c, e.plan
	c.phase = "ramp-up"
	backlog := p.Backlog > 0
	rampBegin := e.clock()
	if backlog {
		// The consumers get the backlog as soon as they are open.
		e.startMeasuring(rampBegin, rampBegin+int64(p.Duration))
	}
	if p.RampUp > 0 {
		e.end = rampBegin + int64(p.RampUp)
	}
	if err := e.wait(ctx, f.ramp(), 0); err != nil {
		return err
	}
	c.collect()
	e.rampSeconds, e.rampOpened = seconds(e.clock()-rampBegin), int(c.total[opened])
	if err := e.opened(); err != nil {
		return err
	}
	if backlog {
		c.phase = "measure"
		if err := e.consumeAll(ctx, rampBegin+int64(p.Duration)); err != nil {
			return err
		}
		return nil
	}
	e.ramped = e.sampler.take(e.clock(), f)
	c.phase = "warm-up"
	at := e.clock() + int64(startDelay)
	from := at + int64(p.WarmUp)
	to := from + int64(p.Duration)
	w := f.watched()
	send := beginning{At: at, From: from, To: to, PerTopic: w.perTopic()}
	if p.Once {
		send.At, send.Limit = to+int64(onceAfter), 1
		send.To = send.At + 1
	}
	f.begin(send)
	e.end = from
	if err := e.wait(ctx, nil, from); err != nil {
		e.drain(context.Background(), interruptedDrain)
		return err
	}
	e.startMeasuring(from, to)
	c.phase, e.end = "measure", to
	err := e.wait(ctx, nil, to)
	if err != nil {
		send.To = e.clock()
	}
	f.end(send.To)
	e.stopMeasuring()
	c.phase, e.end = "drain", 0
	if err != nil {
		e.drain(context.Background(), interruptedDrain)
		return err
	}
	e.drain(ctx, p.Drain)
	return nil
}

func (e *execution) startMeasuring(from, to int64) {
	e.begin = e.sampler.take(e.clock(), e.fleet)
	e.c.collect()
	e.measuredFrom = e.c.total
	e.begin.metrics = e.sampler.scrape()
	if e.plan.Backlog > 0 {
		e.ramped = e.begin
		e.fleet.window(from, to)
	}
}

// stopMeasuring reads everything in the same order as startMeasuring, so that
// what is counted and how long it took belong together.
func (e *execution) stopMeasuring() {
	e.final = e.sampler.take(e.clock(), e.fleet)
	e.c.collect()
	e.measured = e.c.total.since(&e.measuredFrom)
	e.final.metrics = e.sampler.scrape()
}

// wait collects every second until done is closed, or a time if that is not 0.
func (e *execution) wait(ctx context.Context, done <-chan struct{}, until int64) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var over <-chan time.Time
	if until != 0 {
		timer := time.NewTimer(time.Duration(until - e.clock()))
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return context.Canceled
		case <-done:
			return nil
		case <-over:
			return nil
		case <-ticker.C:
			e.c.collect()
			if err := e.fleet.err(); err != nil {
				return err
			}
			if err := e.opened(); err != nil && e.allFailing() {
				return err
			}
		}
	}
}

// opened checks that each group has sessions.
func (e *execution) opened() error {
	if err := e.fleet.err(); err != nil {
		return err
	}
	for i, t := range e.fleet.standing().Tallies {
		if t.Opened == 0 && t.Failed > 0 {
			return fmt.Errorf("%s: %w", e.plan.Groups[i].Name, ErrNoSession)
		}
	}
	return nil
}

// allFailing reports whether it is hopeless to go on opening sessions.
func (e *execution) allFailing() bool { return e.c.total[opened] == 0 && e.c.total[openFailed] > 0 }

// drain waits until all that is under way has come, or for so long.
func (e *execution) drain(ctx context.Context, most time.Duration) {
	deadline := e.clock() + int64(most)
	e.end = deadline
	quiet := e.quiet()
	for lastTick := e.clock(); !quiet && e.clock() < deadline; quiet = e.quiet() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(drainTick, time.Duration(e.plan.Processes)*processTick)):
		}
		e.sampler.lookAtBuffers()
		if e.clock()-lastTick > int64(tick) {
			lastTick = e.clock()
			e.c.collect()
		}
	}
	e.c.collect()
	e.sampler.lookAtBuffers()
}

// quiet reports whether all is answered, and all that was confirmed delivered.
func (e *execution) quiet() bool {
	s := e.fleet.standing()
	return !s.Busy && s.Counts[delivered] >= s.Counts[expected] || e.fleet.err() != nil
}

// worstFault is the most frequent one.
func (e *execution) worstFault() string {
	var texts []string
	for text := range e.c.faults {
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "no answer yet"
	}
	return slices.MaxFunc(texts, func(a, b string) int { return int(e.c.faults[a]) - int(e.c.faults[b]) })
}
