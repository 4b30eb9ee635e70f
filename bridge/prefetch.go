package bridge

import (
	"sync"

	"github.com/pulsegate/pulsegate/codec"
)

// A client library keeps a place for each message that it may prefetch, used or
// not. So the upstream consumers share prefetchPlaces between them: a few busy
// ones have as many as their clients ask for, of very many mostly idle ones
// each has leastPrefetch.
const (
	prefetchPlaces = 32 << 10
	leastPrefetch  = 16

	// prefetchBytes bounds what one upstream consumer prefetches on a topic of
	// which large messages are known.
	prefetchBytes = 8 << 20

	// largeMessage is the size in bytes from which on a message is remembered.
	largeMessage = 8 << 10
)

// prefetch is how many messages one more upstream consumer on a topic may
// prefetch, of the asked ones.
func (b *Bridge) prefetch(topic string, asked int) int {
	share := prefetchPlaces / (int(b.stats.upstreamConsumers.Load()) + 1)
	n := min(asked, max(share, leastPrefetch))
	if size := b.large.size(topic); size > 0 {
		n = min(n, max(1, prefetchBytes/size))
	}
	return n
}

// maxLargeTopics bounds the topics that are remembered; then it begins anew.
const maxLargeTopics = 10_000

// largeTopics remembers on which topics large messages went by, and the size
// of the largest: how many may be prefetched has to be said before the first one comes.
type largeTopics struct {
	mu    sync.Mutex
	sizes map[string]int
}

// note takes a message that was published or delivered.
func (l *largeTopics) note(topic string, size int) {
	if size < largeMessage {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sizes == nil || len(l.sizes) >= maxLargeTopics {
		l.sizes = map[string]int{}
	}
	l.sizes[topic] = max(l.sizes[topic], size)
}

func (l *largeTopics) size(topic string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sizes[topic]
}

// messageSize is what a message takes in memory, in bytes, as far as its sender decides.
func messageSize(m *codec.Message) int {
	size := len(m.Payload) + len(m.Key)
	for name, value := range m.Properties {
		size += len(name) + len(value)
	}
	return size
}
