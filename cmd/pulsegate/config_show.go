package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/config"
)

func newConfigShow() *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the values in effect and where each was set",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := config.Load(config.Locate(from.path), os.Environ(), from.sets)
			if err != nil {
				return err
			}
			return cfg.Write(cmd.OutOrStdout())
		},
	}
	from.flags(cmd)
	return cmd
}
