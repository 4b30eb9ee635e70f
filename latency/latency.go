// Package latency counts how long things took. A [Histogram] takes an observation with one atomic
// addition for its place and one for the sum, and has both forms that Prometheus knows: the classic buckets of
// [Bounds], and native ones, each 2^(1/8) as wide as the one below.
package latency

import (
	"math"
	"math/bits"
	"sort"
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the classic buckets; above the last there is one without.
var Bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
}

// Schema is Prometheus' number of the native buckets' widths: 2^3 of them to an octave.
const Schema = 3

// The native buckets reach from 2^lowest to 2^highest seconds: a microsecond to more than an hour. What took less is
// in the one for zero, what took more in the highest.
const (
	perOctave = 1 << Schema
	lowest    = -20
	highest   = 12
)

// cells is how many parts the time is cut into by the bounds of both kinds: at each that is no bound of the other, too,
// and one part above.
const cells = (highest-lowest)*perOctave + 1 + len(Bounds) - 1 + 1 // a second is a bound of both

var (
	upper   [cells - 1]int64 // in nanoseconds, included; rising
	natives [cells]int       // the native bucket that a cell is a part of
	classic [cells]int       // the classic one
	starts  [65]int          // the first cell that a number of so many binary digits can be in
)

func init() {
	list := make([]int64, 0, cells)
	for _, b := range Bounds[:] {
		list = append(list, int64(b))
	}
	for key := lowest * perOctave; key <= highest*perOctave; key++ {
		if bound := int64(math.Exp2(float64(key)/perOctave) * 1e9); bound != int64(time.Second) {
			list = append(list, bound)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	copy(upper[:], list)
	key := lowest * perOctave
	for i := range natives {
		natives[i], classic[i] = highest*perOctave, len(Bounds)
		if i < len(upper) {
			for int64(math.Exp2(float64(key)/perOctave)*1e9) < upper[i] {
				key++
			}
			natives[i] = key
			classic[i] = sort.Search(len(Bounds), func(b int) bool { return int64(Bounds[b]) >= upper[i] })
		}
	}
	for n := range starts {
		least := int64(math.MaxInt64)
		if n == 0 {
			least = 0
		} else if n < 64 {
			least = 1 << (n - 1)
		}
		starts[n] = sort.Search(len(upper), func(i int) bool { return upper[i] >= least })
	}
}

// cellOf is the cell of a time.
func cellOf(d time.Duration) int {
	at := starts[bits.Len64(uint64(d))]
	for at < len(upper) && upper[at] < int64(d) {
		at++
	}
	return at
}

// Histogram counts times. The zero value is ready; it may be used from any goroutine.
type Histogram struct {
	sum    atomic.Uint64 // nanoseconds
	counts [cells]atomic.Uint64
}

// Observe counts n times of d; a negative one is 0.
func (h *Histogram) Observe(d time.Duration, n int) {
	d = max(d, 0)
	h.sum.Add(uint64(d) * uint64(n))
	h.counts[cellOf(d)].Add(uint64(n))
}

// Counter counts messages that were written, their bytes of payload together, and how long each had waited.
type Counter interface {
	Delivered(messages, bytes int, waited time.Duration)
}

// Run gathers messages that are to be counted at once: those that have waited as long as the one before.
// It is one goroutine's.
type Run struct {
	messages, bytes int
	waited          time.Duration
}

// Add counts a message, in to only when one comes that has waited for a different time, or with [Run.End].
func (r *Run) Add(to Counter, bytes int, waited time.Duration) {
	if waited != r.waited {
		r.End(to)
	}
	r.waited = waited
	r.messages++
	r.bytes += bytes
}

// End counts what was gathered.
func (r *Run) End(to Counter) {
	if r.messages > 0 {
		to.Delivered(r.messages, r.bytes, r.waited)
		*r = Run{}
	}
}

// Snapshot is what a histogram has counted.
type Snapshot struct {
	Sum    time.Duration
	counts [cells]uint64
}

// Snapshot reads it. What is counted meanwhile may be in it or not.
func (h *Histogram) Snapshot() *Snapshot {
	s := &Snapshot{Sum: time.Duration(h.sum.Load())}
	for i := range s.counts {
		s.counts[i] = h.counts[i].Load()
	}
	return s
}

// Count is how many times were counted.
func (s *Snapshot) Count() (n uint64) {
	for _, c := range s.counts {
		n += c
	}
	return n
}

// Classic are the counts of the times up to each of [Bounds].
func (s *Snapshot) Classic() (counts [len(Bounds)]uint64) {
	for i, n := range s.counts {
		for b := classic[i]; b < len(counts); b++ {
			counts[b] += n
		}
	}
	return counts
}

// ZeroThreshold is up to what a time is in the native bucket for zero, in seconds.
func ZeroThreshold() float64 { return math.Exp2(lowest) }

// Native are the counts of the native buckets: of zero, and from the one numbered first on.
func (s *Snapshot) Native() (zero uint64, first int, counts []uint64) {
	first = lowest*perOctave + 1
	counts = make([]uint64, highest*perOctave-first+1)
	for i, n := range s.counts {
		if natives[i] < first {
			zero += n
		} else {
			counts[natives[i]-first] += n
		}
	}
	return zero, first, counts
}
