package census

import "github.com/pulsegate/pulsegate/bridge"

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

// Add counts a client at the upstream that may be shared. A session that is behind in a tail has its place there, too.
func (s *Shares) Add(c *bridge.ClientInfo) {
	switch c.Kind {
	case bridge.ClientProducer:
		s.Producers[shareOf(c.Sessions)]++
	case bridge.ClientConsumer:
		s.Consumers[shareOf(c.Sessions)]++
	case bridge.ClientTail:
		s.Tails[shareOf(c.Sessions)]++
		s.Live += c.Sessions
	case bridge.ClientReader:
		s.Live -= c.Sessions
		s.Behind += c.Sessions
	}
}

func shareOf(sessions int) int {
	for i, most := range ShareBounds {
		if sessions <= most {
			return i
		}
	}
	return len(ShareBounds)
}
