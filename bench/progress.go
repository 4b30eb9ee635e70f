//go:build linux

package bench

import (
	"fmt"
	"io"
	"strings"
)

// ProgressWriter gives a watch for [Run] that writes a line for each second. On a
// terminal a line takes the place of the one before.
func ProgressWriter(to io.Writer, terminal bool) func(Progress) {
	var last string
	return func(p Progress) {
		text := progressLine(&p)
		if !terminal {
			fmt.Fprintln(to, text)
			return
		}
		phase := p.Phase
		if last != "" && last != phase {
			fmt.Fprintln(to) // the last line of a phase stays
		}
		last = phase
		fmt.Fprintf(to, "\r\x1b[2K%s", text)
		if p.Phase == "drain" {
			fmt.Fprintln(to)
			last = ""
		}
	}
}

func progressLine(p *Progress) string {
	parts := []string{fmt.Sprintf("%6.1f s %-8s", p.At, p.Phase), fmt.Sprintf("sessions %s/%s", Number(float64(p.Open)), Number(float64(p.Asked)))}
	per := func(n uint64) string {
		if p.Span <= 0 {
			return "0"
		}
		return Number(float64(n) / p.Span)
	}
	if p.Opened > 0 {
		parts = append(parts, "opened "+per(p.Opened)+"/s")
	}
	if p.Confirmed > 0 {
		parts = append(parts, "published "+per(p.Confirmed)+"/s")
	}
	if p.Received > 0 {
		parts = append(parts, "received "+per(p.Received)+"/s")
	}
	if l := p.Publish; l.Count > 0 {
		parts = append(parts, fmt.Sprintf("publish p50 %s p99 %s ms", Millis(l.P50), Millis(l.P99)))
	}
	if l := p.EndToEnd; l.Count > 0 {
		parts = append(parts, fmt.Sprintf("end to end p50 %s p99 %s ms", Millis(l.P50), Millis(l.P99)))
	}
	if p.Backlog > 0 {
		parts = append(parts, "held back "+Number(float64(p.Backlog)))
	}
	if p.Memory > 0 {
		parts = append(parts, fmt.Sprintf("server %.2f cores %s", p.ServerCPU, Bytes(float64(p.Memory))))
	}
	if n := p.Errors + p.Failed; n > 0 {
		parts = append(parts, "errors "+Number(float64(n)))
	}
	if p.Left > 0 {
		parts = append(parts, fmt.Sprintf("left %.0f s", p.Left))
	}
	return strings.Join(parts, "  ")
}
