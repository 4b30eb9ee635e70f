// Package memory keeps what clients make the process hold within one budget:
// messages that are asked for, fetched ahead, queued, on their way, unfinished or unread.
package memory

import (
	"math"
	"sync/atomic"
)

// Kind says what memory is held for.
type Kind uint8

// The kinds.
const (
	Publishes   Kind = iota // received from clients and not answered
	Windows                 // large messages that the brokers may send at any time, or that wait until a consumer takes more
	Deliveries              // fetched from the brokers for consumers and not written
	Tails                   // encoded frames that readers share
	DeadLetters             // on their way to a dead letter topic
	Unfinished              // input whose end has not come, or that waits until a session takes more
	Unread                  // output that clients have not taken
	kinds
)

// String is the kind's name in metrics.
func (k Kind) String() string {
	return [kinds]string{"publishes", "windows", "deliveries", "tails", "dead_letters", "unfinished", "unread"}[k]
}

// Kinds lists all kinds.
func Kinds() (all [kinds]Kind) {
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

const (
	// part is the share of the free memory that one holder may have.
	part = 8

	// Least is what each holder may always have, in bytes: with it, a session gets
	// on, if slowly, whatever others hold.
	Least = 64 << 10
)

// Budget bounds what all holders have together. A holder is a session, a
// connection or a tail; each counts by itself what it has, and asks before it takes more.
//
// The bound of a holder is an eighth of what is free just then. So one that is
// alone may have much; the more is in use, the less each may have; and those with
// most are the first at their bound. Holders that keep to it never use up the budget,
// beyond Least for each.
//
// A nil Budget knows no limit. All methods may be called from any goroutine.
type Budget struct {
	limit atomic.Int64
	held  [kinds]atomic.Int64

	refused atomic.Uint64
}

// New returns a budget of limit bytes; 0 or less: no limit, but what is held is counted.
func New(limit int64) *Budget {
	b := new(Budget)
	b.SetLimit(limit)
	return b
}

// SetLimit changes the limit to so many bytes; 0 or less: no limit. When more is
// held already nobody gets more than [Least] until it has become less.
func (b *Budget) SetLimit(limit int64) {
	if b == nil {
		return
	}
	if limit <= 0 {
		limit = math.MaxInt64
	}
	b.limit.Store(limit)
}

// Take counts n bytes more of a kind, or less if n is negative. It never
// fails: whether there is room is asked before, by [Budget.Allowance].
func (b *Budget) Take(k Kind, n int) {
	if b != nil && n != 0 {
		b.held[k].Add(int64(n))
	}
}

// Held is what is held of a kind, in bytes.
func (b *Budget) Held(k Kind) int64 {
	if b == nil {
		return 0
	}
	return b.held[k].Load()
}

// Limit is the budget in bytes; math.MaxInt64 if there is none.
func (b *Budget) Limit() int64 {
	if b == nil {
		return math.MaxInt64
	}
	return b.limit.Load()
}

// Used is what is held of all kinds together, in bytes.
func (b *Budget) Used() (n int64) {
	if b == nil {
		return 0
	}
	for i := range b.held {
		n += b.held[i].Load()
	}
	return n
}

func (b *Budget) free() int64 { return b.limit.Load() - b.Used() }

// Allowance is how many bytes one holder may have now, at least [Least].
func (b *Budget) Allowance() int {
	if b == nil {
		return math.MaxInt
	}
	return int(max(b.free()/part, Least))
}

// Exhausted reports that nothing is free: nobody new should be let in. Holders
// that keep to their bounds do that only where they are so many that each has no more than
// [Least].
func (b *Budget) Exhausted() bool {
	return b != nil && b.free() <= 0
}

// Refused counts a client that was turned away or closed for want of memory.
func (b *Budget) Refused() {
	if b != nil {
		b.refused.Add(1)
	}
}

// Refusals is how many clients were turned away or closed for want of memory.
func (b *Budget) Refusals() uint64 {
	if b == nil {
		return 0
	}
	return b.refused.Load()
}
