package embedded

import (
	"container/heap"
	"math"

	"github.com/pulsegate/pulsegate/bridge"
)

// What is charged besides payloads, keys and properties, in bytes: about what
// the bookkeeping takes.
const (
	messageCost      = 256
	propertyCost     = 48
	slotCost         = 48
	subscriptionCost = 1024
	topicBaseCost    = 2048
	// evictShare is the part of the limit that one eviction tries to set free,
	// so that not every publish at the limit has to look for one.
	evictShare = 16
)

func topicCost(name string) int64 { return topicBaseCost + 4*int64(len(name)) }

func costOf(m *message) int64 {
	n := int64(messageCost + cap(m.payload) + len(m.key)) // a payload may lie in more memory than it has bytes
	for k, v := range m.properties {
		n += int64(propertyCost + len(k) + len(v))
	}
	return n
}

// charge takes n bytes of the limit for what, evicting if need be. Called with mu held.
func (u *Upstream) charge(n int64, what string) error {
	if !u.reserve(n) {
		return errorf(bridge.ErrMemoryFull, "%s needs %d bytes, and subscriptions that have not acknowledged hold %d of the limit of %d: acknowledge, "+
			"or raise embeddedMemoryLimitBytes", what, n, u.used, u.limit)
	}
	u.used += n
	return nil
}

// reserve reports whether n bytes are free, evicting if need be. Called with mu held.
func (u *Upstream) reserve(n int64) bool {
	if u.used+n > u.limit && !u.stuck {
		target := u.limit - n - u.limit/evictShare
		u.evict(target, false)
		if u.used+n > u.limit {
			u.evict(target, true)
		}
		if u.used+n > u.limit {
			u.dropIdleTopics()
		}
		u.stuck = u.used+n > u.limit
	}
	return u.used+n <= u.limit
}

// release gives n bytes back. Called with mu held.
func (u *Upstream) release(n int64) {
	u.used -= n
	u.stuck = false
}

// needed is the seq of the first message of t that someone wants; durable
// subscriptions count always, everyone else only unless force.
func (t *topic) needed(force bool) int64 {
	seq := int64(math.MaxInt64)
	for _, s := range t.subs {
		if s.durable || !force {
			seq = min(seq, s.mark)
		}
	}
	if !force {
		for _, c := range t.readers {
			seq = min(seq, c.next)
		}
	}
	return min(seq, t.end())
}

// victim is a topic whose messages before to may go.
type victim struct {
	t  *topic
	to int64
}

// victimHeap is a container/heap, the topic with the oldest message first.
type victimHeap []victim

func (h victimHeap) Len() int { return len(h) }
func (h victimHeap) Less(i, j int) bool {
	return h[i].t.message(h[i].t.first).stamp < h[j].t.message(h[j].t.first).stamp
}
func (h victimHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *victimHeap) Push(v any)   { *h = append(*h, v.(victim)) }
func (h *victimHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}

// evict drops messages that nobody needs, the oldest of all topics first, until
// no more than target bytes are in use. With force it also drops what only
// readers and non-durable subscriptions want, who then go on behind it.
func (u *Upstream) evict(target int64, force bool) {
	var h victimHeap
	for _, t := range u.topics {
		if to := t.needed(force); to > t.first {
			h = append(h, victim{t, to})
		}
	}
	heap.Init(&h)
	for u.used > target && len(h) > 0 {
		t := h[0].t
		if force {
			t.passOver(t.first + 1)
		}
		t.drop()
		if t.first < h[0].to {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
}

// passOver moves every cursor to seq at least: what is before it goes.
func (t *topic) passOver(seq int64) {
	for _, s := range t.subs {
		s.skip(seq)
	}
	for _, c := range t.readers {
		c.next = max(c.next, seq)
	}
}

// dropIdleTopics deletes the topics that were created by their use, hold nothing
// and are used by nobody, as a broker deletes inactive topics.
func (u *Upstream) dropIdleTopics() {
	for name, t := range u.topics {
		if t.step == u.step || t.declared || t.terminated || t.log.len() > 0 || len(t.subs)+len(t.producers)+len(t.readers) > 0 {
			continue
		}
		if _, partition := u.partitioned[t.Partitioned()]; partition {
			continue
		}
		t.deleted = true
		delete(u.topics, name)
		u.used -= topicCost(name)
	}
}
