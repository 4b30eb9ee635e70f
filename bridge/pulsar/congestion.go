package pulsar

import "sync/atomic"

// maxUnsettled is at how many acknowledgements and requests for redelivery that
// wait for the broker a consumer is congested.
const maxUnsettled = 20_000

// congestion counts what a consumer was told and the broker was not, wherever
// it waits: among the commands, at the acker, or for a connection. Each of those counts
// what comes in and what goes out. It may be used from any goroutine.
type congestion struct {
	waiting  atomic.Int64
	relieved atomic.Pointer[func()] // to be called; nil: nobody waits
}

func (g *congestion) add(n int) {
	if left := g.waiting.Add(int64(n)); n < 0 && left <= maxUnsettled/2 {
		g.relieve()
	}
}

func (g *congestion) relieve() {
	if f := g.relieved.Swap(nil); f != nil {
		(*f)()
	}
}

// Congested implements [bridge.Consumer].
func (c *consumer) Congested(relieved func()) bool {
	g := &c.unsettled
	if g.waiting.Load() < maxUnsettled || c.ctx.Err() != nil {
		return false
	}
	g.relieved.Store(&relieved)
	if g.waiting.Load() > maxUnsettled/2 {
		return true
	}
	// It fell meanwhile. Who saw that may be about to call relieved, and others may
	// wait for that; once too often does no harm.
	return false
}
