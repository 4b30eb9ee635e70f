//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Contestant is a server that takes part in a comparison.
type Contestant struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	PID    int    `json:"pid,omitempty"`
	Scrape string `json:"scrape,omitempty"`
}

// Trial is one thing that is done with every contestant.
type Trial struct {
	Name    string `json:"name"`
	Command string `json:"command"` // the scenario and its flags, for people

	// Plan makes a new plan for a contestant, with topics of its own.
	Plan func(Contestant) (Plan, error) `json:"-"`
}

// Comparison is what [Compare] has seen.
type Comparison struct {
	Started     time.Time    `json:"started"`
	Runs        int          `json:"runs"`
	Contestants []Contestant `json:"contestants"`
	Outcomes    []Outcome    `json:"outcomes"`
	Interrupted bool         `json:"interrupted"`
}

// Outcome is what one contestant did in one trial.
type Outcome struct {
	Trial      Trial     `json:"trial"`
	Contestant string    `json:"contestant"`
	Results    []*Result `json:"results"`          // of the runs that were possible
	Errors     []string  `json:"errors,omitempty"` // of those that were not
}

// Compare runs each trial against each contestant so many times, in turn: what
// else happens on the machine meets all of them alike. Between two runs it
// pauses. The announce function is called before each run. An error is returned
// for a plan that is wrong; a contestant that fails has that in its outcome.
func Compare(ctx context.Context, trials []Trial, contestants []Contestant, runs int, pause time.Duration, announce func(Trial, Contestant, int) func(Progress)) (*Comparison, error) {
	c := &Comparison{Started: time.Now(), Runs: runs, Contestants: contestants}
	for _, t := range trials {
		outcomes := make([]Outcome, len(contestants))
		for i, with := range contestants {
			outcomes[i] = Outcome{Trial: t, Contestant: with.Name}
		}
		for run := range runs {
			for i, with := range contestants {
				if ctx.Err() != nil {
					break
				}
				if err := outcomes[i].add(ctx, with, announce(t, with, run)); err != nil {
					return nil, fmt.Errorf("%s: %w", t.Name, err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		}
		c.Outcomes = append(c.Outcomes, outcomes...)
	}
	c.Interrupted = ctx.Err() != nil
	return c, nil
}

func (o *Outcome) add(ctx context.Context, with Contestant, watch func(Progress)) error {
	plan, err := o.Trial.Plan(with)
	if err != nil {
		return err
	}
	plan.PID, plan.Scrape = with.PID, with.Scrape
	r, err := Run(ctx, plan, watch)
	switch {
	case errors.Is(err, ErrPlan):
		return err
	case err != nil:
		o.Errors = append(o.Errors, err.Error())
	case !r.Interrupted: // half a run is no result to compare
		o.Results = append(o.Results, r)
	}
	return nil
}

// median is the middle of what value gives for the results; of an even number
// the mean of the two in the middle.
func (o *Outcome) median(value func(*Result) float64) float64 {
	var all []float64
	for _, r := range o.Results {
		all = append(all, value(r))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// column is one figure of the table.
type column struct {
	head  string
	value func(*Result) float64
	text  func(float64) string
}

var columns = []column{
	{"published/s", func(r *Result) float64 { return r.Rates.Published }, Number},
	{"received/s", func(r *Result) float64 { return r.Rates.Received }, Number},
	{"messages per CPU-second", perCPU, Number},
	{"p50 ms", func(r *Result) float64 { return r.headline().P50 }, Millis},
	{"p99 ms", func(r *Result) float64 { return r.headline().P99 }, Millis},
	{"max ms", func(r *Result) float64 { return r.headline().Max }, Millis},
	{"memory per session", func(r *Result) float64 { return r.bytesPerSession() }, Bytes},
	{"CPU ms to open a session", func(r *Result) float64 { return onServer(r, func(s *Server) float64 { return s.OpenCPUMillis }) }, Millis},
	{"server cores", func(r *Result) float64 { return onServer(r, func(s *Server) float64 { return s.Cores }) }, func(v float64) string { return fmt.Sprintf("%.3f", v) }},
}

// fewSessions are too few to tell what each of them costs beside the messages.
const fewSessions = 100

// bytesPerSession is 0 when it cannot be told.
func (r *Result) bytesPerSession() float64 {
	if r.Sessions.Open < fewSessions {
		return 0
	}
	return max(0, onServer(r, func(s *Server) float64 { return s.BytesPerSession }))
}

func onServer(r *Result, f func(*Server) float64) float64 {
	if r.Server == nil {
		return 0
	}
	return f(r.Server)
}

// perCPU counts deliveries where there are any, else publishes.
func perCPU(r *Result) float64 {
	return onServer(r, func(s *Server) float64 {
		if r.Rates.Received > 0 {
			return s.ReceivedPerCPU
		}
		return s.PublishedPerCPU
	})
}

// headline is the latency that matters most: end to end, else of publishing, else
// of opening.
func (r *Result) headline() Latency {
	switch l := &r.Latency; {
	case l.EndToEnd.Count > 0:
		return l.EndToEnd
	case l.Publish.Count > 0:
		return l.Publish
	default:
		return l.Open
	}
}

// WriteMarkdown writes the medians as a table. The ratio is that of messages per
// CPU-second to the first contestant's.
func (c *Comparison) WriteMarkdown(to io.Writer) error {
	var b strings.Builder
	b.WriteString("| scenario | server |")
	for _, col := range columns {
		fmt.Fprintf(&b, " %s |", col.head)
	}
	b.WriteString(" ratio | remarks |\n|---|---|")
	b.WriteString(strings.Repeat("--:|", len(columns)+1) + "---|\n")
	first := map[string]float64{}
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		fmt.Fprintf(&b, "| %s | %s |", cell(o.Trial.Name), cell(o.Contestant))
		for _, col := range columns {
			text := "–"
			if v := o.median(col.value); v != 0 {
				text = col.text(v)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		mine := o.median(perCPU)
		if o.Contestant == c.Contestants[0].Name {
			first[o.Trial.Name] = mine
		}
		ratio := "–"
		if base := first[o.Trial.Name]; base > 0 && mine > 0 {
			ratio = fmt.Sprintf("%.2f", mine/base)
		}
		fmt.Fprintf(&b, " %s | %s |\n", ratio, cell(o.remarks()))
	}
	fmt.Fprintf(&b, "\nMedians of %d runs, in turn; latencies end to end where messages are received, else of publishing, else of opening a session.\n", c.Runs)
	b.WriteString("\n| scenario | command |\n|---|---|\n")
	seen := map[string]bool{}
	for _, o := range c.Outcomes {
		if !seen[o.Trial.Name] {
			seen[o.Trial.Name] = true
			fmt.Fprintf(&b, "| %s | `pulsegate bench %s` |\n", cell(o.Trial.Name), cell(o.Trial.Command))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// remarks tell what the figures do not.
func (o *Outcome) remarks() string {
	var says []string
	if n := len(o.Errors); n > 0 {
		says = append(says, fmt.Sprintf("%d runs not possible: %s", n, o.Errors[0]))
	}
	for _, m := range []struct {
		what  string
		value func(*Result) float64
	}{
		{"failed to open", func(r *Result) float64 { return float64(r.Sessions.Failed) }},
		{"dropped", func(r *Result) float64 { return float64(r.Sessions.Dropped) }},
		{"errors", func(r *Result) float64 { return float64(r.Messages.Errors) }},
		{"unanswered", func(r *Result) float64 { return float64(r.Messages.Unanswered + r.Messages.Unsent) }},
		{"lost", func(r *Result) float64 { return float64(r.Messages.Lost) }},
		{"repeated", func(r *Result) float64 { return float64(r.Messages.Repeated) }},
		{"out of order", func(r *Result) float64 { return float64(r.Messages.Reordered) }},
	} {
		if v := o.median(m.value); v > 0 {
			says = append(says, Number(v)+" "+m.what)
		}
	}
	limited := 0
	for _, r := range o.Results {
		if r.Generator.Limit {
			limited++
		}
	}
	if limited > 0 {
		says = append(says, fmt.Sprintf("in %d of %d runs the generator or the machine was a limit", limited, len(o.Results)))
	}
	return strings.Join(says, "; ")
}
