// Package inturn keeps what looks at everything from taking the whole machine, however many ask for it.
package inturn

import (
	"context"
	"errors"
	"time"
)

// ErrFull says that as many wait as may.
var ErrFull = errors.New("too many requests for lists and statistics at the same time; try again")

// Line lets one at a time run, and pauses behind each for as long as it took: all together take half a processor. It has
// no goroutine; who waits brings its own. Nothing in it is guarded by a lock: it is two bounded channels.
type Line struct {
	turn    chan struct{} // holds one while somebody runs, or pauses
	waiting chan struct{} // holds one for each who has its turn or waits for it
}

// New makes a line in which so many at most have their turn or wait for it.
func New(most int) *Line {
	return &Line{turn: make(chan struct{}, 1), waiting: make(chan struct{}, most)}
}

// Do runs f in its turn, and returns when the pause behind it is over. It does not run f and returns [ErrFull] at once if too many
// wait already, or the error of ctx, if that ends before the turn comes.
func (l *Line) Do(ctx context.Context, f func()) error {
	select {
	case l.waiting <- struct{}{}:
	default:
		return ErrFull
	}
	defer func() { <-l.waiting }()
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	if ctx.Err() != nil { // both were so
		return ctx.Err()
	}
	begun := time.Now()
	f()
	time.Sleep(time.Since(begun)) // even if nobody wants the answer any more
	return nil
}
