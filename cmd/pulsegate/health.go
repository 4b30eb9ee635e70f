package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/gateway"
)

func newHealth() *cobra.Command {
	var from source
	var ready bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the pulsegate that runs here whether it is well, for containers and scripts",
		Long: `Ask the pulsegate that runs on this machine with the same configuration whether
it is well. Exit codes: 0 it is; 1 it is not, or does not answer; 2 the
configuration is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := from.load(true)
			if err != nil {
				return err
			}
			page := gateway.PageHealthy
			if ready {
				page = gateway.PageReady
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return asRuntime(gateway.Probe(ctx, cfg, page))
		},
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it takes new sessions, which needs the brokers, instead of whether it answers")
	cmd.Flags().DurationVar(&timeout, "timeout", 6*time.Second, "how long to wait for the answer")
	return cmd
}
