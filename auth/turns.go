package auth

import (
	"context"
	"slices"
	"sync"
)

// turn is in which order a check of credentials gets its turn.
type turn uint8

const (
	turnRenewal turn = iota // of an open session, whose client is known
	turnLogin
	turnDoubted // from an address that has failed very often
	turns
)

// checks bounds the checks of credentials under way: a storm of clients must not
// take the processors from the sessions there are. Whoever has waited longest among
// those of the first turn goes next, so that a flood of forged credentials keeps no
// one waiting but who comes from where it comes from.
//
// mu guards what follows it; a waiting check has a place in one list, which so is
// bounded by the connections that are not let in yet.
type checks struct {
	mu      sync.Mutex
	free    int
	waiting [turns][]chan struct{} // each is closed when its check may begin
}

func newChecks(most int) *checks { return &checks{free: max(1, most)} }

// enter waits until a check may begin; [checks.leave] must follow. It reports
// false when ctx ended before.
func (c *checks) enter(ctx context.Context, t turn) bool {
	c.mu.Lock()
	if c.free > 0 {
		c.free--
		c.mu.Unlock()
		return true
	}
	mine := make(chan struct{})
	c.waiting[t] = append(c.waiting[t], mine)
	c.mu.Unlock()
	select {
	case <-mine:
		return true
	case <-ctx.Done():
	}
	c.mu.Lock()
	at := slices.Index(c.waiting[t], mine)
	if at >= 0 {
		c.waiting[t] = slices.Delete(c.waiting[t], at, at+1)
	}
	c.mu.Unlock()
	if at < 0 { // it was let in meanwhile
		c.leave()
	}
	return false
}

// leave ends a check.
func (c *checks) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, list := range c.waiting {
		if len(list) > 0 {
			close(list[0])
			c.waiting[t] = list[1:]
			return
		}
	}
	c.free++
}
