package subscribe

import "testing"

// TestReadyQueueForgetsClosedSessions: sessions of an idle subscription that come
// and go, on which no message makes the queue move, leave nothing behind.
func TestReadyQueueForgetsClosedSessions(t *testing.T) {
	cs, o, _ := consumeOne(t)
	sub := o.Session.(*session).sub
	for range 1000 {
		consume(t, cs, sharedSpec, minute).Session.Close()
		sub.mu.Lock()
		n := len(sub.ledger.ready.sessions)
		sub.mu.Unlock()
		if n > 70 {
			t.Fatalf("%d sessions queued, and only one is open", n)
		}
	}
}
