package subscribe

// What is prefetched waits in memory, and a burst may come for all upstream
// consumers at once. So they share prefetchTotal between them: a few busy
// ones have as many as their clients ask for, of very many mostly idle ones
// each has leastPrefetch.
const (
	prefetchTotal = 32 << 10
	leastPrefetch = 16
)

// prefetch is how many messages one more upstream consumer may prefetch, of
// the asked ones. What that is in bytes is the upstream's to bound.
func (cs *Consumers) prefetch(asked int) int {
	share := prefetchTotal / (int(cs.upstream.Load()) + 1)
	return min(asked, max(share, leastPrefetch))
}
