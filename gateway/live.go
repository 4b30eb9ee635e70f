package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge/hub"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/server"
	"github.com/pulsegate/pulsegate/server/tlsconf"
)

// live is the configuration in effect and the rooms that go by it. It belongs to
// the goroutine of [Run], which alone reads and changes it. The rooms are handed
// values of their own, which sessions and event loops read as snapshots: nobody but
// the owner has the configuration itself.
type live struct {
	cfg  *config.Config
	load func() (*config.Config, []config.Notice, error) // nil: there is nothing to read again
	log  *slog.Logger
	told *source // what operators are told; nil: there are none

	level  *slog.LevelVar // nil: it is not ours
	budget *memory.Budget
	bridge *hub.Hub
	server *server.Server
	gate   *auth.Gate      // nil: nobody has to log in
	tls    *tlsconf.Source // nil: TLS is not spoken
}

// until returns when ctx ends. On each hangup the configuration is read again.
func (l *live) until(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			l.reload()
		}
	}
}

// reload reads the configuration again, and the keys, users and certificates that
// it names. All of it that can take effect does, or with a mistake nothing.
func (l *live) reload() {
	if l.load == nil {
		return
	}
	l.log.Info("SIGHUP: reading the configuration again")
	next, notices, err := l.load()
	if err != nil {
		config.LogNotices(l.log, notices)
		l.refuse(err)
		return
	}
	cfg, changes, err := l.cfg.Reload(next)
	if err != nil {
		l.refuse(err)
		return
	}
	use, err := l.prepare(cfg)
	if err != nil {
		l.refuse(err)
		return
	}
	config.LogNotices(l.log, notices)
	for _, c := range changes {
		l.tell(c)
	}
	use()
	l.log.Info("SIGHUP: done; sessions stay open", "changed", count(changes, true), "waiting_for_a_restart", count(changes, false),
		"certificates", readAgain(l.tls != nil), "credentials", readAgain(l.gate != nil))
}

func readAgain(yes bool) string {
	if yes {
		return "read again"
	}
	return "none"
}

func count(changes []config.Change, live bool) (n int) {
	for _, c := range changes {
		if c.Live == live {
			n++
		}
	}
	return n
}

// refuse says what is wrong, a mistake a line.
func (l *live) refuse(err error) {
	for _, err := range single(err) {
		l.log.Error("SIGHUP: the new configuration is not valid", "error", err)
	}
	l.log.Error("SIGHUP: nothing was changed; what was in effect before stays so")
}

// single takes joined errors apart.
func single(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, single(err)...)
		}
		return all
	}
	return []error{err}
}

func (l *live) tell(c config.Change) {
	args := []any{"key", c.Key, "was", c.Before, "is", c.Now, "from", c.Source.String()}
	if c.Live {
		l.log.Info("SIGHUP: a value takes effect", args...)
	} else {
		l.log.Warn("SIGHUP: a value needs a restart to take effect", args...)
	}
}

// prepare reads what cfg names. use, which cannot fail, then puts all of it into
// effect.
func (l *live) prepare(cfg *config.Config) (use func(), err error) {
	var rules auth.Rules
	if l.gate != nil {
		if rules, err = authRules(cfg, l.log); err != nil {
			return nil, err
		}
	}
	var certificates tlsconf.Reading
	if l.tls != nil {
		if certificates, err = l.tls.Read(tlsOptions(cfg)); err != nil {
			if l.gate != nil {
				rules.Authenticator.Close()
			}
			return nil, fmt.Errorf("webServicePortTls=%d: %w", cfg.WebServicePortTLS, err)
		}
	}
	return func() {
		l.cfg = cfg
		if l.told != nil {
			l.told.use(cfg)
		}
		cfg.SetLevel(l.level)
		l.budget.SetLimit(memoryLimit(cfg))
		l.bridge.SetLimits(bridgeLimits(cfg))
		if l.gate != nil {
			l.gate.Apply(rules)
		}
		if l.tls != nil && l.tls.Use(certificates) {
			l.log.Info("SIGHUP: the TLS certificates, or what goes with them, are other ones", "not_after", l.tls.NotAfter())
		}
		l.server.Apply(serverLimits(cfg))
	}, nil
}
