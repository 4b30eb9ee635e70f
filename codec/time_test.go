package codec

import (
	"testing"
	"time"
)

// The verdicts are those of java.time's OffsetDateTime.parse, as a Pulsar 4.0.7 proxy showed them.
func TestParseISOTime(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2020-01-02T03:04:05.678Z":       at.Add(678 * time.Millisecond),
		"2020-01-02T03:04:05Z":           at,
		"2020-01-02T03:04Z":              at.Truncate(time.Minute),
		"2020-01-02T03:04:05.123456789Z": at.Add(123456789),
		"2020-01-02T03:04:05.Z":          at,
		"2020-01-02T03:04:05+01:00":      at.Add(-time.Hour),
		"2020-01-02T03:04:05+01":         at.Add(-time.Hour),
		"2020-01-02T03:04:05+01:00:30":   at.Add(-time.Hour - 30*time.Second),
		"2020-01-02T03:04:05-05:30":      at.Add(5*time.Hour + 30*time.Minute),
		"2020-01-02T03:04:05+18:00:00":   at.Add(-18 * time.Hour),
		"2020-01-02T03:04:05-00:00":      at,
		"2020-01-02t03:04:05z":           at,
		"2020-02-29T00:00:00Z":           time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC),
		"+12020-01-02T03:04:05Z":         at.AddDate(10000, 0, 0),
		"+000002020-01-02T03:04:05Z":     at,
		"-0001-01-02T03:04:05Z":          time.Date(-1, 1, 2, 3, 4, 5, 0, time.UTC),
		"0000-01-02T03:04:05Z":           time.Date(0, 1, 2, 3, 4, 5, 0, time.UTC),
		"1969-12-31T23:59:59Z":           time.Unix(-1, 0),
		"+292278994-01-02T03:04:05Z":     time.Date(292278994, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		if got, ok := parseISOTime([]byte(text)); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "x", "2020-01-02T03:04:05", "2020-01-02", " 2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z ", "2020-01-02 03:04:05Z",
		"2020-01-02T03:04:05.1234567891Z", "2020-01-02T03:04:05,5Z", "2020-01-02T03:04.5Z", "2020-01-02T03Z",
		"2020-01-02T03:04:05+0100", "2020-01-02T03:04:05+1", "2020-01-02T03:04:05+01:0", "2020-01-02T03:04:05+01:60",
		"2020-01-02T03:04:05+01:00:60", "2020-01-02T03:04:05+19:00", "2020-01-02T03:04:05-18:00:01", "2020-01-02T03:04:05Z+01:00",
		"2020-01-02T03:04:05Z[UTC]", "2020-01-02T03:04:05+01:00[Europe/Paris]", "2020-01-02T24:00:00Z", "2020-01-02T23:60:00Z",
		"2020-01-02T23:59:60Z", "2020-02-30T00:00:00Z", "2021-02-29T00:00:00Z", "2021-04-31T00:00:00Z", "2021-04-32T00:00:00Z",
		"2020-01-00T00:00:00Z", "2020-00-01T00:00:00Z", "2020-13-01T00:00:00Z", "2020-1-2T03:04:05Z", "20200102T030405Z",
		"2020-001T03:04:05Z", "2020-W01-1T03:04:05Z", "020-01-02T03:04:05Z", "12020-01-02T03:04:05Z", "+2020-01-02T03:04:05Z",
		"+1234567890-01-02T03:04:05Z", "-0000-01-02T03:04:05Z", "+292278995-01-02T03:04:05Z", "-292278995-01-02T03:04:05Z",
		"2020\r01-02T03:04:05Z", "2020-01-02T03\x1a04:05Z", "1600000000000", "true",
	} {
		if got, ok := parseISOTime([]byte(text)); ok {
			t.Errorf("%s: %v; want it refused", text, got)
		}
	}
}

func TestAppendTime(t *testing.T) {
	tokyo := time.FixedZone("", 9*3600)
	for want, at := range map[string]time.Time{
		"2016-08-30T16:45:57.785":   time.Date(2016, 8, 31, 1, 45, 57, 785_999_999, tokyo),
		"2020-01-02T03:04:05.000":   time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		"2020-01-02T03:04:05.120":   time.Date(2020, 1, 2, 3, 4, 5, 120e6, time.UTC),
		"1969-12-31T23:59:59.999":   time.Unix(0, -1),
		"+12020-01-02T03:04:05.001": time.Date(12020, 1, 2, 3, 4, 5, 1e6, time.UTC),
		"-0001-01-02T03:04:05.000":  time.Date(-1, 1, 2, 3, 4, 5, 0, time.UTC),
		"0007-12-31T00:00:00.000":   time.Date(7, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		if got := string(appendTime(nil, at, 'T')); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { var b [32]byte; appendTime(b[:0], time.Unix(1e9, 0), ' ') }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
