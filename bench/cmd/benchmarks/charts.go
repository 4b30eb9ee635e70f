//go:build pulsar && linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/report"
)

// drawCharts draws the comparisons, and how costs grow.
func (m *measured) drawCharts(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, chart := range []struct {
		file, label string
		figure      figure
		with        func(*trial) bool
	}{
		{"per-cpu-second.svg", "messages per CPU-second of the server (more is better)", perCPU, func(t *trial) bool { return !isIdle(t) }},
		{"latency-p99.svg", "p99 latency at a fixed rate (less is better)", p99, isPaced},
		{"memory-per-session.svg", "server memory per session (less is better)", memory, isSettled},
		{"cpu-to-open.svg", "server CPU to open a session (less is better)", openCPU, isIdle},
	} {
		some := &bench.Comparison{Contestants: []bench.Contestant{{Name: java}, {Name: ours}, {Name: floor}}}
		if chart.figure.only != nil {
			some.Contestants = some.Contestants[:2]
		}
		for i := range m.Trials {
			if t := &m.Trials[i]; chart.with(t) && !isWatched(t.name()) {
				some.Outcomes = append(some.Outcomes, t.Compared.Outcomes...)
			}
		}
		svg, err := report.Compared(some, chart.label, chart.figure.of, chart.figure.text)
		if err != nil {
			return err
		}
		if err := keep(filepath.Join(dir, chart.file), svg); err != nil {
			return err
		}
	}
	grow := func(file string, x, y report.Axis, g growth, value func(*bench.Outcome) float64) error {
		var lines []report.Line
		for i, name := range []string{java, ours} {
			l := report.Line{Name: name, Color: i, Marks: true}
			for _, row := range g {
				if t := m.find(row.trial); t != nil && t.of(name) != nil {
					l.Points = append(l.Points, report.Point{X: row.sessions, Y: value(t.of(name))})
				}
			}
			lines = append(lines, l)
		}
		svg, err := report.LineChart(x, y, lines)
		if err != nil {
			return err
		}
		return keep(filepath.Join(dir, file), svg)
	}
	mib := func(o *bench.Outcome) float64 { return total(o) / (1 << 20) }
	upTo := func(n float64, g growth) growth {
		return slices.DeleteFunc(slices.Clone(g), func(r struct {
			sessions float64
			trial    string
		}) bool {
			return r.sessions > n
		})
	}
	sessions, memory := report.Axis{Label: "open sessions"}, report.Axis{Label: "server memory, MiB"}
	if err := grow("memory-growth.svg", sessions, memory, upTo(20_000, memoryGrowth), mib); err != nil {
		return err
	}
	readers, cost := report.Axis{Label: "readers", Log: true}, report.Axis{Label: "server CPU per delivery, µs", Log: true}
	return grow("fanout-growth.svg", readers, cost, fanoutGrowth, perDelivery)
}

// keep writes a chart, or removes an old one that there is nothing for any more.
func keep(path string, svg []byte) error {
	if svg != nil {
		return os.WriteFile(path, svg, 0o644)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
