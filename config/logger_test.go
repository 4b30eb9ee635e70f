package config

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLogger(t *testing.T) {
	for _, name := range []string{"debug", "info", "warn", "error"} {
		var out bytes.Buffer
		log, _ := NewLogger(&Config{LogLevel: name, LogFormat: "json"}, &out)
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.Log(t.Context(), l, "x")
		}
		first, _, _ := strings.Cut(out.String(), "\n")
		if !strings.Contains(first, `"level":"`+strings.ToUpper(name)+`"`) {
			t.Errorf("%s: first line is %s", name, first)
		}
	}
	var out bytes.Buffer
	log, level := NewLogger(Defaults(), &out)
	log.Info("hello")
	(&Config{LogLevel: "error"}).SetLevel(level)
	log.Warn("left out")
	if !strings.Contains(out.String(), "msg=hello") || strings.Contains(out.String(), "left out") {
		t.Errorf("got %s", out.String())
	}
}

func TestLogNotices(t *testing.T) {
	_, notices := mustParse(t, "webServicPort=1\nhttpServerAcceptQueueSize=1\nnumHttpServerThreads=2")
	var out bytes.Buffer
	LogNotices(slog.New(slog.NewTextHandler(&out, nil)), notices)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "did you mean webServicePort") ||
		!strings.Contains(lines[1], "level=INFO") || !strings.Contains(lines[1], "numHttpServerThreads,httpServerAcceptQueueSize") {
		t.Errorf("got %s", out.String())
	}
}
