package census

import (
	"maps"
	"slices"
)

// NamespaceCounters are the sums of each namespace by name, sorted, and of all others behind them. The first most
// namespaces that are seen have a place of their own, for as long as the process lives, so that
// sums never fall; most is the same in all calls.
func (r *Registry) NamespaceCounters(most int) []NamespaceCounters {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []NamespaceCounters
	others := r.forgotten
	for _, name := range slices.Sorted(maps.Keys(r.namespaces)) {
		ns := r.namespaces[name]
		if !ns.shown && r.shown < most {
			ns.shown = true
			r.shown++
		}
		to := &others
		if ns.shown {
			all = append(all, NamespaceCounters{Namespace: name})
			to = &all[len(all)-1]
		}
		to.Sessions += ns.sessions
		to.add(&ns.counters)
	}
	return append(all, others)
}

// add counts what the sessions of another namespace did, too.
func (n *NamespaceCounters) add(c *counters) {
	n.Published += c.published.Load()
	n.PublishedBytes += c.publishedBytes.Load()
	n.PublishFailed += c.publishFailed.Load()
	n.Delivered += c.delivered.Load()
	n.DeliveredBytes += c.pushedBytes()
	n.Acked += c.acked.Load()
}
