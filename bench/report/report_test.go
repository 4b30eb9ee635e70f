//go:build linux

package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
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
		if strings.Contains(page, bad) {
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

func TestMarks(t *testing.T) {
	for _, tc := range []struct {
		a    axis
		s    span
		want string
	}{
		{axis{}, span{0, 97, true}, "0 20 40 60 80 100"},
		{axis{}, span{0, 0, true}, "0 0.2 0.4 0.6 0.8 1"},
		{axis{}, span{0, 2_300_000, true}, "0 500 k 1 M 1.5 M 2 M 2.5 M"},
		{axis{log: true}, span{0.2, 300, true}, "0.1 1 10 100 1000"},
		{axis{log: true}, span{10, 10, true}, "10 100"},
	} {
		var texts []string
		for _, m := range tc.a.marks(&tc.s) {
			texts = append(texts, m.text)
			if share := tc.a.share(m.value, tc.s); share < -1e-9 || share > 1+1e-9 || math.IsNaN(share) {
				t.Errorf("mark %s is at %v", m.text, share)
			}
		}
		if got := strings.Join(texts, " "); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}
