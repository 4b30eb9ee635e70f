package publish

import (
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// Numbers that clients give are accepted as Pulsar's own proxy accepts them, and
// used within these ranges: an upstream makes queues and timers of them.
const (
	// mostPending bounds the places of one upstream producer's queue, which client
	// libraries allocate at once, for each partition: 240 KB. A session never has more than
	// Limits.MaxInFlight publishes on their way, whatever it asks for.
	mostPending = 10_000

	// leastSendTimeout is the shortest time after which a publish fails. Client
	// libraries look for such publishes at that interval, whether there are any or not.
	leastSendTimeout = 100 * time.Millisecond
)

// within brings what a client asks for into the ranges that it is used in.
func within(l *bridge.Limits, spec bridge.ProducerSpec) bridge.ProducerSpec {
	spec.MaxPending = min(spec.MaxPending, max(entryQueue, min(l.MaxInFlight, mostPending)))
	if spec.SendTimeout > 0 {
		spec.SendTimeout = max(spec.SendTimeout, leastSendTimeout)
	}
	return spec
}
