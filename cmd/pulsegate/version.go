package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set at build time with -ldflags "-X main.version=…".
var version string

// The libraries whose version matters to someone who reports a problem.
var libraries = []string{"github.com/lesismal/nbio", "github.com/apache/pulsar-client-go"}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of pulsegate, Go and the main libraries",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			printVersions(cmd.OutOrStdout())
			return nil
		},
	}
}

func printVersions(out io.Writer) {
	fmt.Fprintln(out, "pulsegate", buildVersion())
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	fmt.Fprintln(out, "go", info.GoVersion)
	for _, path := range libraries {
		for _, dep := range info.Deps {
			if dep.Path == path {
				fmt.Fprintln(out, path, dep.Version)
			}
		}
	}
}

// buildVersion is the version set at build time, else what Go recorded: the
// module's version, or the commit it was built from.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}
