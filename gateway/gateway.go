// Package gateway puts the rooms together: configuration, upstream, bridge and server.
package gateway

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pulsegate/pulsegate/config"
)

// Options are what the command line adds to the configuration.
type Options struct {
	Embedded bool
	Logger   *slog.Logger
	Version  string
}

// Run serves until ctx ends.
func Run(ctx context.Context, cfg *config.Config, notices []config.Notice, opts Options) error {
	return errors.New("gateway: not wired yet")
}
