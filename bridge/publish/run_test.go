package publish

import (
	"testing"

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
