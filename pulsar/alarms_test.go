package pulsar

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestAlarms rings in order, each alarm once, and none that is cleared or after the end.
func TestAlarms(t *testing.T) {
	a := newAlarms()
	rang := make(chan int, 200)
	list := make([]alarm, 100)
	for i := range list {
		list[i].ring = func() { rang <- i }
	}
	for _, i := range rand.Perm(len(list)) {
		a.set(&list[i], time.Hour)
		a.set(&list[i], time.Duration(20+i)*time.Millisecond)
		a.set(&list[i], time.Hour) // is later: changes nothing
	}
	for i := 0; i < len(list); i += 3 {
		a.clear(&list[i])
	}
	for i := range list {
		if i%3 == 0 {
			continue
		}
		if got := receive(t, "an alarm", rang); got != i {
			t.Fatalf("alarm %d rings, not %d", got, i)
		}
	}
	var last alarm
	last.ring = func() { t.Error("an alarm after the end") }
	a.close()
	a.set(&last, 0)
	if len(rang) > 0 {
		t.Error("one rings that was cleared")
	}
}

func TestBackoff(t *testing.T) {
	o := Options{MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Second}
	var b backoff
	for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		want *= time.Millisecond
		if got := b.next(&o); got > want || got < want*9/10 {
			t.Errorf("%s, not a bit less than %s", got, want)
		}
	}
}
