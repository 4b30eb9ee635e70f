package latency

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Each time is in the buckets whose bounds say so.
func TestBuckets(t *testing.T) {
	times := []time.Duration{-1, 0, 1, 953, 954, 955, time.Hour, 2 * time.Hour, math.MaxInt64}
	for _, b := range upper {
		times = append(times, time.Duration(b-1), time.Duration(b), time.Duration(b+1))
	}
	for range 1000 {
		times = append(times, time.Duration(math.Exp(rand.Float64()*30)))
	}
	for _, d := range times {
		var h Histogram
		h.Observe(d, 3)
		s := h.Snapshot()
		if s.Count() != 3 || s.Sum != 3*max(d, 0) {
			t.Errorf("%v: %d, together %v", d, s.Count(), s.Sum)
		}
		for i, n := range s.Classic() {
			if in := d <= Bounds[i]; (n == 3) != in || (n == 0) == in {
				t.Errorf("%v: %d up to %v", d, n, Bounds[i])
			}
		}
		zero, first, counts := s.Native()
		if (zero == 3) != (max(d, 0).Seconds() <= ZeroThreshold()) {
			t.Errorf("%v: %d of zero", d, zero)
		}
		for i, n := range counts {
			if n == 0 {
				continue
			}
			low, high := math.Exp2(float64(first+i-1)/perOctave), math.Exp2(float64(first+i)/perOctave)
			if v := d.Seconds(); n != 3 || v <= low-1e-9 || v > high+1e-9 && i < len(counts)-1 {
				t.Errorf("%v: %d in (%v, %v]", d, n, low, high)
			}
		}
	}
}

// counter counts in a histogram.
type counter struct {
	Histogram
	calls, bytes int
}

func (c *counter) Delivered(messages, bytes int, waited time.Duration) {
	c.calls++
	c.bytes += bytes
	c.Observe(waited, messages)
}

// What is gathered is counted once, whatever its order.
func TestRun(t *testing.T) {
	var c counter
	var r Run
	for _, d := range []time.Duration{5, 5, 5, time.Second, 5, 5} {
		r.Add(&c, 10, d)
	}
	if n := c.Snapshot().Count(); n != 4 || c.calls != 2 || c.bytes != 40 {
		t.Errorf("%d of %d bytes in %d calls before the last ones are counted", n, c.bytes, c.calls)
	}
	r.End(&c)
	r.End(&c)
	if s := c.Snapshot(); s.Count() != 6 || s.Sum != time.Second+25 || s.Classic()[0] != 5 || c.calls != 3 || c.bytes != 60 {
		t.Errorf("%d, together %v, %v, of %d bytes in %d calls", s.Count(), s.Sum, s.Classic(), c.bytes, c.calls)
	}
}

// What came together has the time of the first, until some of it is written.
func TestArrival(t *testing.T) {
	var a Arrival
	first := a.Now()
	for Now() == first {
		continue
	}
	if a.Now() != first {
		t.Error("what came behind it has a time of its own")
	}
	a.Over()
	if a.Now() == first {
		t.Error("what came after it was written has its time")
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	for i := range b.N {
		h.Observe(time.Duration(i)*time.Microsecond, 1)
	}
}
