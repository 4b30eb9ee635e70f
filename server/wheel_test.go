package server

import (
	"math/rand/v2"
	"testing"
)

func TestWheelLooksInTime(t *testing.T) {
	var w wheel
	rng := rand.New(rand.NewPCG(1, 2))
	w.at = ^uint32(0) - 3000 // the clock wraps within the test
	due := map[*conn]uint32{}
	place := func(c *conn, now uint32) {
		d := now + uint32(rng.IntN(3*wheelSlots))
		due[c] = d
		w.put(c, d)
	}
	for range 1000 {
		place(&conn{}, w.at)
	}
	looked := 0
	for range 10_000 {
		now := w.at + 1 + uint32(rng.IntN(3))
		w.advance(now, func(c *conn) {
			switch early := int32(due[c] - w.at); {
			case early > 0: // further away than a turn: put back
				w.put(c, due[c])
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
	w.all(func(c *conn) { n++; w.remove(c); w.remove(c) })
	if n != 1000 {
		t.Fatalf("%d of 1000 are in the wheel", n)
	}
	w.all(func(*conn) { t.Fatal("not empty") })
}
