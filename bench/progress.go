//go:build linux

package bench

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// Display shows how a run goes on: on a terminal a view that stays in its place,
// else a line for each second.
type Display struct {
	to       io.Writer
	terminal bool

	bars *mpb.Progress // of the run under way; nil: none
	bar  *mpb.Bar

	mu    sync.Mutex // guards what the goroutine that draws reads
	last  Progress
	since float64 // when the phase of last began
}

// NewDisplay makes one. It belongs to one goroutine.
func NewDisplay(to io.Writer, terminal bool) *Display { return &Display{to: to, terminal: terminal} }

// Start begins the view of a run and returns the watch for [Run]. A title that is
// not empty stands above it.
func (d *Display) Start(title string) func(Progress) {
	d.Close()
	if title != "" {
		fmt.Fprintln(d.to, title)
	}
	if !d.terminal {
		return func(p Progress) { fmt.Fprintln(d.to, progressLine(&p)) }
	}
	d.last, d.since = Progress{}, 0
	d.bars = mpb.New(mpb.WithOutput(d.to), mpb.WithWidth(barWidth), mpb.WithAutoRefresh(), mpb.WithRefreshRate(refresh))
	var below []mpb.BarFiller
	for i := range viewLines {
		below = append(below, mpb.BarFillerFunc(func(to io.Writer, s decor.Statistics) error {
			_, err := io.WriteString(to, view(d.seen(), s.AvailableWidth)[i]+"\n")
			return err
		}))
	}
	d.bar = d.bars.New(0, mpb.BarStyle(),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return fmt.Sprintf("%-8s ", d.seen().Phase) })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + timeLeft(d.seen()) })),
		mpb.BarBtmExtender(below...),
	)
	return d.show
}

const (
	barWidth  = 60 // columns
	viewLines = 5  // under the bar
	refresh   = 250 * time.Millisecond
)

func (d *Display) seen() Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *Display) show(p Progress) {
	d.mu.Lock()
	if p.Phase != d.last.Phase {
		d.since = p.At - p.Span
	}
	d.last = p
	done := p.At - d.since
	d.mu.Unlock()
	d.bar.SetTotal(int64(1000*(done+p.Left)), false)
	d.bar.SetCurrent(int64(1000 * done))
}

// Close ends the view of a run and takes it away. Closing it again does nothing.
func (d *Display) Close() {
	if d.bars == nil {
		return
	}
	d.bar.Abort(true)
	d.bars.Wait()
	d.bars, d.bar = nil, nil
}

func timeLeft(p Progress) string {
	if p.Left <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f s left", p.Left)
}

// view is the lines under the bar, none wider than the terminal.
func view(p Progress, width int) (lines [viewLines]string) {
	per := func(n uint64) string { return Number(perSecond(n, p.Span)) + "/s" }
	server := "server not known without --pid"
	if p.Memory > 0 {
		server = fmt.Sprintf("server %.2f cores, %s", p.ServerCPU, Bytes(float64(p.Memory)))
	}
	for i, l := range [viewLines]struct {
		name  string
		parts []string
	}{
		{"sessions", []string{Number(float64(p.Open)) + " of " + Number(float64(p.Asked)), per(p.Opened) + " opened", Number(float64(p.Failed)) + " failed"}},
		{"published", []string{per(p.Confirmed), latencyText(p.Publish), Number(float64(p.Backlog)) + " held back"}},
		{"received", []string{per(p.Received), latencyText(p.EndToEnd)}},
		{"errors", []string{Number(float64(p.Errors)), fmt.Sprintf("%d different faults so far", p.Faults)}},
		{"costs", []string{server, fmt.Sprintf("generator %.2f cores", p.OwnCPU)}},
	} {
		lines[i] = fmt.Sprintf("  %-10s %s", l.name, strings.Join(l.parts, "   "))
		if width > 0 && len(lines[i]) > width {
			lines[i] = lines[i][:width]
		}
	}
	return lines
}

func latencyText(p measure.Percentiles) string {
	if p.Count == 0 {
		return ""
	}
	return fmt.Sprintf("p50 %s  p99 %s  max %s ms", Millis(p.P50), Millis(p.P99), Millis(p.Max))
}

func perSecond(n uint64, span float64) float64 {
	if span <= 0 {
		return 0
	}
	return float64(n) / span
}

// progressLine is one line for what is not a terminal.
func progressLine(p *Progress) string {
	parts := []string{fmt.Sprintf("%6.1f s %-8s", p.At, p.Phase), fmt.Sprintf("sessions %s/%s", Number(float64(p.Open)), Number(float64(p.Asked)))}
	per := func(n uint64) string { return Number(perSecond(n, p.Span)) }
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
