package subscribe

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// Whatever happens, in whatever order, the sums of a ledger agree, no message is lost
// or in two hands, and nobody waits for what there is.
func FuzzLedger(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		script := make([]byte, 4000)
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWorld(t, script[:min(len(script), 8000)])
		for len(w.script) > 0 && !w.over {
			w.step()
			if w.over {
				return
			}
			if w.check(); t.Failed() {
				t.Fatalf("with %d bytes of the script left", len(w.script))
			}
		}
		w.end()
	})
}

// One session's step, from the message to the acknowledgement, allocates for the delivery only.
func TestLedgerAllocatesLittle(t *testing.T) {
	var unacked atomic.Int64
	f := &feed{}
	l := &ledger{
		solo: true, perFeed: 100, unacked: &unacked, full: &bridge.FullWindows{}, expected: 1,
		feeds: []*feed{f},
	}
	member := newMember(bridge.ConsumeOptions{Window: 100}, nil)
	s := &member
	l.attach(&effects{}, s)
	m := message(7)
	out := make([]pushed, 0, fillBatch)
	ids := []codec.MessageID{{LedgerID: 1, EntryID: 7, Partition: -1, BatchIndex: -1}}
	allocs := testing.AllocsPerRun(1000, func() {
		var e effects
		l.deliver(&e, f, m)
		var taken effects
		l.take(&taken, s, out, time.Second)
		var acked effects
		l.acknowledge(&acked, s, ids)
	})
	if allocs > 3 { // the delivery, its place in the session's queue and now and then one in the turn's
		t.Errorf("%v allocations", allocs)
	}
}
