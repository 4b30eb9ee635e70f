package conformance

import (
	"io"
	"log/slog"

	"github.com/apache/pulsar-client-go/pulsar/log"
)

// quietLogger drops what Pulsar's client logs: a case reports what matters.
func quietLogger() log.Logger {
	return log.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil)))
}
