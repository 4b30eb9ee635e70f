package publish

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/seldom"
	"github.com/pulsegate/pulsegate/test/logs"
)

// A limit that changes counts at once. That it is reached is told, but not each time.
func TestPublishLimitThatChanges(t *testing.T) {
	var log logs.Buffer
	ps := newProducers(t, nil, options{Memory: memory.New(0), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err := ps.publishRoom(11); err != nil {
		t.Fatal(err)
	}
	ps.limits.Set(bridge.Limits{MaxPublishBytes: 10})
	for range 100 {
		if err := ps.publishRoom(11); err == nil || !strings.Contains(err.Error(), "webSocketPulsarClientMemoryLimitInMB") {
			t.Fatalf("got %v", err)
		}
	}
	if n := strings.Count(log.String(), "limit=webSocketPulsarClientMemoryLimitInMB bytes=10 count=1"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	if n := ps.publishLimit.Add(time.Now().Add(seldom.Every + time.Second)); n != 100 {
		t.Errorf("%d are told later", n)
	}
	ps.limits.Set(bridge.Limits{})
	if err := ps.publishRoom(11); err != nil {
		t.Error(err)
	}
}
