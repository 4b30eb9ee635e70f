//go:build linux

package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// maxFaultLines bounds the faults in a summary.
const maxFaultLines = 8

// WriteSummary writes what people want to know of a result.
func WriteSummary(to io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s against %s, measured for %.1f s", r.Scenario, r.Target, r.Seconds)
	if r.Interrupted {
		b.WriteString(" (interrupted)")
	}
	b.WriteString("\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	sessionLines(line, r)
	messageLines(line, r)
	latencyLines(line, r)
	serverLines(line, r)
	g := &r.Generator
	line("generator", "%.2f cores, busiest loop %.0f %%; machine %.0f %% idle", g.Cores, 100*g.BusiestLoop, 100*g.MachineIdle)
	own := Bytes(float64(g.Memory)) + " of memory"
	if g.BytesPerSession > 0 {
		own += ", " + Bytes(g.BytesPerSession) + " per session"
	}
	if g.Processes > 1 {
		own += fmt.Sprintf(", in %d processes", g.Processes)
	}
	line("", "%s", own)
	kernelLines(line, r.Kernel)
	t.Flush()
	for _, w := range g.Warnings {
		fmt.Fprintf(&b, "\nWARNING: %s\n", w)
	}
	faultLines(&b, r)
	_, err := io.WriteString(to, b.String())
	return err
}

type liner func(name, format string, args ...any)

func sessionLines(line liner, r *Result) {
	s := &r.Sessions
	text := fmt.Sprintf("%s of %s open", Number(float64(s.Open)), Number(float64(s.Asked)))
	for _, c := range []struct {
		n    uint64
		what string
	}{{s.Failed, "failed to open"}, {s.Dropped, "dropped by the server"}, {s.Ended, "ended and opened anew"}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %s %s", Number(float64(c.n)), c.what)
		}
	}
	line("sessions", "%s", text)
	line("opening", "%s in %.1f s: %s/s", Number(s.PerSec*s.RampUp), s.RampUp, Number(s.PerSec))
	if s.Ended > 0 {
		line("churn", "%s opened/s", Number(s.ChurnSec))
	}
}

func messageLines(line liner, r *Result) {
	m := &r.Messages
	if m.Sent > 0 {
		line("published", "%s/s (%s/s out)", Number(r.Rates.Published), Bytes(r.Rates.BytesOut))
		line("", "%s sent, %s confirmed, %s errors, %s unanswered, %s due but not sent", Number(float64(m.Sent)), Number(float64(m.Confirmed)),
			Number(float64(m.Errors)), Number(float64(m.Unanswered)), Number(float64(m.Unsent)))
		if m.Stray+m.Late > 0 {
			line("", "%s answers to nothing asked, %s out of order", Number(float64(m.Stray)), Number(float64(m.Late)))
		}
	}
	if m.Received+m.Expected > 0 {
		line("received", "%s/s (%s/s in)", Number(r.Rates.Received), Bytes(r.Rates.BytesIn))
		line("", "%s delivered, %s lost, %s repeated, %s out of order", Number(float64(m.Delivered)), Number(float64(m.Lost)),
			Number(float64(m.Repeated)), Number(float64(m.Reordered)))
		if m.NotYet > 0 {
			line("", "%s of the lost are behind the last that came: they may only be late; see --drain", Number(float64(m.NotYet)))
		}
		if m.Redelivered+m.Foreign > 0 {
			line("", "%s with a redelivery count, %s not of this run", Number(float64(m.Redelivered)), Number(float64(m.Foreign)))
		}
	}
	if m.BadFrames > 0 {
		line("", "%s frames that make no sense", Number(float64(m.BadFrames)))
	}
}

func latencyLines(line liner, r *Result) {
	row := func(name string, l Latency) {
		if l.Count > 0 {
			line(name, "p50 %s  p90 %s  p99 %s  p99.9 %s  p99.99 %s  max %s ms", Millis(l.P50), Millis(l.P90), Millis(l.P99), Millis(l.P999), Millis(l.P9999), Millis(l.Max))
		}
	}
	row("open latency", r.Latency.Open)
	row("publish latency", r.Latency.Publish)
	row("end to end", r.Latency.EndToEnd)
	if r.Messages.Sent > 0 && r.Load.Rate == 0 {
		line("", "closed loop: a client that waits for answers sends less when they are slow; use --rate for latencies at a given load")
	}
}

func serverLines(line liner, r *Result) {
	s := r.Server
	if s == nil {
		return
	}
	line("server CPU", "%.2f cores (%.2f s user, %.2f s system)", s.Cores, s.UserSeconds, s.SystemSeconds)
	if r.Rates.Published > 0 {
		line("", "%s messages published per CPU-second", Number(s.PublishedPerCPU))
	}
	if r.Rates.Received > 0 {
		line("", "%s messages received per CPU-second", Number(s.ReceivedPerCPU))
	}
	if s.OpenCPUMillis > 0 {
		line("", "%.3f ms per session opened", s.OpenCPUMillis)
	}
	line("server memory", "%s before, %s with all sessions, %s at the end", Bytes(float64(s.MemoryBefore)), Bytes(float64(s.MemoryOpen)), Bytes(float64(s.MemoryEnd)))
	if each := r.bytesPerSession(); each != 0 {
		line("", "%s per session", Bytes(each))
	} else if r.Sessions.Open >= fewSessions {
		line("", "per session: cannot be told, as the server had enough from before; start it anew to see it")
	}
	var more []string
	if s.Threads > 0 {
		more = append(more, fmt.Sprintf("%d threads", s.Threads))
	}
	if n, ok := s.Metrics["go_goroutines"]; ok {
		more = append(more, fmt.Sprintf("%.0f goroutines", n.Value))
	}
	if s.Descriptors > 0 {
		more = append(more, fmt.Sprintf("%d descriptors", s.Descriptors))
	}
	if s.MostDescriptors > 0 && s.MostDescriptors < s.Descriptors {
		more = append(more, fmt.Sprintf("%d of them in one process", s.MostDescriptors))
	}
	if len(more) > 0 {
		line("", "%s", strings.Join(more, ", "))
	}
	if s.Trouble != "" {
		line("", "incomplete: %s", s.Trouble)
	}
}

func kernelLines(line liner, k *Kernel) {
	if k == nil {
		return
	}
	line("kernel", "%s, %s per session; %s of memory left", Bytes(float64(k.Memory)), Bytes(k.BytesPerSession), Bytes(float64(k.Available)))
	line("", "%s TCP sockets, which held %s at most", Number(float64(k.Sockets)), Bytes(float64(k.MostBuffers)))
}

func faultLines(b *strings.Builder, r *Result) {
	if len(r.Faults) == 0 {
		return
	}
	var texts []string
	for text := range r.Faults {
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(x, y string) int {
		if r.Faults[x] != r.Faults[y] {
			return int(r.Faults[y]) - int(r.Faults[x])
		}
		return strings.Compare(x, y)
	})
	b.WriteString("\nWhat went wrong:\n")
	for i, text := range texts {
		if i == maxFaultLines {
			fmt.Fprintf(b, "  and %d more\n", len(texts)-i)
			break
		}
		fmt.Fprintf(b, "  %s× %s\n", Number(float64(r.Faults[text])), text)
	}
}

// Number writes a count for people: 12,345.
func Number(v float64) string {
	s := fmt.Sprintf("%.0f", math.Abs(v))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 && s != "0" {
		return "-" + s
	}
	return s
}

// Bytes writes an amount of memory for people.
func Bytes(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if math.Abs(v) >= u.size {
			return fmt.Sprintf("%.1f %s", v/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", v)
}

// Millis writes milliseconds with three digits that count.
func Millis(v float64) string {
	switch {
	case v >= 100:
		return Number(v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
