package main

import "github.com/spf13/cobra"

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and explain the configuration",
		Args:  cobra.NoArgs,
		RunE:  help,
	}
	cmd.AddCommand(newConfigCheck(), newConfigDefaults(), newConfigShow())
	return cmd
}
