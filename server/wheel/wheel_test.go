package wheel

import (
	"math/rand/v2"
	"testing"
)

type thing struct{ links Links[thing] }

func (t *thing) Links() *Links[thing] { return &t.links }

func TestWheelLooksInTime(t *testing.T) {
	var w Wheel[thing, *thing]
	rng := rand.New(rand.NewPCG(1, 2))
	w.at = ^uint32(0) - 3000 // the clock wraps within the test
	due := map[*thing]uint32{}
	place := func(c *thing, now uint32) {
		d := now + uint32(rng.IntN(3*Slots))
		due[c] = d
		w.Put(c, d)
	}
	for range 1000 {
		place(&thing{}, w.at)
	}
	looked := 0
	for range 10_000 {
		now := w.at + 1 + uint32(rng.IntN(3))
		w.Advance(now, func(c *thing) {
			switch early := int32(due[c] - w.at); {
			case early > 0: // further away than a turn: put back
				w.Put(c, due[c])
			case early < -1:
				t.Fatalf("looked %d ticks late", -early)
			default:
				looked++
				place(c, w.at)
			}
		})
	}
	if looked < 1000 {
		t.Fatalf("looked %d times", looked)
	}
	n := 0
	w.All(func(c *thing) { n++; w.Remove(c); w.Remove(c) })
	if n != 1000 {
		t.Fatalf("%d of 1000 are in the wheel", n)
	}
	w.All(func(*thing) { t.Fatal("not empty") })
}
