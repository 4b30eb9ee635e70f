package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/report"
	"github.com/pulsegate/pulsegate/bench/scenario"
)

// compareFlags are those of bench compare and bench run.
type compareFlags struct {
	targets, pids, scrapes []string
	only, set              []string
	runs                   int
	pause                  time.Duration
	markdown, charts, json string
}

func newCompare() *cobra.Command {
	f := &compareFlags{}
	cmd := &cobra.Command{
		Use:   "compare FILE",
		Short: "Run the scenarios of a file against several servers and compare",
		Long: `Run each scenario of a file against each server in turn, several times, and
write a table of the medians, and charts.

` + scenario.FileHelp + `

A target pulsar://host:port is the broker itself, which is then driven with
Pulsar's Go client: what programs get that need no gateway.`,
		Example: "  pulsegate bench compare bench.yaml --target java=ws://localhost:8081 --pid java=4711 --target pulsegate=ws://localhost:8080 --pid pulsegate=4712",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			contestants, err := f.contestants()
			if err != nil {
				return err
			}
			return f.run(cmd, args[0], contestants, func(c *bench.Comparison) error {
				return c.WriteMarkdown(cmd.OutOrStdout())
			})
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&f.targets, "target", nil, "a server, as `name=URL`; repeated for each; the first is what the others are compared to")
	fs.StringArrayVar(&f.pids, "pid", nil, "process ids of a server, as `name=id,…`")
	fs.StringArrayVar(&f.scrapes, "scrape", nil, "metrics of a server, as `name=URL`; may be repeated")
	fs.StringVar(&f.markdown, "markdown", "", "write the table to this `file`, too")
	fs.StringVar(&f.charts, "charts", "", "draw charts of the medians, as SVG files, into this `directory`")
	f.common(fs, 3)
	return cmd
}

// newRun runs a scenario file against one server.
func newRun() *cobra.Command {
	f := &compareFlags{}
	var pids []int
	var scrapes []string
	cmd := &cobra.Command{
		Use:     "run FILE TARGET",
		Short:   "Run the scenarios of a file",
		Long:    "Run the scenarios of a file against a server, one after the other.\n\n" + scenario.FileHelp,
		Example: "  pulsegate bench run bench.yaml ws://localhost:8080 --only 'fan-out' --set duration=30s",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			contestant := bench.Contestant{Name: "server", URL: args[1], PIDs: pids, Scrape: scrapes}
			return f.run(cmd, args[0], []bench.Contestant{contestant}, func(c *bench.Comparison) error {
				return writeSummaries(cmd.OutOrStdout(), c)
			})
		},
	}
	fs := cmd.Flags()
	fs.IntSliceVar(&pids, "pid", nil, "process `ids` of the server, to measure its CPU and memory")
	fs.StringSliceVar(&scrapes, "scrape", nil, "`URLs` of the server's metrics, to read along")
	f.common(fs, 1)
	return cmd
}

func (f *compareFlags) common(fs *pflag.FlagSet, runs int) {
	fs.StringArrayVar(&f.only, "only", nil, "run only the scenarios whose name matches this regular `expression`; may be repeated")
	fs.StringArrayVar(&f.set, "set", nil, "a flag for all scenarios that have it, as `flag=value`, which overrides the file; may be repeated")
	fs.IntVar(&f.runs, "runs", runs, "how often each scenario is run")
	fs.DurationVar(&f.pause, "pause", time.Second, "between two runs")
	fs.StringVar(&f.json, "json", "", "write all results to this `file`, as JSON, for bench report")
}

func (f *compareFlags) run(cmd *cobra.Command, path string, contestants []bench.Contestant, show func(*bench.Comparison) error) error {
	if f.runs < 1 {
		return fmt.Errorf("--runs %d: there must be one at least", f.runs)
	}
	trials, err := scenario.Read(path, f.set, f.only)
	if err != nil {
		return err
	}
	worker, err := workerCommand()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.Close()
	c, err := bench.Compare(ctx, trials, contestants, bench.CompareOptions{
		Runs: f.runs, Pause: f.pause, Worker: worker,
		Watch: func(t bench.Trial, c bench.Contestant, run int) func(bench.Progress) {
			return progress.Start(fmt.Sprintf("%s: %s, run %d of %d", t.Name, c.Name, run+1, f.runs))
		},
	})
	progress.Close()
	if len(c.Outcomes) > 0 {
		if err := errors.Join(show(c), f.write(c)); err != nil {
			return failed(err)
		}
	}
	if err != nil {
		return err
	}
	return verdict(c)
}

// verdict is the error for what was not possible or went wrong.
func verdict(c *bench.Comparison) error {
	if c.Interrupted {
		return &exitError{exitInterrupted, errors.New("interrupted; these are the results so far")}
	}
	faulty, impossible := "", ""
	for _, o := range c.Outcomes {
		if len(o.Results) == 0 {
			return failed(fmt.Errorf("%s: no run against %s was possible: %s", o.Trial.Name, o.Contestant, o.Errors[0]))
		}
		if n := len(o.Errors); n > 0 {
			impossible = fmt.Sprintf("%s: %d of %d runs against %s were not possible: %s", o.Trial.Name, n, n+len(o.Results), o.Contestant, o.Errors[0])
		}
		if slices.ContainsFunc(o.Results, (*bench.Result).Faulty) {
			faulty = o.Trial.Name + " against " + o.Contestant
		}
	}
	if impossible != "" {
		return failed(errors.New(impossible))
	}
	if faulty != "" {
		return &exitError{exitFaulty, fmt.Errorf("not all went well, such as in %s", faulty)}
	}
	return nil
}

func writeSummaries(to io.Writer, c *bench.Comparison) error {
	for _, o := range c.Outcomes {
		for _, r := range o.Results {
			fmt.Fprintf(to, "\n%s: ", o.Trial.Name)
			if err := bench.WriteSummary(to, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *compareFlags) write(c *bench.Comparison) error {
	if f.markdown != "" {
		var b strings.Builder
		if err := c.WriteMarkdown(&b); err != nil {
			return err
		}
		if err := os.WriteFile(f.markdown, []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	if f.charts != "" {
		if err := report.WriteCharts(f.charts, c); err != nil {
			return err
		}
	}
	if f.json == "" {
		return nil
	}
	return writeJSON(f.json, c)
}

// contestants reads the flags that name servers.
func (f *compareFlags) contestants() ([]bench.Contestant, error) {
	var all []bench.Contestant
	place := map[string]int{}
	for _, text := range f.targets {
		name, url, ok := strings.Cut(text, "=")
		if !ok || name == "" || url == "" {
			return nil, fmt.Errorf("--target %s: must be name=URL", text)
		}
		if _, twice := place[name]; twice {
			return nil, fmt.Errorf("--target %s: the name is there twice", text)
		}
		place[name] = len(all)
		all = append(all, bench.Contestant{Name: name, URL: url})
	}
	if len(all) == 0 {
		return nil, errors.New("--target: there must be one at least, as name=URL")
	}
	set := func(flag string, texts []string, set func(c *bench.Contestant, value string) error) error {
		for _, text := range texts {
			name, value, _ := strings.Cut(text, "=")
			i, ok := place[name]
			if !ok {
				return fmt.Errorf("%s %s: must be name=value, with the name of a --target", flag, text)
			}
			if err := set(&all[i], value); err != nil {
				return fmt.Errorf("%s %s: %w", flag, text, err)
			}
		}
		return nil
	}
	err := set("--pid", f.pids, func(c *bench.Contestant, value string) error {
		for id := range strings.SplitSeq(value, ",") {
			pid, err := strconv.Atoi(id)
			if err != nil {
				return err
			}
			c.PIDs = append(c.PIDs, pid)
		}
		return nil
	})
	return all, errors.Join(err, set("--scrape", f.scrapes, func(c *bench.Contestant, value string) error {
		c.Scrape = append(c.Scrape, value)
		return nil
	}))
}
