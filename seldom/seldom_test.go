package seldom

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(slog.NewTextHandler(&out, nil))
		var l Line
		tell := func() { l.Log(log, slog.LevelWarn, "again", "what", "x") }
		for range 3 {
			tell()
		}
		time.Sleep(Every)
		tell()
		tell()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN msg=again what=x count=1") || !strings.Contains(lines[1], "count=3") {
			t.Error(lines)
		}
		if n := l.Add(time.Now().Add(Every)); n != 2 {
			t.Errorf("%d are counted", n)
		}
	})
}
