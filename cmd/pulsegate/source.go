package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pulsegate/pulsegate/cmd/usage"
	"github.com/pulsegate/pulsegate/config"
)

// source is where a command takes its configuration from.
type source struct {
	path   string
	broker string
	sets   []string
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "config", "c", "", "configuration file (default "+config.DefaultPath+" if there is one)")
	cmd.Flags().StringVar(&s.broker, "broker-conf", "", "serve as the WebSocket service of the broker with this configuration `file`, and hand it all other HTTP")
	usage.Exclusive(cmd, "config", "broker-conf")
	cmd.Flags().StringArrayVar(&s.sets, "set", nil, "set `key=value`, more than the file and the environment; may be repeated")
}

// load reads the configuration and, unless embedded, makes sure that it names a
// cluster. The notices are valid with an error, too: they may tell its cause.
func (s *source) load(embedded bool) (*config.Config, []config.Notice, error) {
	cfg, notices, err := s.read()
	if err == nil && !embedded {
		err = cfg.RequireCluster()
	}
	return cfg, notices, s.explain(err)
}

// explain says what to do about a file that cannot be read.
func (s *source) explain(err error) error {
	flag := "-c"
	if s.broker != "" {
		flag = "--broker-conf"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.broker == "":
		return fmt.Errorf("%s %s: there is no such file; pulsegate config defaults prints one to start from", flag, s.path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EISDIR):
		return usage.Unreadable(flag, s.path, err)
	}
	return err
}

// read is load without a look at whether there is a cluster.
func (s *source) read() (*config.Config, []config.Notice, error) {
	if s.broker == "" {
		s.path = config.Locate(s.path)
		return config.Load(s.path, os.Environ(), s.sets)
	}
	s.path = s.broker
	return config.LoadBroker(s.path, os.Environ(), s.sets)
}

// show writes what is in effect, also of a websocket.conf that is not valid.
func (s *source) show(w io.Writer) ([]config.Notice, error) {
	if s.broker == "" {
		notices, err := config.Show(w, config.Locate(s.path), os.Environ(), s.sets)
		return notices, s.explain(err)
	}
	cfg, notices, err := s.read()
	if err != nil {
		return notices, s.explain(err)
	}
	return notices, cfg.Write(w)
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
