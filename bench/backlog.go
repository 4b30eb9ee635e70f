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
	end, err := e.side(ctx, &publish, func(r *run) error {
		return e.publishAll(ctx, r, uint64(each))
	})
	if err != nil {
		return err
	}
	e.past = end.Published
	return nil
}

// side opens a plan's sessions, lets work do something with them, and closes them.
func (e *execution) side(ctx context.Context, plan *Plan, work func(*run) error) (ending, error) {
	r, err := newRun(plan, e.id, e.template, e.clock, alone)
	if err != nil {
		return ending{}, err
	}
	select {
	case <-ctx.Done():
		err = context.Canceled
	case <-r.ramp():
	}
	if err == nil && work != nil {
		err = work(r)
	}
	end := r.finish()
	for _, report := range end.Reports {
		for text, n := range report.Faults {
			if err == nil {
				err = errors.New("not all went well")
			}
			return ending{}, fmt.Errorf("%w: %s (%d times)", err, text, n)
		}
	}
	return end, err
}

// publishAll sends the backlog and waits for its confirmation.
func (e *execution) publishAll(ctx context.Context, r *run, each uint64) error {
	r.begin(beginning{At: e.clock(), Limit: each})
	for r.standing().Busy {
		select {
		case <-ctx.Done():
			return context.Canceled
		case <-time.After(drainTick):
		}
	}
	return nil
}

// consumeAll waits until the backlog is delivered, or for the plan's duration.
func (e *execution) consumeAll(ctx context.Context, until int64) error {
	watched := e.fleet.watched()
	times := watched.perTopic()
	for _, p := range e.past {
		e.expected += (p.Sent - uint64(len(p.Excused))) * times[p.Topic]
	}
	done, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for e.fleet.standing().Counts[delivered] < e.expected {
			select {
			case <-stop:
				return
			case <-time.After(drainTick / 5):
			}
		}
	}()
	e.end = until
	err := e.wait(ctx, done, until)
	e.stopMeasuring()
	close(stop)
	<-done
	return err
}
