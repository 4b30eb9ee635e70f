package pulsar

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar"
)

func TestEntryOfOneMessage(t *testing.T) {
	var tr entryTracker
	e := entryID{1, 1}
	if v := tr.received(e, -1, 0, nil); v != deliver {
		t.Errorf("verdict %d", v)
	}
	if complete, _ := tr.acknowledged(e, -1, 0); !complete || len(tr.entries) != 0 {
		t.Errorf("complete %v, %d entries kept", complete, len(tr.entries))
	}
	tr.unsent(e)
	for range 2 {
		if v := tr.received(e, -1, 0, nil); v != skipAndAck {
			t.Errorf("verdict %d for what the broker does not know", v)
		}
	}
	tr.sent(e)
	if v := tr.received(e, -1, 0, nil); v != deliver || len(tr.entries) != 0 {
		t.Errorf("verdict %d after the broker knows; %d entries kept", v, len(tr.entries))
	}
}

func TestEntryInChunksKeepsItsID(t *testing.T) {
	var tr entryTracker
	id := pulsar.NewMessageID(1, 2, -1, 0)
	tr.received(entryID{1, 2}, -1, 0, id)
	if complete, native := tr.acknowledged(entryID{1, 2}, -1, 0); !complete || native != id {
		t.Errorf("complete %v with %v", complete, native)
	}
}

func TestBatchAheadOfDelivery(t *testing.T) {
	var tr entryTracker
	e := entryID{1, 1}
	for _, i := range []int32{2, 0} {
		if complete, _ := tr.acknowledged(e, i, 0); complete {
			t.Fatal("complete without a size")
		}
	}
	want := []verdict{skip, deliver, skip, deliver}
	for i, v := range want {
		if got := tr.received(e, int32(i), 4, nil); got != v {
			t.Errorf("message %d: verdict %d, want %d", i, got, v)
		}
	}
	if complete, _ := tr.acknowledged(e, 1, 4); complete {
		t.Error("complete with one left")
	}
	if complete, _ := tr.acknowledged(e, 3, 4); !complete || len(tr.entries) != 0 {
		t.Errorf("complete %v; %d entries kept", complete, len(tr.entries))
	}
}

func TestAcknowledgedTwiceCountsOnce(t *testing.T) {
	var tr entryTracker
	e := entryID{1, 1}
	for range 3 {
		if complete, _ := tr.acknowledged(e, 0, 2); complete {
			t.Fatal("complete")
		}
	}
	for _, i := range []int32{-5, 2, 1 << 30} {
		if complete, _ := tr.acknowledged(entryID{1, 2}, i, 2); complete && i >= 0 {
			t.Errorf("complete with index %d of 2", i)
		}
	}
}

func TestAheadIsBounded(t *testing.T) {
	var tr entryTracker
	for i := range int64(3 * maxAhead) {
		tr.acknowledged(entryID{1, i}, 0, 2)
	}
	if len(tr.entries) != maxAhead || tr.waiting != maxAhead {
		t.Fatalf("%d entries, %d in the ring", len(tr.entries), tr.waiting)
	}
	if tr.entries[entryID{1, 0}] != nil || tr.entries[entryID{1, 3*maxAhead - 1}] == nil {
		t.Error("not the oldest was forgotten")
	}
	// What the receiver holds is not forgotten.
	tr.received(entryID{2, 1}, 0, 2, nil)
	for i := range int64(2 * maxAhead) {
		tr.acknowledged(entryID{3, i}, 0, 2)
	}
	if tr.entries[entryID{2, 1}] == nil {
		t.Error("an entry in the receiver's hands was forgotten")
	}
}

func TestReleasedUntouchedIsForgotten(t *testing.T) {
	var tr entryTracker
	tr.received(entryID{1, 1}, 0, 2, nil)
	tr.received(entryID{1, 2}, 0, 2, nil)
	tr.acknowledged(entryID{1, 2}, 0, 2)
	tr.releasedAll()
	if tr.entries[entryID{1, 1}] != nil || tr.entries[entryID{1, 2}] == nil || tr.waiting != 1 {
		t.Errorf("entries %v, waiting %d", tr.entries, tr.waiting)
	}
}

// TestSetBackSubscriptionDelivers checks that what was acknowledged is delivered
// once the connection was lost, except what the broker could not be told of.
func TestSetBackSubscriptionDelivers(t *testing.T) {
	var tr entryTracker
	for i := range int64(2) {
		tr.received(entryID{1, i}, 0, 2, nil)
		tr.released(entryID{1, i})
		tr.acknowledged(entryID{1, i}, 0, 2)
		tr.acknowledged(entryID{1, i}, 1, 2)
	}
	tr.repeated(entryID{1, 2})
	tr.releasedAll()
	tr.unsent(entryID{1, 1})
	for i, want := range []verdict{deliver, skipAndAck} {
		if got := tr.received(entryID{1, int64(i)}, 0, 2, nil); got != want {
			t.Errorf("entry %d: verdict %d, want %d", i, got, want)
		}
	}
	if got := tr.received(entryID{1, 2}, -1, 0, nil); got != deliver {
		t.Errorf("entry of one message: verdict %d", got)
	}
}

// TestTrackerAgainstModel plays deliveries, acknowledgements and releases, and
// compares with the set of acknowledged messages.
func TestTrackerAgainstModel(t *testing.T) {
	const entries, size = 20, 70
	rnd := rand.New(rand.NewPCG(1, 2))
	var tr entryTracker
	acked := map[entryID]map[int32]bool{}
	gone, asked := map[entryID]bool{}, map[entryID]bool{}
	for range 200_000 {
		e := entryID{1, rnd.Int64N(entries)}
		i := rnd.Int32N(size)
		if gone[e] {
			if !asked[e] {
				continue
			}
			if got := tr.received(e, i, size, nil); got != skipAndAck {
				t.Fatalf("entry %v message %d: verdict %d on another copy of what is acknowledged", e, i, got)
			}
			tr.sent(e)
			continue
		}
		switch rnd.IntN(4) {
		case 0:
			want := deliver
			if acked[e][i] {
				want = skip
			}
			if got := tr.received(e, i, size, nil); got != want {
				t.Fatalf("entry %v message %d: verdict %d, want %d", e, i, got, want)
			}
		case 1, 2:
			if acked[e] == nil {
				acked[e] = map[int32]bool{}
			}
			acked[e][i] = true
			complete, _ := tr.acknowledged(e, i, size)
			if complete != (len(acked[e]) == size) {
				t.Fatalf("entry %v: complete %v with %d of %d", e, complete, len(acked[e]), size)
			}
			gone[e] = complete
		case 3:
			tr.released(e)
			asked[e] = asked[e] || tr.entries[e] != nil
		}
	}
	if len(gone) < entries {
		t.Errorf("only %d entries were played to the end", len(gone))
	}
}

// What another client acknowledged of a batch counts, until its connection is
// lost: the broker tells of it with each delivery.
func TestEntryAcknowledgedInPartElsewhere(t *testing.T) {
	var tr entryTracker
	e := entryID{1, 1}
	const size = 70
	all := ackedBits{-1, 1<<(size-64) - 1}
	elsewhere := ackedBits{-1 &^ (1<<3 | 1<<5)} // what is beyond the end is acknowledged, too
	receive := func(bits ackedBits, want map[int32]verdict) {
		t.Helper()
		if bits != nil {
			tr.elsewhere(e, size, bits)
		}
		for i, v := range want {
			if got := tr.received(e, i, size, nil); got != v {
				t.Fatalf("message %d: verdict %d, want %d", i, got, v)
			}
		}
	}
	ack := func(want bool, indexes ...int32) {
		t.Helper()
		for n, i := range indexes {
			if complete, _ := tr.acknowledged(e, i, size); complete != (want && n == len(indexes)-1) {
				t.Fatalf("acknowledged %d of %v: complete %t", i, indexes, complete)
			}
		}
	}
	receive(elsewhere, map[int32]verdict{0: deliver, 63: deliver})
	ack(false, 0, 1, 2, 4)
	// Asked for again, it comes as before.
	tr.released(e)
	receive(elsewhere, map[int32]verdict{0: skip, 6: deliver, 63: deliver})
	// The subscription was set back: what others acknowledged comes.
	tr.releasedAll()
	receive(all, map[int32]verdict{0: skip, 3: deliver, 5: deliver, 64: deliver, 69: deliver})
	tr.releasedAll()
	receive(elsewhere, map[int32]verdict{6: deliver})
	var rest []int32
	for i := int32(6); i < 64; i++ {
		rest = append(rest, i)
	}
	ack(true, rest...)
	if len(tr.entries) != 0 {
		t.Errorf("%d entries are left", len(tr.entries))
	}
	// All that is left was acknowledged here and could not be sent, or is known to be done.
	tr.unsent(e)
	receive(elsewhere, map[int32]verdict{6: skipAndAck})
}

// Acknowledgements of made-up places in batches cost bounded memory.
func TestPlacesThatClientsClaimAreBounded(t *testing.T) {
	var tr entryTracker
	for i := range int64(3 * maxAhead) {
		tr.acknowledged(entryID{1, i}, maxBatch-1, 0)
		tr.acknowledged(entryID{2, i}, 0, maxBatch)
		tr.acknowledged(entryID{3, i}, 1<<31-1, 1<<31-1)
	}
	words := 0
	for e := tr.ahead.next; e != &tr.ahead; e = e.next {
		words += len(e.acked)
	}
	if words != tr.words || words > maxAheadWords || tr.waiting > maxAhead || len(tr.entries) != tr.waiting {
		t.Errorf("%d words, counted %d, of %d entries in a ring of %d", words, tr.words, len(tr.entries), tr.waiting)
	}
	for range 3 {
		tr.releasedAll()
		tr.received(tr.ahead.next.id, 0, 2, nil)
	}
	words = 0
	for e := tr.ahead.next; e != &tr.ahead; e = e.next {
		words += len(e.acked)
	}
	if words != tr.words {
		t.Errorf("%d words, counted %d", words, tr.words)
	}
}
