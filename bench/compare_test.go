//go:build linux

package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	good := newFake(t).start(t, false)
	lossy := newFake(t, func(f *fake) {
		f.deliver = func(n int, push func(int)) {
			if n != 5 {
				push(n)
			}
		}
	}).start(t, false)
	var order []string
	plans := 0
	trial := Trial{Name: "one | two", Command: "e2e --rate 500", Plan: func(c Contestant) (Plan, error) {
		plans++
		return planFor(c.URL, func(p *Plan) {
			p.Duration, p.Drain = 100*time.Millisecond, 100*time.Millisecond
			p.TopicBase = fmt.Sprint("t", plans)
		}), nil
	}}
	contestants := []Contestant{{Name: "good", URL: good.target()}, {Name: "lossy", URL: lossy.target()}, {Name: "gone", URL: "ws://127.0.0.1:1"}}
	c, err := Compare(t.Context(), []Trial{trial}, contestants, CompareOptions{Runs: 2, Watch: func(_ Trial, c Contestant, run int) func(Progress) {
		order = append(order, fmt.Sprint(c.Name, run))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "good0 lossy0 gone0 good1 lossy1 gone1" {
		t.Errorf("in the order %s", got)
	}
	var b strings.Builder
	if err := c.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	table := b.String()
	for _, want := range []string{`| one \| two | good |`, "1 lost", "2 runs not possible", "connection refused", "`pulsegate bench e2e --rate 500`", "Medians of 2 runs"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	columns := 0
	for _, line := range strings.Split(table, "\n")[:5] {
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("a row of %d columns, not %d: %s", n-1, columns-1, line)
		}
	}
}

// What was measured before a plan turned out to be wrong is not lost, and what went
// wrong in one run of several is told.
func TestCompareKeepsWhatItHas(t *testing.T) {
	server := newFake(t).start(t, false)
	runs := 0
	trial := Trial{Name: "good at first", Plan: func(c Contestant) (Plan, error) {
		if runs++; runs > 1 {
			return Plan{}, ErrPlan
		}
		return planFor(c.URL, func(p *Plan) { p.Duration, p.Drain = 100*time.Millisecond, 100*time.Millisecond }), nil
	}}
	contestant := Contestant{Name: "server", URL: server.target()}
	c, err := Compare(t.Context(), []Trial{trial}, []Contestant{contestant}, CompareOptions{Runs: 2})
	if !errors.Is(err, ErrPlan) || len(c.Outcomes) != 1 || len(c.Outcomes[0].Results) != 1 {
		t.Fatalf("%v, %+v", err, c)
	}
	o := c.Outcomes[0]
	o.Results = append(o.Results, &Result{}, &Result{Messages: Messages{Lost: 500}})
	if got := o.Remarks(); !strings.Contains(got, "500 lost (in 1 of 3 runs)") {
		t.Errorf("remarks: %s", got)
	}
}

func TestMedian(t *testing.T) {
	var o Outcome
	rate := func(r *Result) float64 { return r.Rates.Published }
	for i, want := range []float64{0, 7, 5, 5} { // after none, 7, 3, 5
		if got := o.median(rate); got != want {
			t.Errorf("median of %d: %v, want %v", i, got, want)
		}
		o.Results = append(o.Results, &Result{Rates: Rates{Published: []float64{7, 3, 5, 0}[i]}})
	}
}

// A trial of which one run is enough is run once, whatever others are.
func TestCompareRuns(t *testing.T) {
	f := newFake(t).start(t, false)
	plan := func(c Contestant) (Plan, error) {
		return planFor(c.URL, func(p *Plan) { p.Duration = 50 * time.Millisecond }), nil
	}
	trials := []Trial{{Name: "often", Plan: plan}, {Name: "once", Runs: 1, Plan: plan}}
	c, err := Compare(t.Context(), trials, []Contestant{{Name: "one", URL: f.target()}}, CompareOptions{Runs: 2})
	if err != nil || len(c.Outcomes) != 2 || len(c.Outcomes[0].Results) != 2 || len(c.Outcomes[1].Results) != 1 {
		t.Errorf("%+v %v", c, err)
	}
}
