package main

import (
	"github.com/spf13/cobra"
)

func newConfigShow() *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the values in effect and where each was set",
		Long:  "Print the values in effect and where each was set, also of a configuration that is not valid: what is wrong with it follows.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			notices, err := from.show(cmd.OutOrStdout())
			printWarnings(cmd.ErrOrStderr(), notices)
			return err
		},
	}
	from.flags(cmd)
	return cmd
}
