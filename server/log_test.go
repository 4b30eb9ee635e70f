package server

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/logs"
)

// Sessions are logged at debug, with what an operator needs and no secret.
func TestSessionLog(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var log logs.Buffer
		s := start(t, echoBridge(), func(o *Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
			o.MaxConnections = 10
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
		for _, want := range []string{`msg="session opened" kind=producer`, "topic=persistent://public/default/t", `msg="session closed" kind=producer`, "code=1000", "received=1", "sent_bytes=16", "duration="} {
			if !strings.Contains(text, want) {
				t.Errorf("the log does not say %s:\n%s", want, text)
			}
		}
	}
}

// An upgrade that is refused is logged like one that is not: with the reason,
// and without what may be a secret.
func TestRefusalLog(t *testing.T) {
	for _, tc := range []struct{ path, reason string }{
		{producerPath + "?token=SECRET&sendTimeoutMillis=x", "sendTimeoutMillis"},
		{producerPath + "?token=SECRET%zz", "parameter \"token\" is not percent-encoded"},
		{producerPath + "?token=SECRET%ff", "parameter \"token\" is not UTF-8"},
		{producerPath + "%zz?token=SECRET", "topic \"t%zz\" is not percent-encoded"},
	} {
		var log logs.Buffer
		s := start(t, echoBridge(), func(o *Options) {
			o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		c := dialRaw(t, s)
		c.send(upgradeHead(tc.path))
		resp, body := c.response()
		var answer struct{ Reason string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != 400 ||
			!strings.HasPrefix(answer.Reason, "Invalid query params: ") || !strings.Contains(answer.Reason, tc.reason) {
			t.Errorf("%s: %d %s", tc.path, resp.StatusCode, body)
		}
		path, _, _ := strings.Cut(tc.path, "?")
		text := log.String()
		if strings.Contains(text, "SECRET") || strings.Contains(body, "SECRET") {
			t.Errorf("a secret is shown: %s\n%s", body, text)
		}
		for _, want := range []string{`"msg":"session refused"`, `"path":"` + path + `"`, `"status":400`, `"reason":"Invalid query params: `} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the log does not say %s:\n%s", tc.path, want, text)
			}
		}
	}
}

// A limit that this machine cannot reach is said at the start.
func TestImpossibleLimitIsLogged(t *testing.T) {
	var log logs.Buffer
	start(t, echoBridge(), func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.MaxConnections = 1 << 30
	})
	if text := log.String(); !strings.Contains(text, "raise it (ulimit -n)") || !strings.Contains(text, "allowed=1073741824") {
		t.Fatalf("logged: %q", text)
	}
}
