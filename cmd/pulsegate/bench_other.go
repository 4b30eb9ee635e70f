//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newBench() *cobra.Command {
	return &cobra.Command{
		Use:                "bench",
		Short:              "Put load on a server of the protocol and measure it (on Linux only)",
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("bench needs Linux: its event loop is epoll, and costs are read from /proc")
		},
	}
}
