package main

import (
	"github.com/spf13/cobra"
)

func newConfigShow() *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the values in effect and where each was set",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := from.read()
			if err != nil {
				return err
			}
			return cfg.Write(cmd.OutOrStdout())
		},
	}
	from.flags(cmd)
	return cmd
}
