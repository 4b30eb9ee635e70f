package subscribe

// group is the upstream consumers that the sessions of one spec on a Shared
// subscription have, each with the sessions that use it. The mutex of [Consumers] guards it.
//
// While the sessions are few each has one of its own: the broker then spreads
// messages, counts what is not acknowledged and honours priority levels among
// them as it does among any consumers. From [Options.SharedConsumers] on those
// that come join the one with the fewest sessions.
type group struct {
	entries []*subscription
}

// join counts one more session where it may join. It returns nil where it is to
// have an upstream consumer of its own: while there are fewer than limit, and
// where none of them is connected: a session must not be told that it is open
// where a consumer of its own would be refused. One that is just being opened
// takes sessions, too: they get its outcome.
func (g *group) join(limit int) *subscription {
	if g == nil || len(g.entries) < limit {
		return nil
	}
	var least *subscription
	fewest := 0
	for _, sub := range g.entries {
		if n, ok := sub.load(); ok && (least == nil || n < fewest) && sub.connected() {
			least, fewest = sub, n
		}
	}
	if least == nil || !least.join() {
		return nil
	}
	return least
}

// load is how many sessions the group has; ok tells that it takes more.
func (sub *subscription) load() (members int, ok bool) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.ledger.expected, !sub.gone
}

// connected reports that the upstream consumers are connected, as far as the
// upstream has noticed, or being opened.
func (sub *subscription) connected() bool {
	select {
	case <-sub.opened.done():
	default:
		return true
	}
	for _, f := range sub.feeds() {
		if !f.up.Connected() {
			return false
		}
	}
	return true
}
