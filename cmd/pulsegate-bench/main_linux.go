// Command pulsegate-bench puts load on a server of Pulsar's WebSocket protocol and
// measures it. `pulsegate bench` runs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/bench/scenario"
	"github.com/pulsegate/pulsegate/cmd/usage"
)

// The exit codes.
const (
	exitOK          = 0
	exitRuntime     = 1
	exitUsage       = 2   // wrong flags, or the machine's limits do not allow the run
	exitFaulty      = 3   // the run went through, but the server failed at something
	exitInterrupted = 130 // as shells do for Ctrl-C
)

// version is set at build time with -ldflags "-X main.version=…".
var version = "unknown"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	return usage.Run(newRoot(), args, stdout, stderr, exitCode)
}

// exitCode is the one for what went wrong.
func exitCode(err error) int {
	if chosen := (*exitError)(nil); errors.As(err, &chosen) {
		return chosen.code
	}
	return exitUsage
}

func newRoot() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pulsegate-bench",
		Short: "Put load on a server of the protocol and measure it",
		Long: `Put load on any server of Pulsar's WebSocket protocol and measure what it does.

Exit codes: 0 all well; 1 the run was not possible, for example because the
server is not there or refuses; 2 wrong flags, or the machine's limits do not
allow it; 3 the run went through, but sessions failed or were dropped, or
messages failed, were lost, repeated or out of order; 130 interrupted by Ctrl-C
(the results so far are written).`,
		Version:       version,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, s := range scenario.All() {
		cmd.AddCommand(newScenario(s))
	}
	cmd.AddCommand(newRun(), newCompare(), newReport(), newWorker())
	usage.Explain(cmd)
	return cmd
}

// workerName is the command that serves a share of a run. People have no use for it.
const workerName = "worker"

// workerCommand starts a process that has a share of a run: this program.
func workerCommand() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	return []string{self, workerName}, nil
}

func newWorker() *cobra.Command {
	return &cobra.Command{
		Use: workerName, Short: "Serve a share of a run (for --processes)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := bench.ServeWorker(cmd.InOrStdin(), cmd.OutOrStdout()); err != nil {
				return failed(err)
			}
			return nil
		},
	}
}

// newScenario is the command of a scenario.
func newScenario(s *scenario.Scenario) *cobra.Command {
	f := &scenario.Flags{}
	var jsonFile string
	cmd := &cobra.Command{
		Use: s.Name + " TARGET", Short: s.Short, Example: s.Example,
		Long: s.Long + `

TARGET is like ws://host:port or wss://host:port. With pulsar://host:port, the
broker itself is driven, with Pulsar's Go client, and what this process uses
counts as the server's cost: what programs get that need no gateway.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := s.Plan(f, args[0])
			if err != nil {
				return err
			}
			if plan.Worker, err = workerCommand(); err != nil {
				return err
			}
			return measure(cmd, plan, jsonFile)
		},
	}
	s.Register(f, cmd.Flags())
	cmd.Flags().StringVar(&jsonFile, "json", "", "write the result to this `file`, as JSON")
	return cmd
}

// measure runs a plan and writes what came out.
func measure(cmd *cobra.Command, plan bench.Plan, jsonFile string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// From the first signal on the default action is back: a second one kills.
	context.AfterFunc(ctx, stop)
	progress := newProgress(cmd.ErrOrStderr())
	result, err := bench.Run(ctx, plan, progress.Start(""))
	progress.Close()
	if err == nil {
		if werr := writeResult(cmd.OutOrStdout(), result, jsonFile); werr != nil {
			return failed(werr)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted, errors.New("interrupted before there was anything to measure")}
	case errors.Is(err, bench.ErrPlan):
		return err
	case err != nil:
		return failed(err)
	case result.Interrupted:
		return &exitError{exitInterrupted, errors.New("interrupted; these are the results so far")}
	case result.Faulty():
		return &exitError{exitFaulty, errors.New("not all went well, see above")}
	}
	return nil
}

func writeResult(to io.Writer, r *bench.Result, jsonFile string) error {
	fmt.Fprintln(to)
	if err := bench.WriteSummary(to, r); err != nil {
		return err
	}
	if jsonFile == "" {
		return nil
	}
	return writeJSON(jsonFile, r)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func newProgress(w io.Writer) *bench.Display { return bench.NewDisplay(w, isTerminal(w)) }

// isTerminal reports whether someone watches.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// failed marks what was not possible although the command line was right.
func failed(err error) error { return &exitError{exitRuntime, err} }

// exitError chooses an exit code other than that of a wrong command line.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }
