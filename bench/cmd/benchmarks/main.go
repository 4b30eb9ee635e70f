//go:build pulsar && linux

// Command benchmarks measures pulsegate beside Pulsar's Java WebSocket proxy and
// the Go client alone, on a real broker that it starts, and writes BENCHMARKS.md
// with its charts:
//
//	go run -tags pulsar ./bench/cmd/benchmarks
//
// What was measured is kept in a file, so that a part can be measured anew with
// -only; the page is always made of everything in it. It expects to run at the top
// of the module, with bin/pulsegate built.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/scenario"
)

// options are the flags.
type options struct {
	quick, render         bool
	record                int
	only                  []string
	runs                  int
	file, results, charts string
	page, binary, load    string
	codec                 bool
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one short run of each: to see whether all works")
	flag.BoolVar(&o.render, "render", false, "measure nothing, only write the page anew")
	flag.BoolVar(&o.codec, "codec", true, "run the codec's benchmarks, too")
	flag.IntVar(&o.record, "record", 0, "measure only how so many idle `readers` get one message, over as many processes as descriptors ask for")
	flag.Func("only", "measure only the scenarios whose name matches this regular `expression`, and not the codec; may be repeated", func(s string) error {
		o.only = append(o.only, s)
		return nil
	})
	flag.IntVar(&o.runs, "runs", 3, "how often each scenario is run against each server")
	flag.StringVar(&o.file, "scenarios", "bench/budgets.yaml", "scenario `file`")
	flag.StringVar(&o.results, "results", "bench/results.json", "`file` of what was measured")
	flag.StringVar(&o.charts, "charts", "bench/charts", "`directory` of the charts")
	flag.StringVar(&o.page, "page", "BENCHMARKS.md", "`file` to write")
	flag.StringVar(&o.binary, "binary", "bin/pulsegate", "the pulsegate to measure")
	flag.StringVar(&o.load, "load", "bin/pulsegate-bench", "the load generator")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "benchmarks: %q is no flag\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once; the servers end with this process
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	measured, err := readMeasured(o.results)
	if err != nil {
		return err
	}
	all, err := scenario.Read(o.file, nil, nil)
	if err != nil {
		return err
	}
	measured.forget(all)
	switch {
	case o.render:
	case o.record > 0:
		err = measureRecord(ctx, o, measured)
	default:
		err = measure(ctx, o, measured)
	}
	measured.sort(all)
	// What was measured before an error or Ctrl-C is kept.
	if werr := measured.write(o); werr != nil {
		return errors.Join(err, werr)
	}
	return err
}

// quickly are the settings of -quick.
var quickly = []string{"duration=3s", "warm-up=2s"}

// warmUps is the scenario file's neighbour with what servers do before they are
// measured.
const warmUps = "bench/warmup.yaml"

func measure(ctx context.Context, o *options, m *measured) error {
	var set []string
	if o.quick {
		o.runs, set = 1, quickly
	}
	trials, err := scenario.Read(o.file, set, o.only)
	if err != nil {
		return err
	}
	if o.codec && len(o.only) == 0 {
		if m.Codec, err = runCodec(ctx, o.quick); err != nil {
			return err
		}
	}
	warm, err := scenario.Read(warmUps, set, nil)
	if err != nil {
		return err
	}
	var s *servers
	defer func() {
		if s != nil {
			s.stop()
		}
	}()
	display := bench.NewDisplay(os.Stderr, false)
	var failed error
	for i, t := range trials {
		if s == nil || !maps.Equal(s.broker, brokerFor(t)) {
			if s != nil {
				s.stop()
			}
			if s, err = start(ctx, o.binary, warm[0], brokerFor(t)); err != nil {
				return err
			}
		}
		runs := o.runs
		if isWatched(t.Name) && !o.quick {
			runs = max(runs, pairs)
		}
		c, err := bench.Compare(ctx, []bench.Trial{t}, s.contestants(t), bench.CompareOptions{
			Runs: runs, Pause: pause, Prepare: s.prepare, Worker: []string{o.load, "worker"},
			Watch: func(t bench.Trial, c bench.Contestant, run int) func(bench.Progress) {
				return display.Start(fmt.Sprintf("== %d of %d: %s: %s, run %d of %d", i+1, len(trials), t.Name, c.Name, run+1, t.RunsOf(runs)))
			},
		})
		if err != nil {
			return err
		}
		if c.Interrupted { // what is not whole does not take the place of what was
			return errors.New("interrupted; what was measured so far is kept")
		}
		err = complete(c)
		if isWatched(t.Name) {
			err = s.watching(t, c)
		}
		if err != nil { // nor what could not be measured
			failed = errors.Join(failed, fmt.Errorf("%s: what was measured before is kept: %w", t.Name, err))
			continue
		}
		if err := m.add(t, c, o); err != nil {
			return err
		}
	}
	return failed
}

// complete returns why a server could do none of a trial's runs, nil if each did one.
func complete(c *bench.Comparison) (err error) {
	for _, o := range c.Outcomes {
		if len(o.Results) == 0 {
			err = errors.Join(err, fmt.Errorf("%s: %s", o.Contestant, strings.Join(o.Errors, "; ")))
		}
	}
	return err
}
