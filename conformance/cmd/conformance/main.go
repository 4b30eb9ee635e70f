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
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

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
	s := &servers{}
	defer s.end()
	all := []*conformance.Target{targets.Embedded(s)}
	if slices.Contains(kinds, string(conformance.Broker)) || slices.Contains(kinds, string(conformance.Java)) {
		cluster, err := pulsar.Start(ctx, pulsar.Options{})
		if err != nil {
			return 0, err
		}
		s.Cleanup(func() { _ = cluster.Close() })
		broker, java := targets.OnCluster(s, cluster)
		all = append(all, broker, java)
	}
	areas := conformance.Select(conformance.Table(), match)
	results := make(conformance.Results)
	for _, target := range all {
		if slices.Contains(kinds, string(target.Kind)) {
			results[target.Kind] = conformance.Run(ctx, target, areas)
			explain(target.Kind, areas, results[target.Kind])
		}
	}
	return conformance.WriteMatrix(os.Stdout, areas, results)
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
