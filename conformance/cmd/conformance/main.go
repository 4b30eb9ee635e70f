//go:build pulsar

// Command conformance runs the conformance suite and prints the matrix as
// Markdown:
//
//	go run -tags pulsar ./conformance/cmd/conformance > CONFORMANCE.md
//
// It exits with 1 when an outcome is not as the table says.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pulsegate/pulsegate/conformance"
	"github.com/pulsegate/pulsegate/conformance/targets"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func main() {
	only := flag.String("run", "", "run only the cases whose ID matches this regular expression")
	list := flag.String("targets", "embedded,broker,java", "the targets to run, separated by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wrong, err := run(ctx, *only, strings.Split(*list, ","))
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	if wrong > 0 {
		fmt.Fprintf(os.Stderr, "conformance: %d outcomes are not as they should be\n", wrong)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, kinds []string) (wrong int, err error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return 0, fmt.Errorf("-run: %w", err)
	}
	for _, k := range kinds {
		if !slices.Contains(conformance.Kinds, conformance.Kind(k)) {
			return 0, fmt.Errorf("-targets: %q is none of %v", k, conformance.Kinds)
		}
	}
	runs := func(kind conformance.Kind) bool { return slices.Contains(kinds, string(kind)) }
	results := make(conformance.Results)
	perform := func(target *conformance.Target, areas []conformance.Area) {
		if runs(target.Kind) {
			outcomes := conformance.Run(ctx, target, areas)
			explain(target.Kind, areas, outcomes)
			if results[target.Kind] == nil {
				results[target.Kind] = outcomes
			}
			maps.Copy(results[target.Kind], outcomes)
		}
	}
	s := &servers{}
	defer s.end()
	areas := conformance.Select(conformance.Table(), match)
	secured := conformance.Select(conformance.SecurityTable(), match)
	perform(targets.Embedded(s), append(slices.Clone(areas), secured...))
	for _, part := range []struct {
		areas   []conformance.Area
		start   func(context.Context) (*pulsar.Cluster, error)
		targets func(testing.TB, *pulsar.Cluster) (broker, java *conformance.Target)
	}{
		{areas, func(ctx context.Context) (*pulsar.Cluster, error) { return pulsar.Start(ctx, pulsar.Options{}) }, targets.OnCluster},
		{secured, targets.StartSecure, targets.OnSecureCluster},
	} {
		if len(part.areas) == 0 || !runs(conformance.Broker) && !runs(conformance.Java) {
			continue
		}
		cluster, err := part.start(ctx)
		if err != nil {
			return 0, err
		}
		s.Cleanup(func() { _ = cluster.Close() })
		broker, java := part.targets(s, cluster)
		perform(broker, part.areas)
		perform(java, part.areas)
		s.end() // one cluster at a time is enough for a machine
	}
	return conformance.WriteMatrix(os.Stdout, append(areas, secured...), results)
}

// explain prints what is wrong to standard error.
func explain(kind conformance.Kind, areas []conformance.Area, outcomes map[string]conformance.Outcome) {
	for _, a := range areas {
		for _, c := range a.Cases {
			if wrong := conformance.Verdict(kind, c, outcomes[c.ID]); wrong != "" {
				fmt.Fprintf(os.Stderr, "--- %s: %s: %s\n%s\n", kind, c.ID, c.Text, wrong)
			}
		}
	}
}
