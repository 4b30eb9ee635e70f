package bridge

import (
	"slices"
	"testing"
	"time"
)

// What a client acknowledges in one turn of input the upstream is told at once, in order and before what
// follows from other commands, and the room for it is granted at once.
func TestTurnOfAcknowledgements(t *testing.T) {
	u := &fakeUpstream{}
	b := newBridge(t, u, Options{})
	o := consume(t, b, sharedSpec, ConsumeOptions{Window: 100, NackDelay: time.Minute})
	up := u.consumers[0]
	s := o.s.(*consumerSession)
	var all []int64
	for i := range int64(firstAhead) {
		waitFor(t, "a permit", func() bool { return up.allowed() > 0 })
		up.deliver(t, i)
		all = append(all, i)
	}
	if got := entries(t, o.fill(99)); !slices.Equal(got, all) {
		t.Fatalf("got %v", got)
	}
	s.BeginTurn()
	for _, i := range all[:4] {
		o.ack(t, i)
	}
	if s.Full() {
		t.Error("full within a turn")
	}
	if got := up.acked(); len(got) > 0 {
		t.Fatalf("%v acknowledged before the turn has ended", got)
	}
	o.nack(t, all[4])
	if got := up.acked(); !slices.Equal(got, all[:4]) {
		t.Fatalf("%v acknowledged before something else", got)
	}
	o.ack(t, all[5])
	s.EndTurn()
	if got, calls := up.acked(), up.ackCalls; !slices.Equal(got, slices.Concat(all[:4], all[5:6])) || calls != 2 {
		t.Fatalf("%v acknowledged in %d calls", got, calls)
	}
	s.BeginTurn()
	for i := range int64(len(gathered{}.all) + 1) { // most of which nobody has
		o.ack(t, 6+i)
	}
	if got := len(up.acked()); got != 5+len(gathered{}.all) {
		t.Errorf("%d acknowledged of more than gather", got)
	}
	s.EndTurn()
	if got, calls := len(up.acked()), up.ackCalls; got != 6+len(gathered{}.all) || calls != 4 {
		t.Errorf("%d acknowledged in %d calls", got, calls)
	}
	o.ack(t, 500)
	if got := up.acked(); got[len(got)-1] != 500 {
		t.Error("not acknowledged without a turn")
	}
}

// A client that acknowledges what nobody has, to a broker that takes it slowly, is full at the end of a turn.
func TestTurnMayEndFull(t *testing.T) {
	_, o, up := consumeOne(t)
	s := o.s.(*consumerSession)
	up.mu.Lock()
	up.congested = true
	up.mu.Unlock()
	s.BeginTurn()
	o.ack(t, 77)
	if s.Full() {
		t.Error("full while it gathers")
	}
	s.EndTurn()
	if !s.Full() {
		t.Error("not full")
	}
}
