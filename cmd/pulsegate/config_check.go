package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/gateway"
)

func newConfigCheck() *cobra.Command {
	var from source
	var embedded bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with a configuration, and which keys have no effect",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, notices, err := from.load(embedded)
			printWarnings(cmd.OutOrStdout(), notices)
			if cfg != nil {
				warnings, fault := gateway.CheckTLS(cfg)
				for _, text := range warnings {
					fmt.Fprintln(cmd.OutOrStdout(), "warning:", text)
				}
				err = errors.Join(err, gateway.CheckAccess(cfg), fault)
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ok:", from.name())
			return nil
		},
	}
	from.flags(cmd)
	embeddedFlag(cmd, &embedded)
	return cmd
}
