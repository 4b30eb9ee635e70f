package server

import (
	"fmt"
	"log/slog"

	"github.com/lesismal/nbio/logging"
)

// quietNbio sends what nbio has to say to the server's log; by itself it writes
// to standard output. nbio has one logger for the whole process: the latest
// server's.
func quietNbio(log *slog.Logger) { logging.SetLogger(&nbioLog{log: log}) }

type nbioLog struct {
	log  *slog.Logger
	rate warning
}

func (*nbioLog) Debug(string, ...any) {}
func (*nbioLog) Info(string, ...any)  {}

func (l *nbioLog) Warn(format string, v ...any) {
	l.rate.warn(l.log, "event loop: "+fmt.Sprintf(format, v...))
}

func (l *nbioLog) Error(format string, v ...any) { l.Warn(format, v...) }
