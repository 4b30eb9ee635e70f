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
	Name   string   `json:"name"`
	URL    string   `json:"url"`
	PIDs   []int    `json:"pids,omitempty"`
	Scrape []string `json:"scrape,omitempty"`
}

// Trial is one thing that is done with every contestant.
type Trial struct {
	Name    string `json:"name"`
	Command string `json:"command"` // the scenario and its flags, for people
	// Runs > 0: so many are enough, as its figures hardly differ from run to run.
	Runs int `json:"runs,omitempty"`

	// Plan makes a new plan for a contestant, with topics of its own.
	Plan func(Contestant) (Plan, error) `json:"-"`
}

// RunsOf is how often the trial is run when asked for so many runs.
func (t *Trial) RunsOf(asked int) int {
	if t.Runs > 0 {
		return min(t.Runs, asked)
	}
	return asked
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

// CompareOptions say how [Compare] goes about it.
type CompareOptions struct {
	Runs  int           // of each trial against each contestant, unless it says that fewer are enough
	Pause time.Duration // between two runs
	// Worker is the command that starts further processes, see [Plan].
	Worker []string

	// Prepare, if set, is called before each run and may change the contestant
	// for it, for example because its server was started anew. An error makes
	// the run one that was not possible.
	Prepare func(context.Context, Trial, *Contestant, int) error
	// Watch, if set, is called before each run. What it returns is told about
	// every second.
	Watch func(Trial, Contestant, int) func(Progress)
	// Done, if set, is called after each trial with what there is so far.
	Done func(*Comparison)
}

// Compare runs each trial against each contestant so many times, in turn: what
// else happens on the machine meets all of them alike. An error is returned for a
// plan that is wrong, with what was measured before; a contestant that fails has
// that in its outcome.
func Compare(ctx context.Context, trials []Trial, contestants []Contestant, o CompareOptions) (*Comparison, error) {
	c := &Comparison{Started: time.Now(), Runs: o.Runs, Contestants: contestants}
	for _, t := range trials {
		outcomes := make([]Outcome, len(contestants))
		for i, with := range contestants {
			outcomes[i] = Outcome{Trial: t, Contestant: with.Name}
		}
		for run := range t.RunsOf(o.Runs) {
			for i, with := range contestants {
				if ctx.Err() != nil {
					break
				}
				if err := outcomes[i].add(ctx, with, run, &o); err != nil {
					c.keep(outcomes)
					return c, fmt.Errorf("%s: %w", t.Name, err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(o.Pause):
				}
			}
		}
		c.keep(outcomes)
		if ctx.Err() != nil {
			break
		}
		if o.Done != nil {
			o.Done(c)
		}
	}
	c.Interrupted = ctx.Err() != nil
	return c, nil
}

// keep takes what there is of a trial, without what was not begun.
func (c *Comparison) keep(outcomes []Outcome) {
	for _, o := range outcomes {
		if len(o.Results)+len(o.Errors) > 0 {
			c.Outcomes = append(c.Outcomes, o)
		}
	}
}

func (o *Outcome) add(ctx context.Context, with Contestant, run int, options *CompareOptions) error {
	if options.Prepare != nil {
		if err := options.Prepare(ctx, o.Trial, &with, run); err != nil {
			if ctx.Err() == nil {
				o.Errors = append(o.Errors, err.Error())
			}
			return nil
		}
	}
	plan, err := o.Trial.Plan(with)
	if err != nil {
		return err
	}
	plan.PIDs, plan.Scrape, plan.Worker = with.PIDs, with.Scrape, options.Worker
	var watch func(Progress)
	if options.Watch != nil {
		watch = options.Watch(o.Trial, with, run)
	}
	r, err := Run(ctx, plan, watch)
	switch {
	case errors.Is(err, context.Canceled):
	case errors.Is(err, ErrPlan):
		return err
	case err != nil:
		o.Errors = append(o.Errors, err.Error())
	case !r.Interrupted: // half a run is no result to compare
		o.Results = append(o.Results, r)
	}
	return nil
}

// median is that of what value gives for the results.
func (o *Outcome) median(value func(*Result) float64) float64 {
	var all []float64
	for _, r := range o.Results {
		all = append(all, value(r))
	}
	return Median(all)
}

// Median is the middle of values, which it sorts; of an even number the mean of the two
// in the middle, of none 0.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// PerCPUSecond is how many messages the server handled per second of its CPU
// time: received ones where there are receivers, else published ones. This and the
// following are medians; 0: not known.
func (o *Outcome) PerCPUSecond() float64 { return o.median(perCPU) }

// P99 is the latency in milliseconds: end to end where messages are received, else
// of publishing, else of opening a session.
func (o *Outcome) P99() float64 {
	return o.median(func(r *Result) float64 { return r.headline().P99 })
}

// P50 is the median latency, see [Outcome.P99].
func (o *Outcome) P50() float64 {
	return o.median(func(r *Result) float64 { return r.headline().P50 })
}

// BytesPerSession is the server's memory for each.
func (o *Outcome) BytesPerSession() float64 { return o.median((*Result).bytesPerSession) }

// OpenCPUMillis is the server's CPU time to open a session, in milliseconds.
func (o *Outcome) OpenCPUMillis() float64 {
	return o.median(func(r *Result) float64 { return onServer(r, func(s *Server) float64 { return s.OpenCPUMillis }) })
}

// Cores is how many cores the server used on average.
func (o *Outcome) Cores() float64 {
	return o.median(func(r *Result) float64 { return onServer(r, func(s *Server) float64 { return s.Cores }) })
}

// Received is how many messages were received per second.
func (o *Outcome) Received() float64 {
	return o.median(func(r *Result) float64 { return r.Rates.Received })
}

// Published is how many messages were published per second.
func (o *Outcome) Published() float64 {
	return o.median(func(r *Result) float64 { return r.Rates.Published })
}

// column is one figure of the table.
type column struct {
	head  string
	value func(*Outcome) float64
	text  func(float64) string
}

var columns = []column{
	{"published/s", (*Outcome).Published, Number},
	{"received/s", (*Outcome).Received, Number},
	{"messages per CPU-second", (*Outcome).PerCPUSecond, Number},
	{"p50 ms", (*Outcome).P50, Millis},
	{"p99 ms", (*Outcome).P99, Millis},
	{"max ms", func(o *Outcome) float64 { return o.median(func(r *Result) float64 { return r.headline().Max }) }, Millis},
	{"memory per session", (*Outcome).BytesPerSession, Bytes},
	{"CPU ms to open a session", (*Outcome).OpenCPUMillis, Millis},
	{"server cores", (*Outcome).Cores, func(v float64) string { return fmt.Sprintf("%.3f", v) }},
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
			if v := col.value(o); v != 0 {
				text = col.text(v)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		mine := o.PerCPUSecond()
		if o.Contestant == c.Contestants[0].Name {
			first[o.Trial.Name] = mine
		}
		ratio := "–"
		if base := first[o.Trial.Name]; base > 0 && mine > 0 {
			ratio = fmt.Sprintf("%.2f", mine/base)
		}
		fmt.Fprintf(&b, " %s | %s |\n", ratio, cell(o.Remarks()))
	}
	fmt.Fprintf(&b, "\nMedians of %d runs, in turn, or as many as the file says; latencies end to end where messages are received, else of publishing, else of opening a session.\n", c.Runs)
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

// Remarks tell what the figures do not: what failed, was lost, repeated or out of
// order, at most in one run, and whether the generator was a limit.
func (o *Outcome) Remarks() string {
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
		{"lost", func(r *Result) float64 { return float64(r.Messages.Lost - r.Messages.NotYet) }},
		{"not delivered when the run ended", func(r *Result) float64 { return float64(r.Messages.NotYet) }},
		{"repeated", func(r *Result) float64 { return float64(r.Messages.Repeated) }},
		{"out of order", func(r *Result) float64 { return float64(r.Messages.Reordered) }},
	} {
		most, runs := 0.0, 0
		for _, r := range o.Results {
			if v := m.value(r); v > 0 {
				most = max(most, v)
				runs++
			}
		}
		if runs > 0 {
			says = append(says, fmt.Sprintf("%s %s%s", Number(most), m.what, inRuns(runs, len(o.Results))))
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

// inRuns tells in how many of several runs something happened.
func inRuns(n, of int) string {
	if of < 2 {
		return ""
	}
	return fmt.Sprintf(" (in %d of %d runs)", n, of)
}
