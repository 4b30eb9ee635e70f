package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/config"
)

// source is where a command takes its configuration from.
type source struct {
	path string
	sets []string
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "config", "c", "", "configuration file (default "+config.DefaultPath+" if there is one)")
	cmd.Flags().StringArrayVar(&s.sets, "set", nil, "set `key=value`, more than the file and the environment; may be repeated")
}

// load reads the configuration and, unless embedded, makes sure that it names a
// cluster. The notices are valid with an error, too: they may tell its cause.
func (s *source) load(embedded bool) (*config.Config, []config.Notice, error) {
	s.path = config.Locate(s.path)
	cfg, notices, err := config.Load(s.path, os.Environ(), s.sets)
	if err == nil && !embedded {
		err = cfg.RequireCluster()
	}
	return cfg, notices, err
}

func printWarnings(w io.Writer, notices []config.Notice) {
	for _, n := range notices {
		fmt.Fprintln(w, "warning:", n)
	}
}

// log says where cfg comes from.
func (s *source) log(log *slog.Logger, cfg *config.Config) {
	log.Info("configuration read", "from", s.name())
	if keys := cfg.FromEnvironment(); len(keys) > 0 {
		log.Info("configuration: keys set by the environment", "keys", strings.Join(keys, ","))
	}
}

// name is what to call the source in a message.
func (s *source) name() string {
	if s.path == "" {
		return "defaults (no configuration file)"
	}
	return s.path
}
