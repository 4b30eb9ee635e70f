package embedded

import (
	"sort"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// message is one message of a topic. It is never changed once published, so
// deliveries to many receivers share it and its payload.
type message struct {
	seq   int64  // its place in the topic, counted from 0 without gaps
	stamp uint64 // its place among all messages of all topics

	entry int64
	index int32 // place in its batch; -1: published alone
	batch int32 // size of its batch; 0: published alone

	payload    []byte
	properties map[string]string
	key        string
	hasKey     bool
	published  time.Time
	event      time.Time // zero: none
	due        time.Time // when it may be delivered to a shared subscription; zero: at once
	cost       int64     // bytes charged for it
}

// topic is one topic without partitions, or one partition. Everything is
// guarded by Upstream.mu.
//
// A persistent topic's log holds the messages first … first+log.len()-1. A
// non-persistent topic's log is always empty.
type topic struct {
	u *Upstream
	names.Name
	ledger int64

	log       ring[*message]
	first     int64 // seq of the oldest message kept
	nextEntry int64
	last      codec.MessageID // of the last message published; meaningful if nextEntry > 0

	subs      map[string]*subscription
	readers   []*cursor
	producers map[string]*producer // by name

	step       uint64 // when it was resolved last: never dropped while that goes on
	declared   bool   // created by the management API: never dropped for being idle
	terminated bool
	deleted    bool
}

// end is the seq that the next message gets.
func (t *topic) end() int64 { return t.first + int64(t.log.len()) }

func (t *topic) message(seq int64) *message { return *t.log.at(int(seq - t.first)) }

func (t *topic) id(m *message) codec.MessageID {
	return codec.MessageID{LedgerID: t.ledger, EntryID: m.entry, Partition: t.Partition(), BatchIndex: m.index, BatchSize: m.batch}
}

func (t *topic) position(m *message) codec.Position {
	return codec.Position{Ledger: t.ledger, Entry: m.entry, Batch: m.index}
}

// lastID is the id of the last message published; EntryID -1: there was none.
func (t *topic) lastID() codec.MessageID {
	if t.nextEntry == 0 {
		return codec.MessageID{LedgerID: t.ledger, EntryID: -1, Partition: t.Partition(), BatchIndex: -1}
	}
	return t.last
}

// after returns the seq of the first message kept that is not before the
// position, which is in the topic's ledger.
func (t *topic) after(at codec.Position) int64 {
	n := t.log.len()
	if n == 0 {
		return t.end()
	}
	before := func(m *message) bool { return t.position(m).Compare(at) < 0 }
	// Without batches entries count as messages do: the first guess is right.
	guess := at.Entry - (*t.log.at(0)).entry
	if guess >= 0 && guess < int64(n) && !before(*t.log.at(int(guess))) && (guess == 0 || before(*t.log.at(int(guess - 1)))) {
		return t.first + guess
	}
	i := sort.Search(n, func(i int) bool { return !before(*t.log.at(i)) })
	return t.first + int64(i)
}

// clockBack is by how much the clock is expected to be set back at most.
const clockBack = 10 * time.Second

// since returns the seq of the first message kept that was published at a time, in ms since 1970, or later. Times may go
// back where the clock was set: so it is looked for from a little earlier on.
func (t *topic) since(ms int64) int64 {
	published := func(i int) int64 { return (*t.log.at(i)).published.UnixMilli() }
	n := t.log.len()
	i := sort.Search(n, func(i int) bool { return published(i) >= ms-clockBack.Milliseconds() })
	for i < n && published(i) < ms {
		i++
	}
	return t.first + int64(i)
}

// rangeOf returns the messages from … to-1 that an id means: one message, or
// the whole entry if the id names no place in its batch. It is empty if there
// is no such message, or not any more.
func (t *topic) rangeOf(id *codec.MessageID) (from, to int64) {
	if id.LedgerID != t.ledger {
		return 0, 0
	}
	from, to = t.after(codec.Position{Ledger: t.ledger, Entry: id.EntryID, Batch: -1}), t.after(codec.Position{Ledger: t.ledger, Entry: id.EntryID + 1, Batch: -1})
	if from == to || id.BatchIndex < 0 {
		return from, to
	}
	first := t.message(from).index
	if first < 0 {
		// Clients may give a message that is in no batch the place 0.
		if id.BatchIndex > 0 {
			return 0, 0
		}
		return from, to
	}
	seq := from + int64(id.BatchIndex-first)
	if seq < from || seq >= to {
		return 0, 0
	}
	return seq, seq + 1
}

// append publishes messages as one entry; more than one, or batched, makes it a
// batch. The caller has charged their cost. Returns the first one's id.
func (t *topic) append(batch []*message, batched bool, now time.Time) {
	entry := t.nextEntry
	t.nextEntry++
	now = time.UnixMilli(now.UnixMilli()).UTC() // what Pulsar keeps of it
	for i, m := range batch {
		m.entry, m.index, m.batch, m.published = entry, -1, 0, now
		if batched {
			m.index, m.batch = int32(i), int32(len(batch))
		}
		t.u.lastStamp++
		m.stamp = t.u.lastStamp
		if t.Persistent() {
			m.seq = t.end()
			t.log.push(m)
		}
	}
	t.last = t.id(batch[len(batch)-1])
	if t.Persistent() {
		for _, s := range t.subs {
			s.dispatch()
		}
		for _, c := range t.readers {
			c.r.advance()
		}
		return
	}
	for _, m := range batch {
		t.broadcast(m)
	}
}

// broadcast hands a message of a non-persistent topic to everyone who has a
// permit for it. For the others it is lost.
func (t *topic) broadcast(m *message) {
	for _, s := range t.subs {
		if mb := s.pick(m); mb != nil {
			mb.c.take(delivery{t: t, m: m})
			if s.typ == bridge.Shared {
				s.turns.push(mb)
			}
		}
	}
	for _, c := range t.readers {
		if c.r.permits > 0 {
			c.r.take(delivery{t: t, m: m})
		}
	}
}

// drop forgets the oldest message.
func (t *topic) drop() {
	m := t.log.pop()
	t.first++
	t.u.used -= m.cost
}
