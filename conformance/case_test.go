package conformance

import (
	"testing"
	"time"
)

// TestLimit proves that what makes Java fail soon leaves the others their time.
func TestLimit(t *testing.T) {
	const short, long = time.Second, time.Hour
	for _, v := range []struct {
		kind    Kind
		better  string
		timeout time.Duration
		want    time.Duration
	}{
		{Java, "why", short, short},
		{Broker, "why", short, DefaultTimeout},
		{Embedded, "why", short, DefaultTimeout},
		{Broker, "why", long, long},
		{Broker, "", short, short},
		{Java, "", 0, DefaultTimeout},
	} {
		c := Case{Better: v.better, Timeout: v.timeout}
		if got := c.limit(v.kind); got != v.want {
			t.Errorf("%s, better %q, %s: %s, want %s", v.kind, v.better, v.timeout, got, v.want)
		}
	}
}
