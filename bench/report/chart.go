//go:build linux

package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// point is a point of a line.
type point struct{ x, y float64 }

// line is one line of a chart.
type line struct {
	name   string
	color  int // which of the colours
	dashed bool
	points []point
}

// axis says how an axis is laid out.
type axis struct {
	label string
	log   bool
	// ticks, if set, are the values with a mark, and their texts.
	ticks []tick
}

type tick struct {
	value float64
	text  string
}

// The colours tell well apart, also for most colour-blind people.
var colors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#8b5a2b"}

// The size of a chart and of what is around its lines, in pixels.
const (
	width, height                = 560, 300
	left, right, top, bottomEdge = 64, 14, 12, 44
)

// chart draws lines as SVG. It is empty when there is nothing to draw.
func chart(x, y axis, lines []line) template.HTML {
	xs, ys := span{}, span{}
	for _, l := range lines {
		for _, p := range l.points {
			if x.log && p.x <= 0 || y.log && p.y <= 0 {
				continue
			}
			xs.take(p.x)
			ys.take(p.y)
		}
	}
	if !xs.some || xs.low == xs.high {
		return ""
	}
	if !y.log {
		ys.take(0)
	}
	xTicks, yTicks := x.marks(&xs), y.marks(&ys)
	px := func(v float64) float64 { return left + x.share(v, xs)*(width-left-right) }
	py := func(v float64) float64 { return height - bottomEdge - y.share(v, ys)*(height-top-bottomEdge) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	for _, t := range yTicks {
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, left, width-right, py(t.value), py(t.value))
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, py(t.value)+4, esc(t.text))
	}
	for _, t := range xTicks {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, px(t.value), px(t.value), top, height-bottomEdge)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, px(t.value), height-bottomEdge+16, esc(t.text))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+width-right)/2, height-8, esc(x.label))
	fmt.Fprintf(&b, `<text transform="translate(12 %d) rotate(-90)" text-anchor="middle">%s</text>`, (top+height-bottomEdge)/2, esc(y.label))
	for _, l := range lines {
		dash := ""
		if l.dashed {
			dash = ` stroke-dasharray="5 4"`
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke-width="1.8" stroke="%s"%s points="`, colors[l.color%len(colors)], dash)
		for _, p := range l.points {
			if !(x.log && p.x <= 0 || y.log && p.y <= 0) {
				fmt.Fprintf(&b, "%.1f,%.1f ", px(p.x), py(p.y))
			}
		}
		fmt.Fprintf(&b, `"><title>%s</title></polyline>`, esc(l.name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String() + legend(lines))
}

func esc(s string) string { return template.HTMLEscapeString(s) }

func legend(lines []line) string {
	var b strings.Builder
	b.WriteString(`<p class="legend">`)
	for _, l := range lines {
		style := "solid"
		if l.dashed {
			style = "dashed"
		}
		fmt.Fprintf(&b, `<span><i style="border-top:2px %s %s"></i>%s</span>`, style, colors[l.color%len(colors)], esc(l.name))
	}
	return b.String() + "</p>"
}

// span is the range of values.
type span struct {
	low, high float64
	some      bool
}

func (s *span) take(v float64) {
	if !s.some {
		*s = span{v, v, true}
	}
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// share is where in the span v is, from 0 to 1.
func (a *axis) share(v float64, s span) float64 {
	if a.log {
		return math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return (v - s.low) / (s.high - s.low)
}

// marks chooses the axis's marks and widens the span to them.
func (a *axis) marks(s *span) []tick {
	if a.ticks != nil {
		var in []tick
		for _, t := range a.ticks {
			if t.value >= s.low && t.value <= s.high {
				in = append(in, t)
			}
		}
		return in
	}
	if a.log {
		return logMarks(s)
	}
	if s.high == s.low {
		s.high = s.low + 1
	}
	step := niceStep((s.high - s.low) / 5)
	s.low = math.Floor(s.low/step) * step
	s.high = math.Ceil(s.high/step-1e-9) * step
	var marks []tick
	for v := s.low; v <= s.high+step/2; v += step {
		marks = append(marks, tick{v, short(v)})
	}
	return marks
}

func logMarks(s *span) []tick {
	low, high := math.Floor(math.Log10(s.low)), math.Ceil(math.Log10(s.high))
	if low == high {
		high++
	}
	s.low, s.high = math.Pow(10, low), math.Pow(10, high)
	var marks []tick
	for e := low; e <= high; e++ {
		marks = append(marks, tick{math.Pow(10, e), short(math.Pow(10, e))})
	}
	return marks
}

// niceStep is the next of 1, 2 and 5 times a power of ten.
func niceStep(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= v {
			return m * unit
		}
	}
	return 10 * unit
}

// short writes a value on an axis.
func short(v float64) string {
	trim := func(v float64, unit string) string {
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".") + unit
	}
	switch a := math.Abs(v); {
	case a >= 1e9:
		return trim(v/1e9, " G")
	case a >= 1e6:
		return trim(v/1e6, " M")
	case a >= 1e4:
		return trim(v/1e3, " k")
	case a < 0.01 && a > 0:
		return fmt.Sprintf("%.3g", v)
	}
	return trim(v, "")
}
