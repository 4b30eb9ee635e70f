package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/shlex"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pulsegate/pulsegate/bench"
)

// compareFlags are those of bench compare.
type compareFlags struct {
	targets, pids, scrapes []string
	runs                   int
	pause                  time.Duration
	markdown, json         string
}

func newBenchCompare() *cobra.Command {
	f := &compareFlags{}
	cmd := &cobra.Command{
		Use:   "compare FILE",
		Short: "Run a list of scenarios against several servers and compare",
		Long: `Run each scenario of a file against each server in turn, several times, and
write a table of the medians.

A line of the file is a name, a colon, a scenario and its flags, as on the
command line but without the target; # begins a comment:

  100 B, unbatched: publish --producers 50 --duration 10s
  fan-out: fanout --readers 2000 --rate 20`,
		Example: "  pulsegate bench compare bench.txt --target java=ws://localhost:8081 --pid java=4711 --target pulsegate=ws://localhost:8080 --pid pulsegate=4712",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&f.targets, "target", nil, "a server, as `name=URL`; repeated for each; the first is what the others are compared to")
	fs.StringArrayVar(&f.pids, "pid", nil, "process id of a server, as `name=id`")
	fs.StringArrayVar(&f.scrapes, "scrape", nil, "metrics of a server, as `name=URL`")
	fs.IntVar(&f.runs, "runs", 3, "how often each scenario is run against each server")
	fs.DurationVar(&f.pause, "pause", time.Second, "between two runs")
	fs.StringVar(&f.markdown, "markdown", "", "write the table to this `file`, too")
	fs.StringVar(&f.json, "json", "", "write all results to this `file`, as JSON")
	return cmd
}

func (f *compareFlags) run(cmd *cobra.Command, path string) error {
	contestants, err := f.contestants()
	if err != nil {
		return err
	}
	trials, err := readTrials(path)
	if err != nil {
		return err
	}
	if f.runs < 1 {
		return fmt.Errorf("--runs %d: there must be one at least", f.runs)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	progress := bench.ProgressWriter(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()))
	announce := func(t bench.Trial, c bench.Contestant, run int) func(bench.Progress) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s, run %d of %d\n", t.Name, c.Name, run+1, f.runs)
		return progress
	}
	c, err := bench.Compare(ctx, trials, contestants, f.runs, f.pause, announce)
	if err != nil {
		return err
	}
	if err := f.write(cmd, c); err != nil {
		return &runtimeError{err}
	}
	if c.Interrupted {
		return &exitError{exitInterrupted, errors.New("interrupted; these are the results so far")}
	}
	for _, o := range c.Outcomes {
		if len(o.Results) == 0 {
			return &runtimeError{fmt.Errorf("%s: no run against %s was possible: %s", o.Trial.Name, o.Contestant, o.Errors[0])}
		}
	}
	return nil
}

func (f *compareFlags) write(cmd *cobra.Command, c *bench.Comparison) error {
	if err := c.WriteMarkdown(cmd.OutOrStdout()); err != nil {
		return err
	}
	if f.markdown != "" {
		var b strings.Builder
		if err := c.WriteMarkdown(&b); err != nil {
			return err
		}
		if err := os.WriteFile(f.markdown, []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	if f.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	return os.WriteFile(f.json, append(b, '\n'), 0o644)
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
	err := set("--pid", f.pids, func(c *bench.Contestant, value string) (err error) {
		c.PID, err = strconv.Atoi(value)
		return err
	})
	return all, errors.Join(err, set("--scrape", f.scrapes, func(c *bench.Contestant, value string) error {
		c.Scrape = value
		return nil
	}))
}

// readTrials reads a file of scenarios. All of it is checked before anything runs.
func readTrials(path string) ([]bench.Trial, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var trials []bench.Trial
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		trial, err := readTrial(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		for _, t := range trials {
			if t.Name == trial.Name {
				return nil, fmt.Errorf("%s:%d: the name %q is there twice", path, n, t.Name)
			}
		}
		trials = append(trials, trial)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(trials) == 0 {
		return nil, fmt.Errorf("%s: no scenario in it", path)
	}
	return trials, nil
}

func readTrial(line string) (bench.Trial, error) {
	name, text, ok := strings.Cut(line, ":")
	args, err := shlex.Split(text)
	if err != nil {
		return bench.Trial{}, err
	}
	if !ok || len(args) == 0 {
		return bench.Trial{}, errors.New("must be a name, a colon, a scenario and its flags")
	}
	var scenario *benchScenario
	for _, s := range benchScenarios() {
		if s.name == args[0] {
			scenario = s
		}
	}
	if scenario == nil {
		return bench.Trial{}, fmt.Errorf("there is no scenario %q", args[0])
	}
	plan := func(c bench.Contestant) (bench.Plan, error) {
		f := &benchFlags{}
		fs := pflag.NewFlagSet(scenario.name, pflag.ContinueOnError)
		scenario.register(f, fs)
		if err := fs.Parse(args[1:]); err != nil {
			return bench.Plan{}, err
		}
		if fs.NArg() > 0 {
			return bench.Plan{}, fmt.Errorf("%q is no flag; the target comes from --target", fs.Arg(0))
		}
		err := scenario.complete(f, c.URL)
		return f.plan, err
	}
	if _, err := plan(bench.Contestant{URL: "ws://localhost"}); err != nil {
		return bench.Trial{}, err
	}
	return bench.Trial{Name: strings.TrimSpace(name), Command: strings.TrimSpace(text), Plan: plan}, nil
}
