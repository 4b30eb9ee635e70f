package bridge

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/test/logs"
)

// Limits that change count at once, and a zero is what it is in Options. That one
// is reached is told, but not each time.
func TestLimitsThatChange(t *testing.T) {
	var log logs.Buffer
	b := New(nil, Options{Memory: memory.New(0), MaxInFlight: 5, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer b.Close()
	if err := b.publishRoom(11); err != nil {
		t.Fatal(err)
	}
	b.SetLimits(Limits{MaxPublishBytes: 10, MaxTopics: 3})
	if l := b.limits.Load(); l.MaxInFlight != 1000 || l.MaxInFlightBytes != 8<<20 || l.TailBytes != 8<<20 || l.MaxTopics != 3 {
		t.Errorf("got %+v", l)
	}
	for range 100 {
		if err := b.publishRoom(11); err == nil || !strings.Contains(err.Error(), "webSocketPulsarClientMemoryLimitInMB") {
			t.Fatalf("got %v", err)
		}
	}
	if n := strings.Count(log.String(), "limit=webSocketPulsarClientMemoryLimitInMB bytes=10 count=1"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	if n := b.publishLimit.add(time.Now().Add(limitLines + time.Second)); n != 100 {
		t.Errorf("%d are told later", n)
	}
	b.SetLimits(Limits{})
	if err := b.publishRoom(11); err != nil {
		t.Error(err)
	}
}
