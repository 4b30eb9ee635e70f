package codec

import "testing"

func TestPosition(t *testing.T) {
	whole := func(ledger, entry int64) Position { return Position{ledger, entry, -1} }
	for _, c := range []struct {
		a, b          Position
		after, covers bool // a after b, a covers b
	}{
		{whole(1, 1), whole(1, 1), false, true},
		{whole(1, 2), whole(1, 1), true, true},
		{whole(1, 1), whole(1, 2), false, false},
		{whole(2, 0), whole(1, 9), true, true},
		{whole(1, 9), whole(2, 0), false, false},
		{Position{1, 1, 2}, Position{1, 1, 1}, true, true},
		{Position{1, 1, 1}, Position{1, 1, 2}, false, false},
		{Position{1, 1, 1}, Position{1, 1, 1}, false, true},
		// A batch, and a message in it.
		{whole(1, 1), Position{1, 1, 3}, false, true},
		{Position{1, 1, 3}, whole(1, 1), false, false},
		{Position{1, 2, 0}, whole(1, 1), true, true},
		{whole(1, 1), Position{1, 2, 0}, false, false},
	} {
		if got := c.a.After(c.b); got != c.after {
			t.Errorf("%v after %v: %t", c.a, c.b, got)
		}
		if got := c.a.Covers(c.b); got != c.covers {
			t.Errorf("%v covers %v: %t", c.a, c.b, got)
		}
		if got := c.a.Compare(c.b); got != -c.b.Compare(c.a) || (got == 0) != (c.a == c.b) {
			t.Errorf("%v and %v compare as %d", c.a, c.b, got)
		}
	}
}

// After orders the messages of a topic, of which a ring relies: for each position, what is
// after it follows what is not.
func TestAfterSplitsATopic(t *testing.T) {
	var topic []Position
	for ledger := range int64(2) {
		for entry := range int64(3) {
			if entry == 1 {
				topic = append(topic, Position{ledger, entry, 0}, Position{ledger, entry, 1}, Position{ledger, entry, 2})
			} else {
				topic = append(topic, Position{ledger, entry, -1})
			}
		}
	}
	for ledger := range int64(2) {
		for entry := int64(-1); entry < 4; entry++ {
			for batch := int32(-1); batch < 4; batch++ {
				at, after := Position{ledger, entry, batch}, false
				for _, p := range topic {
					if after && !p.After(at) {
						t.Errorf("%v is not after %v, and one before it is", p, at)
					}
					after = after || p.After(at)
				}
			}
		}
	}
}
