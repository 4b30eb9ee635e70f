package ws

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// keeper keeps the costly messages, and collects what becomes of the others.
type keeper struct {
	collector
	kept []*Costly
	work int
	r    *Reader
}

func (k *keeper) Message(op Opcode, p []byte) bool {
	k.work += k.r.TakeWork()
	return k.collector.Message(op, p)
}

func (k *keeper) Costly(m *Costly) { k.kept = append(k.kept, m) }

// What may take long is left to be delivered later, and is then what it would have been.
func TestCostlyMessages(t *testing.T) {
	const inline = 1600
	limits := &Limits{MaxMessage: 10_000, Inline: inline}
	random := make([]byte, inline/compressedCost) // does not compress
	for i := range random {
		random[i] = byte(i * 97)
	}
	zeros := string(squeeze(make([]byte, inline+1)))
	for _, c := range []struct {
		name   string
		first  byte
		in     string
		costly bool
		work   int
	}{
		{"at the bound", 0x81, strings.Repeat("x", inline), false, 0},
		{"beyond it", 0x81, strings.Repeat("x", inline+1), true, 0},
		{"binary", 0x82, strings.Repeat("\xff", inline+1), true, 0},
		{"no UTF-8", 0x81, strings.Repeat("x", inline) + "\xc3", true, 0},
		{"compressed", 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", false, 7 * compressedCost},
		{"much of it", 0xc2, string(squeeze(random)), true, 0},
		{"that becomes long", 0xc1, zeros, true, 0},
		{"compressed, wrong, long", 0xc1, strings.Repeat("\xff", inline/compressedCost+1), true, 0},
		{"compressed, too long for a message, short", 0xc1, string(squeeze(make([]byte, 10_001))), false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := frame(c.first, []byte(c.in))
			var plain Reader
			plain.SetDeflate(true)
			var want collector
			want.feedAll(&plain, &Limits{MaxMessage: 10_000}, in)

			r := &Reader{}
			r.SetDeflate(true)
			got := &keeper{r: r}
			half := len(in) / 2
			stream := append(bytes.Clone(in), text("behind")...)
			n, err := r.Feed(limits, stream[:half], got)
			if n != half || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
			n, err = r.Feed(limits, stream[half:], got)
			if c.costly {
				if n != len(in)-half || err != nil || len(got.kept) != 1 || len(got.events) != 0 {
					t.Fatalf("%d bytes were taken of %d, %v, %d messages kept, %q", n, len(in)-half, err, len(got.kept), got.events)
				}
				_, err = got.kept[0].Deliver(limits, &got.collector)
			} else if len(got.kept) != 0 {
				t.Fatal("left for later")
			}
			if err != nil {
				ce := &CloseError{}
				if !errors.As(err, &ce) || ce.Code != want.code || len(got.events) != 0 {
					t.Fatalf("%v, want %d; %q", err, want.code, got.events)
				}
				return
			}
			if len(want.events) != 1 || got.events[0] != want.events[0] || got.work != c.work {
				t.Fatalf("%.100q with work %d, want %.100q with %d", got.events, got.work, want.events, c.work)
			}
			// The stream goes on.
			if c.costly {
				if _, err := r.Feed(limits, stream[half+n:], got); err != nil {
					t.Fatal(err)
				}
			}
			if last := got.events[len(got.events)-1]; !strings.HasSuffix(last, fmt.Sprintf("%x", "behind")) {
				t.Fatalf("behind it %q", last)
			}
		})
	}
}
