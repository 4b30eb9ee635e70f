package bridge

// ShareBounds are the upper bounds by which [Shares] sorts clients at the upstream.
var ShareBounds = [...]int{0, 1, 10, 100, 1000}

// Shares tells how many sessions have the clients at the upstream that they may share, and where
// the cursors of readers are.
type Shares struct {
	// Producers, consumers and tails by their sessions: up to each of ShareBounds and above the one before, and
	// in the last place above all of them.
	Producers, Consumers, Tails [len(ShareBounds) + 1]int

	Live   int // cursors of readers in a tail, or on their way to one
	Behind int // those that have a reader at the upstream for what the tail has no more
}

// Shares looks at all clients that may be shared.
func (b *Bridge) Shares() (s Shares) {
	b.mu.Lock()
	subs := make([]*subscription, 0, len(b.groups))
	for _, e := range b.producers {
		if e.up.Load() != nil {
			s.Producers[shareOf(e.lease.count())]++
		}
	}
	for _, g := range b.groups {
		subs = append(subs, g.entries...)
	}
	for _, t := range b.tails {
		n := t.lease.count()
		s.Tails[shareOf(n)]++
		s.Live += n
		for _, c := range t.catchUps {
			n := c.lease.count()
			s.Live -= n
			s.Behind += n
		}
	}
	b.mu.Unlock()
	for _, sub := range subs {
		n, _ := sub.load()
		s.Consumers[shareOf(n)]++
	}
	return s
}

func shareOf(sessions int) int {
	for i, most := range ShareBounds {
		if sessions <= most {
			return i
		}
	}
	return len(ShareBounds)
}
