package pulsar

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// libraryMillis is how the client library counts.
func libraryMillis(t time.Time) uint64 { return uint64(t.UnixNano()) / uint64(time.Millisecond) }

// A time that the client library cannot count is never taken for another.
func TestTimesThatTheLibraryCannotCount(t *testing.T) {
	for _, ms := range []int64{1, time.Now().UnixMilli(), 9_223_372_036_854, 9_223_372_036_855, 253_402_300_799_000, math.MaxInt64} {
		at := deliverAt(&bridge.Outgoing{DeliverAt: time.UnixMilli(ms)})
		if got := libraryMillis(at); at.UnixNano() <= 0 || got != uint64(min(ms, math.MaxInt64/int64(time.Millisecond))) {
			t.Errorf("deliverAt %d: %d", ms, got)
		}
	}
	for _, d := range []time.Duration{time.Second, 150 * 365 * 24 * time.Hour, math.MaxInt64} {
		if at := deliverAt(&bridge.Outgoing{DeliverAfter: d}); at.UnixNano() <= time.Now().UnixNano() {
			t.Errorf("deliverAfter %v: %v", d, at)
		}
	}
	if !deliverAt(&bridge.Outgoing{}).IsZero() {
		t.Error("a message without a time has one")
	}
	for text, want := range map[string]int64{
		"2020-01-02T03:04:05.678Z": 1577934245678, "2300-01-01T00:00:00Z": 10413792000000, "2553-12-31T00:00:00Z": 18429206400000,
		"1970-01-01T00:00:00Z": 0, "1969-12-31T00:00:00Z": 0, "0001-01-01T00:00:00Z": 0, "-0001-01-01T00:00:00Z": 0,
		"2555-01-01T00:00:00Z": -1, "9999-12-31T23:59:59Z": -1,
	} {
		in, err := time.Parse(time.RFC3339, text)
		if err != nil {
			in = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		got, err := eventTime(in)
		switch {
		case want < 0:
			if !errors.Is(err, bridge.ErrInvalid) {
				t.Errorf("%s: %v, %v", text, got, err)
			}
		case err != nil || want == 0 && !got.IsZero() || want > 0 && libraryMillis(got) != uint64(want):
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
