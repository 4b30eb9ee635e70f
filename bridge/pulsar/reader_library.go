package pulsar

import (
	"errors"
	"math"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// What readers need as long as they go over pulsar-client-go.

var errNoConnection = errors.New("no connection to the broker")

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	// never is an interval for what the library cannot be told to leave.
	never = math.MaxInt64 / 4 * time.Nanosecond

	// windowBytes is about how much the library may fetch ahead, and largeMessage from which size on a message counts for that.
	windowBytes  = 4 << 20
	largeMessage = 8 << 10
)

// forGood reports errors that another try will not make better.
func forGood(err error) bool {
	for _, kind := range []error{
		bridge.ErrNotFound, bridge.ErrUnauthorized, bridge.ErrForbidden, bridge.ErrInvalid, bridge.ErrSchema, bridge.ErrFenced,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
