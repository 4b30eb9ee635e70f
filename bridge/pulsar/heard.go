package pulsar

import (
	"sync"
	"sync/atomic"
)

// heard is what the brokers have said of the client library's consumers that
// the library does not pass on, by the consumers' numbers. It is kept apart from
// those who want to know it, since a broker may say it before the library has
// returned the consumer. Whoever closes a consumer has it forgotten then: the
// answer to that is the last that a broker says of it.
//
// mu guards by and all in it; it is held for a few instructions only.
type heard struct {
	acked atomic.Int64 // acknowledgements that are kept, of all consumers

	mu sync.Mutex
	by map[uint64]*said
}

// said is what was said of one consumer. Of entries there are at most maxPartly.
type said struct {
	ended  bool                  // all of its topic, which is terminated, is acknowledged
	partly map[entryID]ackedBits // entries delivered in part
}

// maxPartly bounds, per consumer, the entries delivered in part that nobody has
// asked for. They are asked for as soon as they arrive, so only what is
// never passed on is left.
const maxPartly = 1000

// ackedBits says which messages of a batch are not acknowledged, 64 in a word. What is
// beyond its end is acknowledged.
type ackedBits []int64

func (b ackedBits) acked(index int32) bool {
	w := int(index / 64)
	return w >= len(b) || b[w]&(1<<(index%64)) == 0
}

// of is what was said of a consumer, for more to be added. Called with mu held.
func (h *heard) of(consumer uint64) *said {
	s := h.by[consumer]
	if s == nil {
		s = &said{}
		if h.by == nil {
			h.by = map[uint64]*said{}
		}
		h.by[consumer] = s
	}
	return s
}

// endReached implements [watcher].
func (u *Upstream) endReached(consumer uint64) {
	h := &u.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(consumer).ended = true
}

// partlyAcked implements [watcher].
func (u *Upstream) partlyAcked(consumer uint64, e entryID, left []int64) {
	h := &u.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(consumer)
	if s.partly == nil {
		s.partly = map[entryID]ackedBits{}
	}
	for old := range s.partly {
		if len(s.partly) < maxPartly {
			break
		}
		delete(s.partly, old)
		h.acked.Add(-1)
	}
	if _, known := s.partly[e]; !known {
		h.acked.Add(1)
	}
	s.partly[e] = left
}

// reachedEnd reports that the broker has told a consumer that all of its topic,
// which is terminated, is acknowledged.
func (h *heard) reachedEnd(consumer uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.by[consumer]
	return s != nil && s.ended
}

// takePartly returns once which messages of an entry the broker has left out of
// its last delivery; nil: none.
func (h *heard) takePartly(consumer uint64, e entryID) ackedBits {
	if h.acked.Load() == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.by[consumer]
	if s == nil {
		return nil
	}
	bits, known := s.partly[e]
	if known {
		delete(s.partly, e)
		h.acked.Add(-1)
	}
	return bits
}

// forget drops what was said of a consumer that is closed.
func (h *heard) forget(consumer uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.by[consumer]; s != nil {
		h.acked.Add(-int64(len(s.partly)))
		delete(h.by, consumer)
	}
}
