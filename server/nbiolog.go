package server

import (
	"fmt"
	"log/slog"

	"github.com/lesismal/nbio/logging"

	"github.com/pulsegate/pulsegate/seldom"
)

// quietNbio sends what nbio has to say to the server's log; by itself it writes
// to standard output. nbio has one logger for the whole process: the latest
// server's.
func quietNbio(log *slog.Logger) { logging.SetLogger(&nbioLog{log: log}) }

type nbioLog struct {
	log  *slog.Logger
	rate seldom.Line
}

func (*nbioLog) Debug(string, ...any) {}
func (*nbioLog) Info(string, ...any)  {}

func (l *nbioLog) Warn(format string, v ...any) {
	l.rate.Log(l.log, slog.LevelWarn, "event loop: "+fmt.Sprintf(format, v...))
}

func (l *nbioLog) Error(format string, v ...any) { l.Warn(format, v...) }
