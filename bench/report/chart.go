//go:build linux

package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Point is a point of a [Line].
type Point struct{ X, Y float64 }

// Line is one line of a chart.
type Line struct {
	Name   string
	Color  int // which of the colours
	Dashed bool
	Points []Point
	Marks  bool // mark each point
}

// Axis says how an axis is laid out.
type Axis struct {
	Label string
	Log   bool
	Ticks []plot.Tick // if set, the values with a mark
	Text  func(float64) string
}

// The colours tell well apart, also for most colour-blind people.
var colors = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x55, 0x55, 0x55, 0xff}, {0x8b, 0x5a, 0x2b, 0xff},
}

func colorOf(n int) color.RGBA { return colors[n%len(colors)] }

// Sizes in points.
const (
	chartWidth  = 420
	chartHeight = 220
	fontSize    = 9
	legendLine  = 13 // height of one
	barHeight   = 9
)

// LineChart draws lines as SVG. It is nil when there is nothing to draw.
func LineChart(x, y Axis, lines []Line) ([]byte, error) {
	p := newPlot()
	var xs, ys span
	for i, l := range lines {
		points := drawable(&x, &y, l.Points)
		for _, pt := range points {
			xs.take(pt.X)
			ys.take(pt.Y)
		}
		if len(points) == 0 {
			continue
		}
		drawn, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("draw the line %s: %w", lines[i].Name, err)
		}
		drawn.Width, drawn.Color = vg.Points(1.4), colorOf(l.Color)
		marks.Color, marks.Radius, marks.Shape = colorOf(l.Color), vg.Points(2.2), draw.CircleGlyph{}
		if l.Dashed {
			drawn.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(drawn)
		if l.Marks {
			p.Add(marks)
		}
		p.Legend.Add(l.Name, drawn)
	}
	if !xs.some || xs.low == xs.high {
		return nil, nil
	}
	if !y.Log {
		ys.take(0)
		ys.high *= 1.05
	}
	if !x.Log {
		xs.take(0)
	}
	x.lay(&p.X, xs)
	y.lay(&p.Y, ys)
	return render(p, len(lines), chartHeight)
}

func drawable(x, y *Axis, points []Point) (xys plotter.XYs) {
	for _, p := range points {
		if !(x.Log && p.X <= 0 || y.Log && p.Y <= 0) {
			xys = append(xys, plotter.XY(p))
		}
	}
	return xys
}

// Bars are the values of one name in every group of a bar chart; 0: none.
type Bars struct {
	Name   string
	Values []float64
}

// BarChart draws horizontal bars, in groups, as SVG. It is nil when there is
// nothing to draw.
func BarChart(value Axis, groups []string, bars []Bars) ([]byte, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	p := newPlot()
	most, some := 0.0, false
	for i, b := range bars {
		values := slices.Clone(plotter.Values(b.Values))
		slices.Reverse(values) // the first group is to be on top
		for _, v := range values {
			most, some = max(most, v), some || v > 0
		}
		chart, err := plotter.NewBarChart(values, vg.Points(barHeight))
		if err != nil {
			return nil, fmt.Errorf("draw the bars of %s: %w", b.Name, err)
		}
		chart.Horizontal, chart.Color, chart.LineStyle.Width = true, colorOf(i), 0
		chart.Offset = vg.Points(barHeight * (float64(len(bars)-1)/2 - float64(i)))
		p.Add(chart, labels(values, chart.Offset, value.text()))
		p.Legend.Add(b.Name, chart)
	}
	if !some {
		return nil, nil
	}
	names := slices.Clone(groups)
	slices.Reverse(names)
	p.NominalY(names...)
	value.lay(&p.X, span{0, most * 1.12, true}) // room for the labels
	p.Y.Min, p.Y.Max = -0.5, float64(len(groups))-0.5
	return render(p, len(bars), 50+float64(len(groups)*(len(bars)+1)*barHeight))
}

// labels writes the values at the bars' ends.
func labels(values plotter.Values, offset vg.Length, text func(float64) string) plot.Plotter {
	var l plotter.XYLabels
	for i, v := range values {
		if v > 0 {
			l.XYs = append(l.XYs, plotter.XY{X: v, Y: float64(i)})
			l.Labels = append(l.Labels, text(v))
		}
	}
	drawn, err := plotter.NewLabels(l)
	if err != nil {
		return plotter.NewGrid() // no label at all
	}
	for i := range drawn.TextStyle {
		drawn.TextStyle[i].Font, drawn.TextStyle[i].YAlign = sans(fontSize-2), draw.YCenter
	}
	drawn.Offset = vg.Point{X: vg.Points(3), Y: offset}
	return drawn
}

func newPlot() *plot.Plot {
	p := plot.New()
	for _, style := range []*text.Style{
		&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Font = sans(fontSize)
	}
	grid := plotter.NewGrid()
	pale := color.Gray{0xe0}
	grid.Horizontal.Color, grid.Vertical.Color = pale, pale
	p.Add(grid)
	p.X.Padding, p.Y.Padding = 0, 0
	return p
}

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// lay puts an axis around a span.
func (a Axis) lay(to *plot.Axis, s span) {
	to.Label.Text = a.Label
	switch {
	case a.Log:
		to.Scale = plot.LogScale{}
		s.low, s.high = math.Pow(10, math.Floor(math.Log10(s.low))), math.Pow(10, math.Ceil(math.Log10(s.high)))
		if s.low == s.high {
			s.high *= 10
		}
		to.Tick.Marker = texts{plot.LogTicks{}, a.text()}
	default:
		if s.low == s.high {
			s.high++
		}
		to.Tick.Marker = texts{plot.DefaultTicks{}, a.text()}
	}
	if a.Ticks != nil {
		to.Tick.Marker = plot.ConstantTicks(slices.DeleteFunc(slices.Clone(a.Ticks), func(t plot.Tick) bool { return t.Value < s.low || t.Value > s.high }))
	}
	to.Min, to.Max = s.low, s.high
}

func (a Axis) text() func(float64) string {
	if a.Text != nil {
		return a.Text
	}
	return short
}

// texts writes the labels of a ticker's major marks.
type texts struct {
	plot.Ticker
	text func(float64) string
}

func (t texts) Ticks(low, high float64) []plot.Tick {
	ticks := t.Ticker.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = t.text(ticks[i].Value)
		}
	}
	return ticks
}

// render draws the legend above the plot.
func render(p *plot.Plot, entries int, height float64) ([]byte, error) {
	legend := p.Legend
	p.Legend = plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, vg.Points(2)
	strip := vg.Points(float64(entries * legendLine))
	c := vgsvg.New(vg.Points(chartWidth), vg.Points(height)+strip)
	all := draw.New(c)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	legend.Draw(draw.Crop(all, vg.Points(44), 0, all.Max.Y-all.Min.Y-strip, 0))
	p.Draw(draw.Crop(all, vg.Points(2), vg.Points(-10), vg.Points(2), -strip))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write a chart: %w", err)
	}
	// What is before the element is for files only, and not every machine has the font.
	_, svg, _ := strings.Cut(b.String(), "<svg")
	svg = strings.ReplaceAll(svg, "font-family:Liberation Sans", "font-family:Liberation Sans,Arial,Helvetica,sans-serif")
	return []byte("<svg" + svg), nil
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
