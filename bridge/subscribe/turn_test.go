package subscribe

import (
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
)

// What a client acknowledges in one turn of input the upstream is told at once, in order and before what
// follows from other commands, and the room for it is granted at once.
func TestTurnOfAcknowledgements(t *testing.T) {
	u := &bridgetest.Upstream{}
	cs := newConsumers(t, u, options{})
	o := consume(t, cs, sharedSpec, bridge.ConsumeOptions{Window: 100, NackDelay: time.Minute})
	up := u.Consumers[0]
	s := o.Session.(*session)
	var all []int64
	for i := range int64(firstAhead) {
		waitFor(t, "a permit", func() bool { return up.Allowed() > 0 })
		up.Deliver(t, i)
		all = append(all, i)
	}
	if got := entries(t, o.Fill(99)); !slices.Equal(got, all) {
		t.Fatalf("got %v", got)
	}
	s.BeginTurn()
	for _, i := range all[:4] {
		o.Ack(t, i)
	}
	if s.Full() {
		t.Error("full within a turn")
	}
	if got := up.Acked(); len(got) > 0 {
		t.Fatalf("%v acknowledged before the turn has ended", got)
	}
	o.Nack(t, all[4])
	if got := up.Acked(); !slices.Equal(got, all[:4]) {
		t.Fatalf("%v acknowledged before something else", got)
	}
	o.Ack(t, all[5])
	s.EndTurn()
	if got, calls := up.Acked(), up.AckCalls; !slices.Equal(got, slices.Concat(all[:4], all[5:6])) || calls != 2 {
		t.Fatalf("%v acknowledged in %d calls", got, calls)
	}
	s.BeginTurn()
	for i := range int64(len(gathered{}.all) + 1) { // most of which nobody has
		o.Ack(t, 6+i)
	}
	if got := len(up.Acked()); got != 5+len(gathered{}.all) {
		t.Errorf("%d acknowledged of more than gather", got)
	}
	s.EndTurn()
	if got, calls := len(up.Acked()), up.AckCalls; got != 6+len(gathered{}.all) || calls != 4 {
		t.Errorf("%d acknowledged in %d calls", got, calls)
	}
	o.Ack(t, 500)
	if got := up.Acked(); got[len(got)-1] != 500 {
		t.Error("not acknowledged without a turn")
	}
}

// A client that acknowledges what nobody has, to a broker that takes it slowly, is full at the end of a turn.
func TestTurnMayEndFull(t *testing.T) {
	_, o, up := consumeOne(t)
	s := o.Session.(*session)
	up.Congest()
	s.BeginTurn()
	o.Ack(t, 77)
	if s.Full() {
		t.Error("full while it gathers")
	}
	s.EndTurn()
	if !s.Full() {
		t.Error("not full")
	}
}
