package main

import (
	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/config"
)

func newConfigDefaults() *cobra.Command {
	return &cobra.Command{
		Use:   "defaults",
		Short: "Print a configuration file that explains every key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return config.WriteDefaults(cmd.OutOrStdout())
		},
	}
}
