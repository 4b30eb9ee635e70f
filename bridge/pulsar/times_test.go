package pulsar

import (
	"errors"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// libraryMillis is how the client library counts.
func libraryMillis(t time.Time) uint64 { return uint64(t.UnixNano()) / uint64(time.Millisecond) }

// An event time that the client library cannot count is never taken for another.
func TestTimesThatTheLibraryCannotCount(t *testing.T) {
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
