//go:build linux

package report

import (
	"html/template"
	"slices"

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
	draw  func([]Entry) template.HTML
}{
	{"Throughput over time", throughput},
	{"Latency over time: end to end", func(e []Entry) template.HTML { return latencyOverTime(e, 0) }},
	{"Latency over time: publish", func(e []Entry) template.HTML { return latencyOverTime(e, 1) }},
	{"Latency distribution: end to end", func(e []Entry) template.HTML { return distribution(e, 0) }},
	{"Latency distribution: publish", func(e []Entry) template.HTML { return distribution(e, 1) }},
	{"Latency distribution: opening a session", func(e []Entry) template.HTML { return distribution(e, 2) }},
	{"Server CPU over time", func(e []Entry) template.HTML {
		return overTime(e, "cores", func(s *bench.Second) float64 { return s.ServerCPU })
	}},
	{"Server memory over time", func(e []Entry) template.HTML {
		return overTime(e, "MiB", func(s *bench.Second) float64 { return float64(s.Memory) / (1 << 20) })
	}},
	{"Server memory against open sessions, while they open", memoryBySessions},
}

// shortest is the shortest span, in seconds, that says something of a rate.
const shortest = 0.2

var seconds = axis{label: "seconds"}

func throughput(entries []Entry) template.HTML {
	var lines []line
	for i, e := range entries {
		published, received := line{name: e.Name + ": published", color: i}, line{name: e.Name + ": received", color: i, dashed: true}
		for _, s := range e.Result.Series {
			if s.Span >= shortest {
				published.points = append(published.points, point{s.At, float64(s.Confirmed) / s.Span})
				received.points = append(received.points, point{s.At, float64(s.Received) / s.Span})
			}
		}
		lines = append(lines, some(published)...)
		lines = append(lines, some(received)...)
	}
	return chart(seconds, axis{label: "messages per second"}, lines)
}

// some is the line alone, or nothing if it is zero all along.
func some(l line) []line {
	if slices.ContainsFunc(l.points, func(p point) bool { return p.y != 0 }) {
		return []line{l}
	}
	return nil
}

func latencyOverTime(entries []Entry, which int) template.HTML {
	var lines []line
	for i, e := range entries {
		p50, p99 := line{name: e.Name + ": p50", color: i}, line{name: e.Name + ": p99", color: i, dashed: true}
		for j := range e.Result.Series {
			s := &e.Result.Series[j]
			if p := latencies[which].second(s); p.Count > 0 {
				p50.points = append(p50.points, point{s.At, p.P50})
				p99.points = append(p99.points, point{s.At, p.P99})
			}
		}
		lines = append(lines, some(p50)...)
		lines = append(lines, some(p99)...)
	}
	return chart(seconds, axis{label: "milliseconds", log: true}, lines)
}

// distribution is drawn over 1 / (1 − share), so that each further nine has the
// same room.
func distribution(entries []Entry, which int) template.HTML {
	x := axis{label: "percent of all", log: true, ticks: []tick{
		{1, "0"}, {2, "50"}, {10, "90"}, {100, "99"}, {1e3, "99.9"}, {1e4, "99.99"}, {1e5, "99.999"}, {1e6, "99.9999"},
	}}
	var lines []line
	for i, e := range entries {
		l := line{name: e.Name, color: i}
		for _, p := range latencies[which].of(e.Result).Distribution {
			if p.Percent < 100 {
				l.points = append(l.points, point{1 / (1 - p.Percent/100), p.Millis})
			}
		}
		lines = append(lines, some(l)...)
	}
	return chart(x, axis{label: "milliseconds", log: true}, lines)
}

func overTime(entries []Entry, label string, value func(*bench.Second) float64) template.HTML {
	var lines []line
	for i, e := range entries {
		l := line{name: e.Name, color: i}
		for j := range e.Result.Series {
			if s := &e.Result.Series[j]; s.Span >= shortest {
				l.points = append(l.points, point{s.At, value(s)})
			}
		}
		lines = append(lines, some(l)...)
	}
	return chart(seconds, axis{label: label}, lines)
}

// fewest sessions that are worth a chart of memory.
const fewest = 100

func memoryBySessions(entries []Entry) template.HTML {
	var lines []line
	for i, e := range entries {
		l := line{name: e.Name, color: i}
		if e.Result.Server != nil && e.Result.Sessions.Open >= fewest {
			l.points = append(l.points, point{0, float64(e.Result.Server.MemoryBefore) / (1 << 20)})
			for _, s := range e.Result.Series {
				if s.Phase == "ramp-up" {
					l.points = append(l.points, point{float64(s.Open), float64(s.Memory) / (1 << 20)})
				}
			}
		}
		lines = append(lines, some(l)...)
	}
	return chart(axis{label: "open sessions"}, axis{label: "MiB"}, lines)
}
