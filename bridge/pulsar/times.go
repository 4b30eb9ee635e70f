package pulsar

import (
	"fmt"
	"math"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// lastEventTime, in 2554, is the last that the client library can make of the milliseconds which a message
// has, as it counts nanoseconds since 1970.
var lastEventTime = time.UnixMilli(math.MaxUint64 / 1_000_000)

// eventTime is a time as those may have it who read it with the library: none for one up to 1970, since
// the protocol does not count back, and programs that have no time to send often send that one.
func eventTime(t time.Time) (time.Time, error) {
	switch {
	case t.UnixMilli() <= 0:
		return time.Time{}, nil
	case t.After(lastEventTime):
		return t, &bridge.Error{Kind: bridge.ErrInvalid, Detail: fmt.Sprintf("eventTime: the year %d is too far ahead", t.Year())}
	}
	return t, nil
}
