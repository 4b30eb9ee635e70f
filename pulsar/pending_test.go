package pulsar

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzPending plays any events to a producer's queue and to a plain list, and compares: every
// entry is answered once, what is to be sent is the oldest that was not, and after a reconnect
// everything that is not answered is sent again in order.
func FuzzPending(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 2, 6, 1, 1, 2, 2})
	f.Add([]byte{0, 1, 0, 1, 0, 1, 3, 3, 2, 5, 4, 6, 1, 2})
	f.Add([]byte{0, 8, 16, 24, 32, 1, 1, 1, 11, 2, 2, 5, 5, 6, 7, 0})
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		b := make([]byte, 500)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, events []byte) {
		events = events[:min(len(events), 1000)]
		type open struct {
			first, last   uint64
			sent, refused bool
		}
		var q pending
		var model []open
		var seq uint64 = 10
		due := int64(1)
		took := func(e entry, i int, what string) {
			if e.first != model[i].first || e.last != model[i].last {
				t.Fatalf("%s: entry %d, not %d", what, e.first, model[i].first)
			}
			model = slices.Delete(model, i, i+1)
		}
		next := func() int { return slices.IndexFunc(model, func(x open) bool { return !x.sent && !x.refused }) }
		refused := func() {
			for {
				e, ok := q.refused()
				if want := len(model) > 0 && model[0].refused; ok != want {
					t.Fatalf("%t: the oldest is refused, %t", ok, want)
				}
				if !ok {
					return
				}
				if e.err == nil {
					t.Fatal("refused without a reason")
				}
				took(e, 0, "refusal")
			}
		}
		for _, ev := range events {
			arg := int(ev >> 3)
			switch ev & 7 {
			case 0: // a message, or a batch
				e := entry{first: seq, last: seq, due: due}
				if arg > 0 {
					e.batch = make([]Done, arg)
					e.last = seq + uint64(arg) - 1
				}
				seq = e.last + 1
				due++
				q.push(e)
				model = append(model, open{first: e.first, last: e.last})
			case 1: // send one
				e, i := q.next(), next()
				if (e == nil) != (i < 0) {
					t.Fatalf("next is %v, and entry %d of the list", e, i)
				}
				if e != nil {
					if e.first != model[i].first {
						t.Fatalf("next is %d, not %d", e.first, model[i].first)
					}
					model[i].sent = true
					q.wasSent()
				}
			case 2: // a receipt for the oldest
				if len(model) > 0 && model[0].sent {
					e, v := q.receipt(model[0].first)
					if v != answered {
						t.Fatalf("the receipt for %d is %d", model[0].first, v)
					}
					took(e, 0, "receipt")
				}
			case 3: // a receipt for any sequence id
				at := uint64(arg) + 8
				e, v := q.receipt(at)
				switch {
				case v == answered:
					if len(model) == 0 || model[0].first != at || !model[0].sent {
						t.Fatalf("a receipt for %d answers", at)
					}
					took(e, 0, "receipt")
				case len(model) > 0 && model[0].sent && model[0].first == at:
					t.Fatalf("a receipt for %d does not answer", at)
				case v == stale && len(model) > 0 && at >= model[0].first:
					t.Fatalf("a receipt for %d is stale, the oldest is %d", at, model[0].first)
				}
			case 4: // a refusal
				at := uint64(arg) + 8
				i := slices.IndexFunc(model, func(x open) bool { return x.sent && x.first <= at && at <= x.last })
				q.refuse(at, errors.New("refused"))
				if i >= 0 {
					model[i].refused = true
				}
			case 5: // time passes
				e, ok := q.expired(due / 2)
				if want := len(model) > 0 && q.due() > 0 && q.due() <= due/2; want && !ok {
					t.Fatal("the oldest is due and stays")
				}
				if ok {
					took(e, 0, "expiry")
				}
			case 6: // a reconnect; or the end of the topic
				if arg == 1 {
					q.refuseRest(errors.New("over"))
					for i := range model {
						model[i].refused = model[i].refused || !model[i].sent
					}
					break
				}
				q.restart()
				for i := range model {
					model[i].sent = false
				}
			case 7: // what is next is too big
				if i := next(); i >= 0 {
					q.next()
					took(q.drop(), i, "drop")
				}
			}
			refused()
			messages := 0
			for _, x := range model {
				messages += int(x.last - x.first + 1)
			}
			if q.messages != messages {
				t.Fatalf("%d messages, not %d", q.messages, messages)
			}
			if len(model) == 0 && q.size != 0 {
				t.Fatalf("%d entries are kept for nothing", q.size)
			}
		}
		all := q.all()
		for i, x := range model {
			if i >= len(all) || all[i].first != x.first {
				t.Fatalf("at the end there are %d entries, not %d", len(all), len(model))
			}
		}
	})
}
