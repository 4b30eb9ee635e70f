//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// prefill makes the subscriptions of the plan's consumers and publishes a
// backlog for them.
func (e *execution) prefill(ctx context.Context) error {
	subscribe := *e.plan
	subscribe.Groups, subscribe.RampUp = nil, 0
	for _, g := range e.plan.Groups {
		if g.Kind != Consumer {
			continue
		}
		if g.Subscriptions > 0 {
			// The first sessions are on all topics and subscriptions.
			g.Sessions = min(g.Sessions, e.plan.Topics*g.Subscriptions)
		}
		// Nothing is taken: the sessions are closed before anything is published.
		subscribe.Groups = append(subscribe.Groups, g)
	}
	if len(subscribe.Groups) > 0 {
		if _, err := e.side(ctx, &subscribe, nil); err != nil {
			return err
		}
	}
	publish := *e.plan
	publish.RampUp, publish.Rate = 0, 0
	publish.Groups = []Group{{Name: "producers", Kind: Producer, Sessions: e.plan.Topics}}
	each := (e.plan.Backlog + e.plan.Topics - 1) / e.plan.Topics
	r, err := e.side(ctx, &publish, func(r *run) error {
		return e.publishAll(ctx, r, uint64(each))
	})
	if err != nil {
		return err
	}
	e.past = r.published
	return nil
}

// side opens a plan's sessions, lets work do something with them, and closes them.
func (e *execution) side(ctx context.Context, plan *Plan, work func(*run) error) (*run, error) {
	r, err := newRun(plan, e.id, e.template, e.clock)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		err = context.Canceled
	case <-r.ramp():
		err = r.opened()
	}
	if err == nil && work != nil {
		err = work(r)
	}
	r.finish()
	failed := map[string]uint64{}
	for _, w := range r.workers {
		for text, n := range w.faults {
			failed[text] += n
		}
	}
	for text, n := range failed {
		if err == nil {
			err = errors.New("not all went well")
		}
		return nil, fmt.Errorf("%w: %s (%d times)", err, text, n)
	}
	return r, err
}

// publishAll sends the backlog and waits for its confirmation.
func (e *execution) publishAll(ctx context.Context, r *run, each uint64) error {
	r.begin(e.clock(), 0, 0, each)
	for {
		busy := make(chan bool, len(r.workers))
		r.all(func(w *worker) {
			any := false
			for _, s := range w.sessions {
				any = any || s.send.busy(w.loop.Now())
			}
			busy <- any
		})
		any := false
		for range r.workers {
			any = <-busy || any
		}
		if !any {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Canceled
		case <-time.After(drainTick):
		}
	}
}

// consumeAll waits until the backlog is delivered, or for the plan's duration.
func (e *execution) consumeAll(ctx context.Context, until int64) error {
	var expect uint64
	byTopic := make([]uint64, e.plan.Topics)
	for _, p := range e.past {
		byTopic[p.topic] += p.sent - uint64(len(p.excused))
	}
	for _, d := range e.run.deliveries {
		if !d.loose {
			expect += byTopic[d.topic]
		}
	}
	done := make(chan struct{})
	stop := make(chan struct{})
	e.run.goroutines.Go(func() {
		defer close(done)
		for {
			var got uint64
			each := make(chan uint64, len(e.run.workers))
			e.run.all(func(w *worker) { each <- w.counts[delivered] })
			for range len(each) {
				got += <-each
			}
			select {
			case <-stop:
				return
			case <-time.After(drainTick / 5):
			}
			if got >= expect {
				return
			}
		}
	})
	e.end = until
	err := e.wait(ctx, done, until)
	e.stopMeasuring()
	close(stop)
	<-done
	e.c.total[expected] = expect
	e.run.all(func(w *worker) {
		if w == e.run.workers[0] {
			w.counts[expected] = expect
		}
	})
	return err
}
