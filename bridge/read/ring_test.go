package read

import (
	"math/rand/v2"
	"testing"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
)

// A ring finds by position what looking at every frame finds, and counts what it holds.
func TestRing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var r ring
	var all []codec.Position // of all frames that were ever in it
	at := codec.Position{Batch: -1}
	encoded := map[int]*ws.Frame{}
	for range 3000 {
		switch {
		case random.IntN(3) > 0:
			if at.Batch >= 0 && random.IntN(3) > 0 {
				at.Batch++
			} else {
				at = codec.Position{Ledger: at.Ledger, Entry: at.Entry + 1 + random.Int64N(2), Batch: random.Int32N(2) - 1}
				at.Ledger += random.Int64N(2)
			}
			size := random.IntN(50)
			if encoded[size] == nil {
				encoded[size] = ws.BuildFrame(func(dst []byte) []byte { return append(dst, make([]byte, size)...) })
			}
			id := codec.MessageID{LedgerID: at.Ledger, EntryID: at.Entry, BatchIndex: at.Batch}
			if !r.endsBefore(&id) {
				t.Fatalf("%v is not after all in the ring", at)
			}
			r.push(frame{id: id, ws: encoded[size]})
			all = append(all, at)
		case len(r.frames) > 0:
			before, bound := r.bytes, random.IntN(r.bytes+1)
			most := random.IntN(len(r.frames) + 1)
			n := r.over(bound, most)
			if dropped := r.drop(n); before-dropped != r.bytes || n > 0 && before <= bound || n < most && r.bytes > bound {
				t.Fatalf("%d frames of %d bytes dropped from %d, to fit %d", n, dropped, before, bound)
			}
		}
		bytes := 0
		for i := range r.frames {
			bytes += r.frames[i].ws.Len()
		}
		if r.bytes != bytes || r.end() != uint64(len(all)) {
			t.Fatalf("%d bytes and %d frames, counted %d and %d", bytes, len(all), r.bytes, r.end())
		}
		if len(all) == 0 {
			continue
		}
		asked := all[max(0, len(all)-1-random.IntN(30))]
		if random.IntN(2) == 0 {
			asked.Batch = random.Int32N(3) - 1
		}
		want := r.first
		for want < r.end() && !all[want].After(asked) {
			want++
		}
		if got := r.after(asked); got != want {
			t.Fatalf("what is after %v begins at %d, found %d", asked, want, got)
		}
		if n := len(r.frames); n > 0 {
			if got, want := r.spans(asked), want < r.end() && !all[r.first].After(asked); got != want {
				t.Fatalf("spans %v: %t", asked, got)
			}
			if id := r.at(r.first).id; id.Position() != all[r.first] {
				t.Fatalf("the first frame is %v", id)
			}
		}
	}
}
