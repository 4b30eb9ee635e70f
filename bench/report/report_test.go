//go:build linux

package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/measure"
)

// result is one with something in every figure.
func result() *bench.Result {
	p := measure.Percentiles{Count: 10, P50: 0.5, P99: 20, Max: 300}
	l := bench.Latency{Percentiles: p, Distribution: []measure.Point{{Percent: 0, Millis: 0.1}, {Percent: 50, Millis: 0.5}, {Percent: 99.9, Millis: 20}, {Percent: 100, Millis: 300}}}
	r := &bench.Result{
		Scenario: "mixed", Target: "ws://x", Sessions: bench.Sessions{Open: 1000},
		Rates:     bench.Rates{Published: 1234},
		Latency:   bench.Latencies{Open: l, Publish: l, EndToEnd: l},
		Generator: bench.Generator{Warnings: []string{"no CPU to spare"}},
		Server:    &bench.Server{MemoryBefore: 1 << 20, PublishedPerCPU: 98765},
	}
	for i, phase := range []string{"ramp-up", "ramp-up", "measure", "measure"} {
		r.Series = append(r.Series, bench.Second{
			Phase: phase, At: float64(i + 1), Span: 1, Open: 500 * (i + 1), Confirmed: 1000, Received: 2000,
			Publish: p, EndToEnd: p, ServerCPU: 0.5, Memory: int64(i+2) << 20,
		})
	}
	return r
}

func write(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadAndWrite(t *testing.T) {
	other := result()
	other.Scenario = "<script>"
	comparison := bench.Comparison{Outcomes: []bench.Outcome{
		{Trial: bench.Trial{Name: "trial & error"}, Contestant: "java", Results: []*bench.Result{result(), result()}},
		{Trial: bench.Trial{Name: "trial & error"}, Contestant: "gone"},
	}}
	sections, err := Read([]string{write(t, result()), write(t, result()), write(t, other), write(t, comparison)})
	if err != nil {
		t.Fatal(err)
	}
	if len(sections) != 3 || len(sections[0].Entries) != 2 || len(sections[2].Entries) != 1 || sections[2].Entries[0].Name != "java" {
		t.Fatalf("%+v", sections)
	}
	var b strings.Builder
	if err := Write(&b, sections); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, "<svg"); n != 3*len(figures) {
		t.Errorf("%d charts, want %d", n, 3*len(figures))
	}
	for _, want := range []string{"98,765", "java: no CPU to spare", "trial &amp; error", "&lt;script&gt;", "0.500 / 20.0 / 0.000 / 300"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, bad := range []string{"<script", "NaN", "Inf", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/", ""), bad) { // names of formats are no addresses
			t.Errorf("%q is in the page", bad)
		}
	}
	for _, svg := range strings.SplitAfter(page, "</svg>") {
		if i := strings.Index(svg, "<svg"); i >= 0 {
			wellFormed(t, svg[i:])
		}
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, v := range []any{"x", map[string]any{"a": 1}, []int{1}} {
		if _, err := Read([]string{write(t, v)}); !errors.Is(err, ErrFormat) {
			t.Errorf("%v: got %v", v, err)
		}
	}
	if _, err := Read([]string{filepath.Join(t.TempDir(), "gone.json")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A result with nothing in it draws nothing, and does no harm.
func TestEmptyResult(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, []Section{{"empty", []Entry{{"e", &bench.Result{}}}}}); err != nil || strings.Contains(b.String(), "<svg") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestCharts(t *testing.T) {
	for name, draw := range map[string]func() ([]byte, error){
		"lines": func() ([]byte, error) {
			return LineChart(Axis{Label: "x & y"}, Axis{Log: true}, []Line{{Name: "<a>", Points: []Point{{1, 10}, {2, 10}, {3, 0}}, Marks: true, Dashed: true}, {Name: "none"}})
		},
		"bars": func() ([]byte, error) {
			return BarChart(Axis{Label: "<x>"}, []string{"g1", "g & 2"}, []Bars{{"a", []float64{1, 0}}, {"b", []float64{2, 123456}}})
		},
	} {
		svg, err := draw()
		if err != nil || svg == nil || strings.Contains(string(svg), "NaN") {
			t.Fatalf("%s: %v\n%s", name, err, svg)
		}
		wellFormed(t, string(svg))
	}
	for name, svg := range map[string]func() ([]byte, error){
		"a point": func() ([]byte, error) { return LineChart(Axis{}, Axis{}, []Line{{Points: []Point{{1, 1}}}}) },
		"zeros": func() ([]byte, error) {
			return LineChart(Axis{}, Axis{Log: true}, []Line{{Points: []Point{{1, 0}, {2, 0}}}})
		},
		"no value": func() ([]byte, error) { return BarChart(Axis{}, []string{"g"}, []Bars{{"a", []float64{0}}}) },
		"no group": func() ([]byte, error) { return BarChart(Axis{}, nil, []Bars{{"a", nil}}) },
	} {
		if b, err := svg(); b != nil || err != nil {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.2: "0.2", 97: "97", 2.5e6: "2.5 M", 500e3: "500 k", 3e9: "3 G", 1e-3: "0.001"} {
		if got := short(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}
