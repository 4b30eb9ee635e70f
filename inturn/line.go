// Package inturn keeps what looks at everything from taking the whole machine, however many ask for it.
package inturn

import (
	"context"
	"errors"
	"time"
)

// ErrFull says that as many wait as may.
var ErrFull = errors.New("too many requests for lists and statistics at the same time; try again")

// Line lets one at a time run, with a pause behind each for as long as it took: all together take half a processor. It has
// no goroutine; who waits brings its own. Two bounded channels say who waits and who has its turn; free belongs to
// whoever has it.
type Line struct {
	turn    chan struct{} // holds one while somebody runs, or waits for the end of the pause
	waiting chan struct{} // holds one for each who has its turn or waits for it
	free    time.Time     // when the pause behind the last one is over
}

// New makes a line in which so many at most have their turn or wait for it.
func New(most int) *Line {
	return &Line{turn: make(chan struct{}, 1), waiting: make(chan struct{}, most)}
}

// Do runs f in its turn, and returns when it has run: the pause is for the next. It does not run f and returns [ErrFull] at once if
// too many wait already, or the error of ctx, if that ends before the turn comes.
func (l *Line) Do(ctx context.Context, f func()) error {
	select {
	case l.waiting <- struct{}{}:
	default:
		return ErrFull
	}
	defer func() { <-l.waiting }()
	if _, err := l.take(ctx, nil); err != nil {
		return err
	}
	l.run(f)
	return nil
}

// take waits for the turn, which it has if mine is true: then run is to follow. It returns without it when over is closed, or with
// the error of ctx.
func (l *Line) take(ctx context.Context, over <-chan struct{}) (mine bool, err error) {
	select {
	case l.turn <- struct{}{}:
	case <-over:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	select {
	case <-over: // both were so
		<-l.turn
		return false, nil
	default: // and it stays so: nobody else runs
	}
	pause := time.NewTimer(time.Until(l.free))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		<-l.turn
		return false, err
	}
	return true, nil
}

// run runs f for the one whose turn it is, and gives the turn to the next, even if f panics.
func (l *Line) run(f func()) {
	begun := time.Now()
	defer func() {
		over := time.Now()
		l.free = over.Add(over.Sub(begun))
		<-l.turn
	}()
	f()
}
