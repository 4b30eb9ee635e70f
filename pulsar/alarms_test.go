package pulsar

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestAlarms rings in order, each alarm once, and none that is cleared or after the end.
func TestAlarms(t *testing.T) {
	a := &alarms{wake: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{})}
	rang := make(chan int, 200)
	list := make([]alarm, 100)
	for i := range list {
		list[i].ring = func() { rang <- i }
	}
	for _, i := range rand.Perm(len(list)) {
		a.set(&list[i], time.Hour)
		a.set(&list[i], time.Duration(i-1000)*time.Minute) // was due, before the next one
		a.set(&list[i], time.Hour)                         // is later: changes nothing
	}
	for i := 0; i < len(list); i += 3 {
		a.clear(&list[i])
	}
	go a.run() // not before, as setting them takes time
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

// TestAlarmWakes rings one that is set while another is waited for.
func TestAlarmWakes(t *testing.T) {
	a := newAlarms()
	defer a.close()
	rang := make(chan struct{}, 1)
	late, soon := alarm{ring: func() { t.Error("an hour is over") }}, alarm{ring: func() { rang <- struct{}{} }}
	a.set(&late, time.Hour)
	a.set(&soon, time.Millisecond)
	receive(t, "the alarm", rang)
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
