// Command install brings what the tests need from registries, so that a registry which does not answer later fails no test. It
// runs at the top of the source.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/pulsegate/pulsegate/test/installed"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := install(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

// install brings everything, even if something fails: what is there need not be asked for again.
func install(ctx context.Context) error {
	_, err := pulsar.Fetch(ctx)
	errs := []error{err}
	for _, dir := range []string{".", "test/console/testdata"} {
		errs = append(errs, installed.Again(ctx, dir, "go", "mod", "download"))
	}
	for _, requirements := range []string{"examples/python/requirements.txt", "test/console/requirements.txt"} {
		_, err := installed.Python(ctx, requirements)
		errs = append(errs, err)
	}
	for _, dir := range []string{"examples/node", "test/console"} {
		_, err := installed.Node(ctx, dir)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, installed.NPM(ctx, "protocol/tools"))...)
}
