package memory

import (
	"math"
	"testing"
)

func TestAllowance(t *testing.T) {
	b := New(64 << 20)
	if got := b.Allowance(); got != 8<<20 {
		t.Errorf("of an empty budget of 64 MiB: %d", got)
	}
	b.Take(Publishes, 32<<20)
	if got := b.Allowance(); got != 4<<20 {
		t.Errorf("with half of it free: %d", got)
	}
	b.Take(Tails, 40<<20)
	if got := b.Allowance(); got != Least {
		t.Errorf("with nothing free: %d", got)
	}
	b.Take(Tails, -40<<20)
	b.Take(Publishes, -32<<20)
	if got := b.Allowance(); got != 8<<20 {
		t.Errorf("after all was given back: %d", got)
	}
}

// However many holders take all they may have, the budget is not used up.
func TestGreedyHoldersKeepWithinTheLimit(t *testing.T) {
	for _, holders := range []int{1, 10, 500} {
		b := New(64 << 20)
		held := make([]int, holders)
		for grew := true; grew; {
			grew = false
			for i := range held {
				if n := 4 << 10; held[i]+n <= b.Allowance() {
					held[i] += n
					b.Take(Kind(i%int(kinds)), n)
					grew = true
				}
			}
		}
		sum := 0
		for _, n := range held {
			sum += n
			if n < Least/2 {
				t.Errorf("one of %d holders has %d", holders, n)
			}
		}
		if sum > 64<<20 {
			t.Errorf("%d holders have %d", holders, sum)
		}
	}
}

func TestExhausted(t *testing.T) {
	b := New(100 << 20)
	if b.Take(Unread, 99<<20); b.Exhausted() {
		t.Error("with a hundredth free")
	}
	if b.Take(Unread, 1<<20); !b.Exhausted() {
		t.Error("not with nothing free")
	}
}

func TestWithoutLimit(t *testing.T) {
	var none *Budget
	none.Take(Unread, 1)
	none.Refused()
	for name, b := range map[string]*Budget{"nil": none, "0": New(0)} {
		if b.Allowance() < 1<<50 || b.Exhausted() || b.Limit() != math.MaxInt64 {
			t.Errorf("%s: %d, %v, %d", name, b.Allowance(), b.Exhausted(), b.Limit())
		}
	}
}

func TestAvailable(t *testing.T) {
	if got := Available(); got < 64<<20 || got == math.MaxInt64 {
		t.Errorf("%d bytes", got)
	}
}

// A limit that changes counts at once, also below what is held.
func TestLimitThatChanges(t *testing.T) {
	b := New(1 << 20)
	b.Take(Tails, 512<<10)
	b.SetLimit(256 << 10)
	if !b.Exhausted() || b.Allowance() != Least || b.Limit() != 256<<10 {
		t.Errorf("allowance %d of %d", b.Allowance(), b.Limit())
	}
	b.SetLimit(0)
	if b.Exhausted() || b.Limit() != math.MaxInt64 {
		t.Errorf("limit %d", b.Limit())
	}
	(*Budget)(nil).SetLimit(1)
}
