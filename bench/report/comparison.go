//go:build linux

package report

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulsegate/pulsegate/bench"
)

// comparisons are the bar charts of a comparison.
var comparisons = []struct {
	file, label string
	value       func(*bench.Outcome) float64
	text        func(float64) string
}{
	{"per-cpu-second.svg", "messages per CPU-second of the server (more is better)", (*bench.Outcome).PerCPUSecond, bench.Number},
	{"latency-p99.svg", "p99 latency, ms (less is better)", (*bench.Outcome).P99, bench.Millis},
	{"memory-per-session.svg", "server memory per session, bytes (less is better)", (*bench.Outcome).BytesPerSession, bench.Bytes},
	{"cpu-to-open.svg", "server CPU to open a session, ms (less is better)", (*bench.Outcome).OpenCPUMillis, bench.Millis},
}

// WriteCharts draws the medians of a comparison as SVG files into a directory,
// which is made if it is not there. A figure that no scenario has is left out.
func WriteCharts(dir string, c *bench.Comparison) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, chart := range comparisons {
		svg, err := Compared(c, chart.label, chart.value, chart.text)
		if err != nil {
			return err
		}
		if svg == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, chart.file), svg, 0o644); err != nil {
			return fmt.Errorf("write a chart: %w", err)
		}
	}
	return nil
}

// Compared draws one figure of the scenarios that have it; nil: none has.
func Compared(c *bench.Comparison, label string, value func(*bench.Outcome) float64, text func(float64) string) ([]byte, error) {
	var groups []string
	place := map[string]int{}
	for i := range c.Outcomes {
		name := c.Outcomes[i].Trial.Name
		if _, known := place[name]; !known && value(&c.Outcomes[i]) > 0 {
			place[name] = len(groups)
			groups = append(groups, name)
		}
	}
	var bars []Bars
	for _, with := range c.Contestants {
		b := Bars{Name: with.Name, Values: make([]float64, len(groups))}
		for i := range c.Outcomes {
			o := &c.Outcomes[i]
			if at, ok := place[o.Trial.Name]; ok && o.Contestant == with.Name {
				b.Values[at] = value(o)
			}
		}
		bars = append(bars, b)
	}
	return BarChart(Axis{Label: label, Text: text}, groups, bars)
}
