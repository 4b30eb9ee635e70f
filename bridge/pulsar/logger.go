package pulsar

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar/log"
)

// connectionWarnings are the beginnings of what the client library says about
// connections that cannot be opened. Its errors do not repeat these reasons, so
// an operator has to see them.
var connectionWarnings = []string{
	"Failed to connect to broker", "Failed to establish connection", "Failed to perform initial handshake",
	"Failed to load auth credentials", "Failed to configure TLS",
}

// warnEvery is how often the same connection warning is repeated at most.
const warnEvery = 30 * time.Second

// clientLogger takes the client library's log. It goes to the debug level,
// since its errors are also returned to whoever can act on them, and clients
// can cause them at will; only connection failures are warnings. The library's
// own debug lines, which hold payloads, are dropped unformatted.
//
// Every consumer of the library keeps a logger or two, so they
// hold their attributes as they came and little else.
type clientLogger struct {
	*logOutput
	attrs []any // names and values in turn; never changed once it is set
}

// logOutput is what all loggers of one client share.
type logOutput struct {
	log    *slog.Logger
	warned *warnedAt
	watch  watcher
}

type warnedAt struct {
	mu sync.Mutex
	at map[string]time.Time
}

func newClientLogger(out *slog.Logger, watch watcher) clientLogger {
	return clientLogger{logOutput: &logOutput{
		log: out.With("from", "pulsar-client-go"), warned: &warnedAt{at: map[string]time.Time{}}, watch: watch,
	}}
}

func (l clientLogger) with(more ...any) clientLogger {
	l.attrs = append(l.attrs[:len(l.attrs):len(l.attrs)], more...)
	return l
}

func (l clientLogger) say(message string) {
	for _, w := range connectionWarnings {
		if strings.HasPrefix(message, w) && l.warned.due(w) {
			l.log.Warn(message, l.attrs...)
			return
		}
	}
	l.log.Debug(message, l.attrs...)
}

// due reports whether the warning was not given lately, and notes it.
func (w *warnedAt) due(warning string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.at[warning]) < warnEvery {
		return false
	}
	w.at[warning] = now
	return true
}

func (l clientLogger) fields(fields log.Fields) clientLogger {
	more := make([]any, 0, 2*len(fields))
	for k, v := range fields {
		more = append(more, k, v)
	}
	return l.with(more...)
}

func (l clientLogger) SubLogger(fields log.Fields) log.Logger     { return l.fields(fields) }
func (l clientLogger) WithFields(fields log.Fields) log.Entry     { return l.fields(fields) }
func (l clientLogger) WithField(name string, value any) log.Entry { return l.with(name, value) }
func (l clientLogger) WithError(err error) log.Entry              { return l.with("error", err) }

// Debug drops the line.
func (l clientLogger) Debug(...any) {}

func (l clientLogger) Infof(format string, args ...any)  { l.debugf(format, args) }
func (l clientLogger) Warn(args ...any)                  { l.say(fmt.Sprint(args...)) }
func (l clientLogger) Warnf(format string, args ...any)  { l.say(fmt.Sprintf(format, args...)) }
func (l clientLogger) Error(args ...any)                 { l.say(fmt.Sprint(args...)) }
func (l clientLogger) Errorf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

func (l clientLogger) Info(args ...any) { l.debug(args) }

// Debugf drops the line; one of them shows what was received.
func (l clientLogger) Debugf(_ string, args ...any) {
	received(args, l.watch)
}

func (l clientLogger) debug(args []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprint(args...), l.attrs...)
	}
}

func (l clientLogger) debugf(format string, args []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...), l.attrs...)
	}
}
