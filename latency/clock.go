package latency

import "time"

// began is what Now counts from. It is a little in the past, so that 0 can stand for no time.
var began = time.Now().Add(-time.Second)

// Now is the time since about the start of the process: it takes eight bytes, does not jump, and is never 0.
func Now() time.Duration { return time.Since(began) }

// Arrival is when messages came that are written together. To look at the clock for each is too
// much, so what comes after a first one, and before any is written, is taken to have come with it. Whoever
// has it guards it.
type Arrival struct {
	at time.Duration // 0: not known
}

// Now is when a message came that has just come, see [Now].
func (a *Arrival) Now() time.Duration {
	if a.at == 0 {
		a.at = Now()
	}
	return a.at
}

// Over says that some of them are written.
func (a *Arrival) Over() { a.at = 0 }
