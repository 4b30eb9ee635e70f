package server

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Sessions are logged at debug, with what an operator needs and no secret.
func TestSessionLog(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var log lockedBuffer
		s := start(t, echoBridge(), func(o *Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
		})
		c := dial(t, s, producerPath+"?token=SECRET-TOKEN")
		say(t, c, "SECRET-PAYLOAD")
		message(t, c)
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "SECRET-REASON"))
		eventually(t, "the session ends", func() bool { return s.conns.Load() == 0 })
		text := log.String()
		if strings.Contains(text, "SECRET") {
			t.Errorf("a secret is logged:\n%s", text)
		}
		if level == slog.LevelInfo {
			if text != "" {
				t.Errorf("logged at info:\n%s", text)
			}
			continue
		}
		for _, want := range []string{`msg="session opened" kind=producer`, "topic=persistent://public/default/t", `msg="session closed" kind=producer`, "code=1000", "received=1", "sentBytes=16", "duration="} {
			if !strings.Contains(text, want) {
				t.Errorf("the log does not say %s:\n%s", want, text)
			}
		}
	}
}

func TestWarningsAreLimited(t *testing.T) {
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	var w warning
	for range 1000 {
		w.warn(logger, "again")
	}
	if n := strings.Count(log.String(), "again"); n != 1 {
		t.Fatalf("%d lines", n)
	}
	if w.skipped != 999 {
		t.Fatalf("%d lines were counted as left out", w.skipped)
	}
}
