package bridge

import "github.com/pulsegate/pulsegate/codec"

// A client library keeps a place for each message that it may prefetch, used or
// not. So the upstream consumers share prefetchPlaces between them: a few busy
// ones have as many as their clients ask for, of very many mostly idle ones
// each has leastPrefetch.
const (
	prefetchPlaces = 32 << 10
	leastPrefetch  = 16
)

// prefetch is how many messages one more upstream consumer may prefetch, of
// the asked ones. What that is in bytes is the upstream's to bound.
func (b *Bridge) prefetch(asked int) int {
	share := prefetchPlaces / (int(b.stats.upstreamConsumers.Load()) + 1)
	return min(asked, max(share, leastPrefetch))
}

// messageSize is what a message takes in memory, in bytes, as far as its sender decides.
func messageSize(m *codec.Message) int {
	size := len(m.Payload) + len(m.Key)
	for name, value := range m.Properties {
		size += len(name) + len(value)
	}
	return size
}
