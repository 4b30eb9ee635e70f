package bridge

// A client library keeps a place for each message that it may prefetch, used or
// not. So the upstream consumers share prefetchPlaces between them: a few busy
// ones have as many as their clients ask for, of very many mostly idle ones
// each has leastPrefetch.
const (
	prefetchPlaces = 32 << 10
	leastPrefetch  = 16
)

// prefetch is how many messages one more upstream consumer may prefetch, of
// the asked ones.
func (b *Bridge) prefetch(asked int) int {
	share := prefetchPlaces / (int(b.stats.upstreamConsumers.Load()) + 1)
	return min(asked, max(share, leastPrefetch))
}
