package pulsar

import (
	"testing"

	"github.com/pulsegate/pulsegate/memory"
)

// TestWindowsShareTheMemory has one consumer after the other take all it may have: together they keep within a quarter of the memory, and
// whoever comes alone has a sixteenth of it.
func TestWindowsShareTheMemory(t *testing.T) {
	const limit = 256 << 20
	for _, consumers := range []int{1, 10, 500} {
		b := memory.New(limit)
		w := windows{b}
		for range consumers {
			w.Take(max(w.Allowance(), 0))
		}
		held := b.Held(memory.Windows)
		if held > limit/4 || consumers == 1 && held != limit/16 {
			t.Errorf("%d consumers have %d bytes of %d", consumers, held, limit)
		}
		b.Take(memory.Windows, -int(held))
	}
	b := memory.New(limit)
	b.Take(memory.Unread, limit)
	if n := (windows{b}).Allowance(); n != memory.Least {
		t.Errorf("%d bytes are allowed while nothing is free", n)
	}
	if w := (windows{memory.New(0)}); w.Allowance() < 1<<40 {
		t.Error("no limit is one")
	}
	if w := (windows{}); w.Allowance() < 1<<40 {
		t.Error("no budget is a limit")
	}
}
