package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/operator/ask"
)

const configShowHelp = `Print the values in effect and where each was set, also of a configuration that
is not valid: what is wrong with it follows.

With --running they are those of a gateway that runs, also where its files have
changed since it read them: the gateway on this machine with the same
configuration, or the one at --url. Secrets are masked in either case.`

func newConfigShow() *cobra.Command {
	var of running
	var live bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the values in effect and where each was set, of the files or of a running gateway",
		Long:  configShowHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if live {
				return of.ask(cmd, func(ctx context.Context, c *ask.Client) error { return showRunning(ctx, cmd, c) })
			}
			for _, name := range []string{"url", "tls-trust", "token", "token-file"} {
				if cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s: it needs --running; without it the configuration is read from the files", name)
				}
			}
			notices, err := of.from.show(cmd.OutOrStdout())
			printWarnings(cmd.ErrOrStderr(), notices)
			return err
		},
	}
	cmd.Flags().BoolVar(&live, "running", false, "of a gateway that runs, rather than of the files")
	of.flags(cmd)
	return cmd
}

// showRunning prints the configuration of the gateway that c asks.
func showRunning(ctx context.Context, cmd *cobra.Command, c *ask.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, err := c.Config(ctx)
	if err != nil {
		return asRuntime(err)
	}
	return asRuntime(ask.PrintConfig(cmd.OutOrStdout(), text))
}
