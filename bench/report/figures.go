//go:build linux

package report

import (
	"slices"

	"gonum.org/v1/plot"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// latencies are the three that are measured.
var latencies = []struct {
	name   string
	of     func(*bench.Result) bench.Latency
	second func(*bench.Second) measure.Percentiles
}{
	{"end to end", func(r *bench.Result) bench.Latency { return r.Latency.EndToEnd }, func(s *bench.Second) measure.Percentiles { return s.EndToEnd }},
	{"publish", func(r *bench.Result) bench.Latency { return r.Latency.Publish }, func(s *bench.Second) measure.Percentiles { return s.Publish }},
	{"opening", func(r *bench.Result) bench.Latency { return r.Latency.Open }, func(s *bench.Second) measure.Percentiles { return s.Opening }},
}

// figures are the charts of a section. Those with nothing to show are left out.
var figures = []struct {
	title string
	draw  func([]Entry) ([]byte, error)
}{
	{"Throughput over time", throughput},
	{"Latency over time: end to end", func(e []Entry) ([]byte, error) { return latencyOverTime(e, 0) }},
	{"Latency over time: publish", func(e []Entry) ([]byte, error) { return latencyOverTime(e, 1) }},
	{"Latency distribution: end to end", func(e []Entry) ([]byte, error) { return distribution(e, 0) }},
	{"Latency distribution: publish", func(e []Entry) ([]byte, error) { return distribution(e, 1) }},
	{"Latency distribution: opening a session", func(e []Entry) ([]byte, error) { return distribution(e, 2) }},
	{"Server CPU over time", func(e []Entry) ([]byte, error) {
		return overTime(e, "cores", func(s *bench.Second) float64 { return s.ServerCPU })
	}},
	{"Server memory over time", func(e []Entry) ([]byte, error) {
		return overTime(e, "MiB", func(s *bench.Second) float64 { return float64(s.Memory) / (1 << 20) })
	}},
	{"Server memory against open sessions, while they open", memoryBySessions},
}

// shortest is the shortest span, in seconds, that says something of a rate.
const shortest = 0.2

var seconds = Axis{Label: "seconds"}

func throughput(entries []Entry) ([]byte, error) {
	var lines []Line
	for i, e := range entries {
		published, received := Line{Name: e.Name + ": published", Color: i}, Line{Name: e.Name + ": received", Color: i, Dashed: true}
		for _, s := range e.Result.Series {
			if s.Span >= shortest {
				published.Points = append(published.Points, Point{s.At, float64(s.Confirmed) / s.Span})
				received.Points = append(received.Points, Point{s.At, float64(s.Received) / s.Span})
			}
		}
		lines = append(lines, some(published)...)
		lines = append(lines, some(received)...)
	}
	return LineChart(seconds, Axis{Label: "messages per second"}, lines)
}

// some is the line alone, or nothing if it is zero all along.
func some(l Line) []Line {
	if slices.ContainsFunc(l.Points, func(p Point) bool { return p.Y != 0 }) {
		return []Line{l}
	}
	return nil
}

func latencyOverTime(entries []Entry, which int) ([]byte, error) {
	var lines []Line
	for i, e := range entries {
		p50, p99 := Line{Name: e.Name + ": p50", Color: i}, Line{Name: e.Name + ": p99", Color: i, Dashed: true}
		for j := range e.Result.Series {
			s := &e.Result.Series[j]
			if p := latencies[which].second(s); p.Count > 0 {
				p50.Points = append(p50.Points, Point{s.At, p.P50})
				p99.Points = append(p99.Points, Point{s.At, p.P99})
			}
		}
		lines = append(lines, some(p50)...)
		lines = append(lines, some(p99)...)
	}
	return LineChart(seconds, Axis{Label: "milliseconds", Log: true}, lines)
}

// distribution is drawn over 1 / (1 − share), so that each further nine has the
// same room.
func distribution(entries []Entry, which int) ([]byte, error) {
	x := Axis{Label: "percent of all", Log: true, Ticks: []plot.Tick{
		{Value: 1, Label: "0"}, {Value: 2, Label: "50"}, {Value: 10, Label: "90"}, {Value: 100, Label: "99"}, {Value: 1e3, Label: "99.9"}, {Value: 1e4, Label: "99.99"}, {Value: 1e5, Label: "99.999"}, {Value: 1e6, Label: "99.9999"},
	}}
	var lines []Line
	for i, e := range entries {
		l := Line{Name: e.Name, Color: i}
		for _, p := range latencies[which].of(e.Result).Distribution {
			if p.Percent < 100 {
				l.Points = append(l.Points, Point{1 / (1 - p.Percent/100), p.Millis})
			}
		}
		lines = append(lines, some(l)...)
	}
	return LineChart(x, Axis{Label: "milliseconds", Log: true}, lines)
}

func overTime(entries []Entry, label string, value func(*bench.Second) float64) ([]byte, error) {
	var lines []Line
	for i, e := range entries {
		l := Line{Name: e.Name, Color: i}
		for j := range e.Result.Series {
			if s := &e.Result.Series[j]; s.Span >= shortest {
				l.Points = append(l.Points, Point{s.At, value(s)})
			}
		}
		lines = append(lines, some(l)...)
	}
	return LineChart(seconds, Axis{Label: label}, lines)
}

// fewest sessions that are worth a chart of memory.
const fewest = 100

func memoryBySessions(entries []Entry) ([]byte, error) {
	var lines []Line
	for i, e := range entries {
		l := Line{Name: e.Name, Color: i}
		if e.Result.Server != nil && e.Result.Sessions.Open >= fewest {
			l.Points = append(l.Points, Point{0, float64(e.Result.Server.MemoryBefore) / (1 << 20)})
			for _, s := range e.Result.Series {
				if s.Phase == "ramp-up" {
					l.Points = append(l.Points, Point{float64(s.Open), float64(s.Memory) / (1 << 20)})
				}
			}
		}
		lines = append(lines, some(l)...)
	}
	return LineChart(Axis{Label: "open sessions"}, Axis{Label: "MiB"}, lines)
}
