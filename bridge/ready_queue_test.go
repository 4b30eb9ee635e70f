package bridge

import "testing"

// TestReadyQueueForgetsClosedSessions: sessions of an idle subscription that come
// and go, on which no message makes the queue move, leave nothing behind.
func TestReadyQueueForgetsClosedSessions(t *testing.T) {
	b, o, _ := consumeOne(t)
	sub := o.s.(*consumerSession).sub
	spec := sharedSpec
	for i := range 1000 {
		spec.PriorityLevel, spec.HasPriority = i, true
		consume(t, b, spec, minute).s.Close()
		sub.mu.Lock()
		n, levels := sub.ready.len(), len(sub.ready.levels)
		sub.mu.Unlock()
		if n > 70 || levels > 70 {
			t.Fatalf("%d sessions queued in %d levels, and only one is open", n, levels)
		}
	}
}
