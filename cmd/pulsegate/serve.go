package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/cmd/usage"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/gateway"
)

func newServe() *cobra.Command {
	var from source
	var embedded bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve WebSocket clients until SIGTERM or SIGINT",
		Args:  cobra.NoArgs,
		Example: `  pulsegate serve -c conf/websocket.conf
  pulsegate serve --set brokerServiceUrl=pulsar://localhost:6650
  pulsegate serve --broker-conf conf/broker.conf --set webServicePort=8082
  pulsegate serve --embedded`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangup, stopSurviving := surviveSignals(cmd.ErrOrStderr())
			defer stopSurviving()
			cfg, notices, err := from.load(embedded)
			if err != nil {
				printWarnings(cmd.ErrOrStderr(), notices)
				return err
			}
			log, level := config.NewLogger(cfg, cmd.ErrOrStderr())
			from.log(log, cfg)
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			// From the first signal on the default action is back: a second one kills.
			context.AfterFunc(ctx, stop)
			err = gateway.Run(ctx, cfg, notices, gateway.Options{
				Embedded: embedded, Logger: log, Level: level, Version: buildVersion(), Hangup: hangup,
				Reload: func() (*config.Config, []config.Notice, error) { return from.load(embedded) },
			})
			if fault := (*gateway.Fault)(nil); errors.As(err, &fault) {
				return err
			}
			return asRuntime(err)
		},
	}
	from.flags(cmd)
	embeddedFlag(cmd, &embedded)
	usage.Exclusive(cmd, "embedded", "broker-conf")
	return cmd
}

func embeddedFlag(cmd *cobra.Command, embedded *bool) {
	cmd.Flags().BoolVar(embedded, "embedded", false, "keep topics in this process instead of a Pulsar cluster; nothing survives a restart")
}
