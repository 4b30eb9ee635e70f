// Command pulsegate serves Pulsar's WebSocket protocol.
package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/cmd/usage"
	"github.com/pulsegate/pulsegate/config"
)

// The exit codes.
const (
	exitOK      = 0
	exitRuntime = 1
	exitUsage   = 2 // a wrong command line or configuration

	exitNotEnabled = 3 // the broker's configuration enables no WebSocket service
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	return usage.Run(newRoot(), args, stdout, stderr, exitCode)
}

// exitCode is the one for what went wrong.
func exitCode(err error) int {
	if errors.Is(err, config.ErrNotEnabled) {
		return exitNotEnabled
	}
	if failed := (*runtimeError)(nil); errors.As(err, &failed) {
		return exitRuntime
	}
	return exitUsage
}

// runtimeError marks what failed although the command line and configuration were right.
type runtimeError struct{ err error }

func (e *runtimeError) Error() string { return e.err.Error() }
func (e *runtimeError) Unwrap() error { return e.err }

const rootHelp = `Pulsar's WebSocket protocol for very many clients.

Exit codes: 0 all well; 1 it could not be done, for example because a port is
taken or a server is not there; 2 the command line or the configuration is
wrong: what, where and what to do instead is said, and nothing was begun; 3 the
file of --broker-conf enables no WebSocket service.`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "pulsegate",
		Short:         "Pulsar's WebSocket protocol for very many clients",
		Long:          rootHelp,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	versions := root.Flags().Bool("version", false, "print the versions, as the command version does")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *versions {
			printVersions(cmd.OutOrStdout())
			return nil
		}
		return cmd.Help()
	}
	root.AddCommand(newServe(), newConfig(), newProduce(), newConsume(), newBench(), newHealth(), newVersion())
	root.AddCommand(operatorCommands()...)
	usage.Explain(root)
	return root
}

// help is what a command does that only has others below it. As it can run, an unknown one is an error.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }
