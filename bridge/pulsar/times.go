package pulsar

import (
	"fmt"
	"math"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// The client library counts nanoseconds since 1970: signed when it looks whether
// a time for delivery is set, unsigned when it makes milliseconds of one.
var (
	lastDelivery  = time.Unix(0, math.MaxInt64)                // in 2262
	lastEventTime = time.UnixMilli(math.MaxUint64 / 1_000_000) // in 2554
)

// deliverAt is when a message is due, the zero time: at once. Where that is later
// than the library can name it is the last time that it can: to those who wait now that is
// as good as never.
func deliverAt(m *bridge.Outgoing) time.Time {
	at := m.DeliverAt
	if m.DeliverAfter > 0 {
		at = time.Now().Add(m.DeliverAfter)
	}
	if at.After(lastDelivery) {
		return lastDelivery
	}
	return at
}

// eventTime is a time as the library may have it: none for one up to 1970, since
// it does not count back, and programs that have no time to send often send that one.
func eventTime(t time.Time) (time.Time, error) {
	switch {
	case t.UnixMilli() <= 0:
		return time.Time{}, nil
	case t.After(lastEventTime):
		return t, &bridge.Error{Kind: bridge.ErrInvalid, Detail: fmt.Sprintf("eventTime: the year %d is too far ahead", t.Year())}
	}
	return t, nil
}
