package publish

import (
	"slices"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

// Answers that come in a run are written together.
func TestRunOfAnswersWakesOnce(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	for range 4 {
		send(t, o, "YQ==", "1")
	}
	up := u.Producers[0]
	before := o.Woken()
	for i := range 3 {
		up.Done[i].(bridge.RunSendDone).SentMore(codec.MessageID{LedgerID: 1, EntryID: int64(i), Partition: -1, BatchIndex: -1}, nil)
	}
	if n := o.Woken(); n != before {
		t.Fatal("woken within a run")
	}
	up.Done[2].(bridge.RunSendDone).Rest()
	if n := o.Woken(); n != before+1 {
		t.Fatalf("woken %d times by a run", n-before)
	}
	up.Confirm(3, nil)
	if n := o.Woken(); n != before+2 {
		t.Fatal("not woken by one answer")
	}
	if got := len(o.Fill(9)); got != 4 {
		t.Fatalf("%d answers", got)
	}
}

// tookNote notes how long each publish took.
type tookNote struct {
	Counters
	took []time.Duration
}

func (n *tookNote) Published(bytes int64, took time.Duration) {
	n.took = append(n.took, took)
	n.Counters.Published(bytes, took)
}

// The publishes of a turn came at one time, and the answers of a run as well; others did not.
func TestClockOfTurnsAndRuns(t *testing.T) {
	u := &bridgetest.Upstream{}
	ps := newProducers(t, u, options{})
	var note tookNote
	enter := ps.enter
	ps.enter = func(topic string, out bridge.Outlet) Counters {
		note.Counters = enter(topic, out)
		return &note
	}
	o := produce(t, ps, bridge.ProducerSpec{Topic: topic})
	turns := o.Session.(bridge.Turner)
	for range 2 {
		turns.BeginTurn()
		send(t, o, "YQ==", "1")
		send(t, o, "YQ==", "1")
		turns.EndTurn()
	}
	send(t, o, "YQ==", "1")
	up := u.Producers[0]
	for i, done := range slices.Clone(up.Done) {
		done.(bridge.RunSendDone).SentMore(codec.MessageID{LedgerID: 1, EntryID: int64(i), Partition: -1, BatchIndex: -1}, nil)
	}
	took := note.took
	if took[0] != took[1] || took[2] != took[3] || took[1] <= took[2] || took[3] <= took[4] {
		t.Errorf("two turns and one message, answered in a run, took %v", took)
	}
	send(t, o, "YQ==", "1")
	send(t, o, "YQ==", "1")
	up.Done[4].(bridge.RunSendDone).Rest()
	up.Done[5].Sent(codec.MessageID{LedgerID: 1, EntryID: 5, Partition: -1, BatchIndex: -1}, nil)
	up.Done[6].Sent(codec.MessageID{LedgerID: 1, EntryID: 6, Partition: -1, BatchIndex: -1}, nil)
	if last := note.took[5:]; last[0] <= 0 || last[1] <= 0 {
		t.Errorf("answers after a run took %v", last)
	}
}
