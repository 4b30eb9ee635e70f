// Package measure counts what a load generator sees: latencies, what was lost,
// repeated or out of order, and what a server's process costs.
package measure

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range and precision of a [Latency]: from a microsecond to an hour, within
// a thousandth of the value.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Hour)
	digits  = 3
)

// Latency collects durations. It belongs to one goroutine.
type Latency struct{ h *hdrhistogram.Histogram }

// NewLatency makes an empty one. It takes some 200 KB.
func NewLatency() *Latency { return &Latency{hdrhistogram.New(lowest, highest, digits)} }

// Record adds a duration in nanoseconds; one out of range counts as the range's end.
func (l *Latency) Record(ns int64) {
	// A value inside the range is always taken.
	_ = l.h.RecordValue(min(max(ns, 0), highest))
}

// Add adds all that o holds. A nil one holds nothing.
func (l *Latency) Add(o *Latency) {
	if o != nil {
		l.h.Merge(o.h)
	}
}

// Reset empties l.
func (l *Latency) Reset() { l.h.Reset() }

// GobEncode makes a Latency one that other processes can add.
func (l *Latency) GobEncode() ([]byte, error) {
	return l.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// GobDecode reads what GobEncode wrote.
func (l *Latency) GobDecode(b []byte) (err error) {
	l.h, err = hdrhistogram.Decode(b)
	return err
}

// Count is the number of durations.
func (l *Latency) Count() int64 { return l.h.TotalCount() }

// Percentiles are durations in milliseconds.
type Percentiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	P9999 float64 `json:"p9999"`
	Max   float64 `json:"max"`
}

func millis(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }

// Percentiles tells the usual ones; all zero when l is empty.
func (l *Latency) Percentiles() Percentiles {
	if l.Count() == 0 {
		return Percentiles{}
	}
	return Percentiles{
		Count: l.Count(), Mean: l.h.Mean() / float64(time.Millisecond),
		P50: millis(l.h.ValueAtQuantile(50)), P90: millis(l.h.ValueAtQuantile(90)), P99: millis(l.h.ValueAtQuantile(99)),
		P999: millis(l.h.ValueAtQuantile(99.9)), P9999: millis(l.h.ValueAtQuantile(99.99)), Max: millis(l.h.Max()),
	}
}

// Point is one point of a distribution: that share of the durations, in
// percent, is at most so many milliseconds.
type Point struct {
	Percent float64 `json:"percent"`
	Millis  float64 `json:"ms"`
}

// Distribution is the whole of l, denser towards the maximum.
func (l *Latency) Distribution() []Point {
	if l.Count() == 0 {
		return nil
	}
	var points []Point
	for _, b := range l.h.CumulativeDistributionWithTicks(5) {
		points = append(points, Point{b.Quantile, millis(b.ValueAt)})
	}
	return points
}
