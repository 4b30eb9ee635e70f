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
// one waiting but who comes from where it comes from; and such a flood never has more
// than half of the places.
//
// mu guards what follows it; a waiting check has a place in one list, which so is
// bounded by the connections that are not let in yet.
type checks struct {
	mu      sync.Mutex
	free    int
	doubted int                    // of them so many for what is doubted
	waiting [turns][]chan struct{} // each is closed when its check may begin
}

func newChecks(most int) *checks {
	most = max(1, most)
	return &checks{free: most, doubted: max(1, most/2)}
}

// take takes a place if there is one. The caller holds mu.
func (c *checks) take(t turn) bool {
	if c.free == 0 || t == turnDoubted && c.doubted == 0 {
		return false
	}
	c.free--
	if t == turnDoubted {
		c.doubted--
	}
	return true
}

// enter waits until a check may begin; [checks.leave] must follow with the same
// turn. It reports false when ctx ended before.
func (c *checks) enter(ctx context.Context, t turn) bool {
	c.mu.Lock()
	if c.take(t) {
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
		c.leave(t)
	}
	return false
}

// leave ends a check, and lets those in that may begin now.
func (c *checks) leave(t turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free++
	if t == turnDoubted {
		c.doubted++
	}
	for t := range turns {
		for len(c.waiting[t]) > 0 && c.take(t) {
			close(c.waiting[t][0])
			c.waiting[t] = c.waiting[t][1:]
		}
	}
}
