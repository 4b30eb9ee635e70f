package pulsar

import (
	"math/bits"

	"github.com/apache/pulsar-client-go/pulsar"
)

// maxAhead bounds how many entries are remembered of which only
// acknowledgements are known, per consumer. The oldest is forgotten first; its messages may then
// come to a client that has acknowledged them.
const maxAhead = 10_000

// maxAheadWords bounds the sizes of the batches that such acknowledgements speak of,
// in words of 64 messages: a client may claim any place in any batch.
const maxAheadWords = 64 << 10

// entryTracker knows, for the entries of one consumer, which messages of a
// batch are acknowledged. The broker is told when all are; the client
// library's own tracking is bound to one delivery of the entry, while clients
// acknowledge messages of earlier deliveries, to another gateway or before a
// connection was lost.
//
// Entries that hold one message need no state, except while their
// acknowledgement could not be sent. Entries of which a delivery is in the hands of the
// receiver are bounded by what the receiver holds; all others by maxAhead.
//
// It belongs to its consumer's forwarder.
type entryTracker struct {
	entries map[entryID]*entry
	ahead   entry // ring of entries that only acknowledgements are known of, oldest next
	waiting int   // entries in the ring
	words   int   // of their acknowledged messages
}

// entry is what is known of one entry.
type entry struct {
	id     entryID
	size   int32 // messages in it; 0: unknown
	acked  []uint64
	theirs []uint64         // of acked, those that only the broker told of
	left   int32            // not acknowledged; counts only with size
	done   bool             // all are, and the broker may not know it, or send it once more
	again  bool             // the broker was asked for it again: more than one copy may come
	owed   bool             // done, and the broker could not be told
	native pulsar.MessageID // the library's own id, if only that names all of the entry

	prev, next *entry // in the ring; nil: not there
}

// verdict says what to do with a message that arrived.
type verdict uint8

const (
	deliver    verdict = iota
	skip               // it is acknowledged; others of its batch are not
	skipAndAck         // all of its entry is acknowledged
)

// received notes a delivery by the broker. index is -1 for a message that is
// an entry of its own. native is kept where it is not nil.
func (t *entryTracker) received(id entryID, index, size int32, native pulsar.MessageID) verdict {
	e := t.entries[id]
	if index < 0 {
		switch {
		case e != nil && e.done:
			e.native = native
			return skipAndAck
		case native != nil:
			t.hold(id).native = native
		}
		return deliver
	}
	if e != nil && e.done {
		return skipAndAck
	}
	e = t.hold(id)
	e.resize(size)
	switch {
	case !e.has(index):
		return deliver
	case e.left > 0:
		return skip
	}
	t.settled(e)
	return skipAndAck
}

// elsewhere notes, before the first message of a delivery, which messages of its
// entry the broker leaves out since they are acknowledged: by another client, or
// through another gateway.
func (t *entryTracker) elsewhere(id entryID, size int32, broker ackedBits) {
	if e := t.entries[id]; e != nil && e.done {
		return
	}
	e := t.hold(id)
	e.resize(size)
	for i := range e.size {
		if !broker.acked(i) || !e.set(i) {
			continue
		}
		for int(i/64) >= len(e.theirs) {
			e.theirs = append(e.theirs, 0)
		}
		e.theirs[i/64] |= 1 << (i % 64)
	}
}

// acknowledged notes one acknowledged message. complete reports that the
// entry's last one was, so that the broker is to be told, by native if that is not nil.
func (t *entryTracker) acknowledged(id entryID, index, size int32) (complete bool, native pulsar.MessageID) {
	e := t.entries[id]
	if index < 0 {
		if e != nil {
			native = e.native
			t.forget(e)
		}
		return true, native
	}
	if e == nil {
		e = t.add(id)
		t.wait(e)
	}
	if e.done {
		return true, e.native
	}
	e.resize(size)
	words := len(e.acked)
	news := e.set(index)
	if e.next != nil {
		t.words += len(e.acked) - words
		t.trim()
	}
	if !news || e.size == 0 || e.left > 0 {
		return false, nil
	}
	if e.again {
		t.settled(e)
	} else {
		t.forget(e)
	}
	return true, nil
}

// repeated notes an acknowledged entry that the broker may send once more.
func (t *entryTracker) repeated(id entryID) {
	e := t.entries[id]
	if e == nil {
		e = t.add(id)
	}
	e.again = true
	t.settled(e)
}

// unsent notes that the broker could not be told of an entry's
// acknowledgement. If it delivers the entry again, no message of it is passed on.
func (t *entryTracker) unsent(id entryID) {
	e := t.entries[id]
	if e == nil {
		e = t.add(id)
	}
	e.owed = true
	t.settled(e)
}

// sent notes that the broker knows an entry's acknowledgement.
func (t *entryTracker) sent(id entryID) {
	e := t.entries[id]
	if e == nil || !e.done {
		return
	}
	if e.owed = false; !e.again {
		t.forget(e)
	}
}

// native gives the library's own id of an entry, nil if none is needed.
func (t *entryTracker) native(id entryID) pulsar.MessageID {
	if e := t.entries[id]; e != nil {
		return e.native
	}
	return nil
}

// released notes that the broker is asked for an entry again, for this
// consumer or another. Two messages of a batch may be asked for one after the other, and
// the broker answers each with the whole batch: what is acknowledged when the
// second copy comes must be known still.
func (t *entryTracker) released(id entryID) {
	switch e := t.entries[id]; {
	case e == nil:
	case e.blank(): // no batch
		t.forget(e)
	default:
		e.again = true
		t.wait(e)
	}
}

// releasedAll notes that the connection is lost: all that is not acknowledged
// comes again. The broker repeats nothing that it knows to be acknowledged, unless the
// subscription was set back on purpose: then it is to be delivered. So is what
// others acknowledged, unless the broker tells of it once more.
func (t *entryTracker) releasedAll() {
	for _, e := range t.entries {
		e.dropTheirs()
		switch {
		case e.done && e.again && !e.owed:
			t.forget(e)
		case e.blank() || !e.done && e.size > 0 && e.left == e.size:
			t.forget(e)
		default:
			e.again = false
			t.wait(e)
		}
	}
}

func (t *entryTracker) settled(e *entry) {
	e.done = true
	t.wait(e)
}

// hold returns the entry's state as one that the receiver holds messages of.
func (t *entryTracker) hold(id entryID) *entry {
	e := t.entries[id]
	if e == nil {
		return t.add(id)
	}
	t.unwait(e)
	return e
}

func (t *entryTracker) add(id entryID) *entry {
	if t.entries == nil {
		t.entries = map[entryID]*entry{}
		t.ahead.prev, t.ahead.next = &t.ahead, &t.ahead
	}
	e := &entry{id: id}
	t.entries[id] = e
	return e
}

// wait puts e into the ring as the newest.
func (t *entryTracker) wait(e *entry) {
	t.unwait(e)
	e.prev, e.next = t.ahead.prev, &t.ahead
	e.prev.next, e.next.prev = e, e
	t.waiting++
	t.words += len(e.acked)
	t.trim()
}

// trim forgets the oldest entries while there are too many.
func (t *entryTracker) trim() {
	for t.waiting > maxAhead || t.words > maxAheadWords {
		t.forget(t.ahead.next)
	}
}

func (t *entryTracker) unwait(e *entry) {
	if e.next == nil {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	t.waiting--
	t.words -= len(e.acked)
}

func (t *entryTracker) forget(e *entry) {
	t.unwait(e)
	delete(t.entries, e.id)
}

// maxBatch bounds what a client may claim to be a batch's size.
const maxBatch = 1 << 16

// resize sets the size once it is known.
func (e *entry) resize(size int32) {
	if e.size != 0 || size <= 0 || size > maxBatch {
		return
	}
	e.size, e.left = size, size
	for i, w := range e.acked {
		if int32(i+1)*64 > size { // what a client claimed beyond the end
			if rest := size - int32(i)*64; rest > 0 {
				w &= 1<<rest - 1
			} else {
				w = 0
			}
			e.acked[i] = w
		}
		e.left -= int32(bits.OnesCount64(w))
	}
}

// blank reports that nothing is known of the entry but perhaps the library's own id.
func (e *entry) blank() bool { return e.size == 0 && e.acked == nil && !e.done }

func (e *entry) has(index int32) bool {
	w := int(index / 64)
	return w < len(e.acked) && e.acked[w]&(1<<(index%64)) != 0
}

// dropTheirs forgets what only the broker told of, unless all is acknowledged.
func (e *entry) dropTheirs() {
	if e.done {
		return
	}
	for i, w := range e.theirs {
		e.acked[i] &^= w
		e.left += int32(bits.OnesCount64(w))
	}
	e.theirs = nil
}

// set marks a message and reports whether that is new.
func (e *entry) set(index int32) bool {
	if index < 0 || index >= maxBatch || e.size > 0 && index >= e.size || e.has(index) {
		return false
	}
	for int(index/64) >= len(e.acked) {
		e.acked = append(e.acked, 0)
	}
	e.acked[index/64] |= 1 << (index % 64)
	e.left--
	return true
}
