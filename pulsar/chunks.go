package pulsar

import (
	"errors"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// chunks are the messages of one consumer that come in chunks and are not whole yet. Consumer.mu guards it; nil is empty.
type chunks struct {
	list  []*chunked // oldest first
	bytes int        // of their payloads
	late  alarm      // drops what waits too long
}

// size is how many bytes the chunks have that are there.
func (q *chunks) size() int {
	if q == nil {
		return 0
	}
	return q.bytes
}

// chunked is a message of which the first chunks have come.
type chunked struct {
	uuid    string
	total   int // bytes
	count   int32
	entries []entryKey
	payload []byte
	since   time.Time
}

var errChunks = errors.New("a message in chunks whose sizes are wrong")

// maxChunks bounds the chunks of one message.
const maxChunks = 100_000

// oldest is the entry that the chunks begin with which are there.
func (q *chunks) oldest() (first entryKey, ok bool) {
	if q == nil {
		return first, false
	}
	for _, m := range q.list {
		if !ok || first.after(m.entries[0]) {
			first, ok = m.entries[0], true
		}
	}
	return first, ok
}

func (q *chunks) clear(client *Client) {
	if q != nil && len(q.list) > 0 {
		q.list, q.bytes = nil, 0
		client.alarms.clear(&q.late)
	}
}

func (q *chunks) find(uuid string) int {
	for i, m := range q.list {
		if m.uuid == uuid {
			return i
		}
	}
	return -1
}

func (q *chunks) drop(i int) {
	q.bytes -= len(q.list[i].payload)
	q.list = append(q.list[:i:i], q.list[i+1:]...)
}

// add takes the chunk in u. whole is the message once it is that; dropped is how many others were given up, as are the oldest
// while more than one has more than room bytes together. A chunk whose predecessors are not there is of no use; the message comes from its first chunk on
// when it is delivered again.
func (q *chunks) add(u *unpacker, o *ConsumerOptions, room int) (whole *chunked, dropped int, err error) {
	m := &u.meta
	total, count := int(m.TotalChunkMsgSize), m.NumChunksFromMsg
	if total < 0 || total > o.maxMessageSize() || count > maxChunks || m.ChunkID < 0 || m.ChunkID >= count || m.UUID == "" {
		return nil, 0, faulty(wire.UncompressedSizeCorruption, errChunks)
	}
	i := q.find(m.UUID)
	if m.ChunkID == 0 {
		if i >= 0 { // it comes once more
			q.drop(i)
		}
		for len(q.list) >= o.maxChunked() {
			q.drop(0)
			dropped++
		}
		q.list = append(q.list, &chunked{uuid: m.UUID, total: total, count: count, since: time.Now()})
		i = len(q.list) - 1
	}
	if i < 0 {
		return nil, dropped + 1, nil
	}
	x := q.list[i]
	switch {
	case int(m.ChunkID) < len(x.entries):
		return nil, dropped, nil // it was here before
	case int(m.ChunkID) > len(x.entries) || total != x.total || count != x.count:
		q.drop(i)
		return nil, dropped + 1, nil
	case len(x.payload)+len(u.payload) > x.total:
		q.drop(i)
		return nil, dropped, faulty(wire.UncompressedSizeCorruption, errChunks)
	}
	for q.bytes+len(u.payload) > room && len(q.list) > 1 {
		if q.list[0] == x {
			q.drop(1)
		} else {
			q.drop(0)
		}
		dropped++
	}
	x.payload = append(x.payload, u.payload...)
	q.bytes += len(u.payload)
	x.entries = append(x.entries, u.at)
	if int32(len(x.entries)) < x.count {
		return nil, dropped, nil
	}
	q.drop(q.find(m.UUID))
	if len(x.payload) != x.total {
		return nil, dropped, faulty(wire.UncompressedSizeCorruption, errChunks)
	}
	return x, dropped, nil
}

// expire drops what has waited since before then, and tells how long the next has to.
func (q *chunks) expire(then time.Time) (dropped int, next time.Duration) {
	for len(q.list) > 0 && !q.list[0].since.After(then) {
		q.drop(0)
		dropped++
	}
	if len(q.list) > 0 {
		next = q.list[0].since.Sub(then)
	}
	return dropped, next
}

// collect takes the chunk in u, on the goroutine of c. It reports whether u is a whole message now.
func (x *Consumer) collect(u *unpacker) (whole bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gen != u.gen {
		return false, nil
	}
	if x.parts == nil {
		x.parts = &chunks{}
		x.parts.late.ring = x.expireChunks
	}
	m, dropped, err := x.parts.add(u, x.o, x.client.o.Windows.Allowance())
	x.client.droppedChunks(dropped)
	x.reserveLocked()
	if len(x.parts.list) > 0 {
		x.client.alarms.set(&x.parts.late, x.o.chunkTimeout())
	} else {
		x.client.alarms.clear(&x.parts.late)
	}
	if m == nil {
		return false, err
	}
	u.payload, u.own = m.payload, true
	if x.keeps() {
		a := x.acksLocked()
		if a.chunked == nil {
			a.chunked = map[entryKey][]entryKey{}
		}
		if len(a.chunked) < maxChunkedKept {
			a.chunked[u.at] = m.entries
		}
	}
	return true, nil
}

// expireChunks is the alarm for messages of which chunks are missing for too long.
func (x *Consumer) expireChunks() {
	x.mu.Lock()
	defer x.mu.Unlock()
	dropped, next := x.parts.expire(time.Now().Add(-x.o.chunkTimeout()))
	x.client.droppedChunks(dropped)
	x.reserveLocked()
	if len(x.parts.list) > 0 {
		x.client.alarms.set(&x.parts.late, next)
	}
}

// droppedChunks counts messages in chunks that were given up.
func (c *Client) droppedChunks(n int) {
	if n > 0 {
		c.dropped.Add(int64(n))
	}
}

// DroppedChunked is how many messages in chunks were given up because chunks were missing, too late or too many at the same time. Brokers
// deliver them again when their consumer reconnects.
func (c *Client) DroppedChunked() int64 { return c.dropped.Load() }
