package pulsar

import "math/bits"

const (
	// maxBatches bounds the batches of one consumer of which only some messages are known to be acknowledged. The oldest is forgotten
	// first; then messages of it may be delivered again although they were acknowledged. Each takes about 150 bytes, and an owner may acknowledge what was
	// never delivered to it.
	maxBatches = 10_000
	// maxBatchWords bounds their bits, in words of 64: an owner may claim any place in any batch.
	maxBatchWords = 64 << 10
	// maxBatch bounds what is believed of a batch's size.
	maxBatch = 1 << 20
)

// batchAcks knows which messages of batches are acknowledged, where that is not true of all or of none of a batch; and of entries that
// may come once more, that they are acknowledged. It decides and does nothing. Its zero value is empty.
type batchAcks struct {
	all   map[entryKey]*batchState
	ring  batchState // oldest next
	words int
}

// batchState is what is known of one batch.
type batchState struct {
	at     entryKey
	size   int32 // messages; 0: not known
	left   int32 // not acknowledged, where size is known
	acked  []uint64
	theirs []uint64 // of acked, those that only the broker told of
	done   bool     // all are, and it may come once more
	again  bool     // the broker was asked for it again: it may come more than once
	asked  int32    // how often the broker was asked for an entry that is no batch, and has not sent it since
	queued bool     // an acknowledgement of it waits to be sent

	prev, next *batchState
}

// of returns the state of a batch as the newest.
func (t *batchAcks) of(at entryKey) *batchState {
	b := t.all[at]
	if b == nil {
		if t.all == nil {
			t.all = map[entryKey]*batchState{}
			t.ring.prev, t.ring.next = &t.ring, &t.ring
		}
		b = &batchState{at: at}
		t.all[at] = b
	} else {
		b.prev.next, b.next.prev = b.next, b.prev
	}
	b.prev, b.next = t.ring.prev, &t.ring
	b.prev.next, b.next.prev = b, b
	return b
}

func (t *batchAcks) forget(b *batchState) {
	if t.all[b.at] != b {
		return
	}
	delete(t.all, b.at)
	b.prev.next, b.next.prev = b.next, b.prev
	t.words -= len(b.acked) + len(b.theirs)
	b.prev, b.next = nil, nil
}

// change runs f, which may make b's lists longer, and forgets the oldest when there are too many.
func (t *batchAcks) change(b *batchState, f func()) {
	t.words -= len(b.acked) + len(b.theirs)
	f()
	t.words += len(b.acked) + len(b.theirs)
	for len(t.all) > maxBatches || t.words > maxBatchWords {
		t.forget(t.ring.next)
	}
}

// acknowledge notes that one message of a batch is acknowledged. news tells that it was not known, and complete that it
// was the last one.
func (t *batchAcks) acknowledge(at entryKey, index, size int32) (b *batchState, news, complete bool) {
	b = t.of(at)
	if b.done {
		return b, true, true
	}
	t.change(b, func() {
		b.resize(size)
		news = b.set(index)
	})
	if complete = b.size > 0 && b.left == 0; complete {
		t.complete(b)
	} else if b.left == b.size && len(b.acked) == 0 && !b.again {
		t.forget(b)
	}
	return b, news, complete
}

func (t *batchAcks) complete(b *batchState) {
	if b.again {
		b.done = true
	} else {
		t.forget(b)
	}
}

// came takes a batch of the given size that came, of which the broker says that only those messages are not acknowledged whose bits are set
// in left, if that is not empty. It returns what is known of it, nil: nothing. all tells that all of it is
// acknowledged.
func (t *batchAcks) came(at entryKey, size int32, left []int64) (b *batchState, all bool) {
	if b = t.all[at]; b == nil && len(left) == 0 {
		return nil, false
	}
	b = t.of(at)
	if b.done {
		return b, true
	}
	t.change(b, func() {
		b.resize(size)
		if len(left) == 0 {
			return
		}
		for i := range b.size {
			if !has(left, i) && b.set(i) {
				b.theirs = with(b.theirs, i)
			}
		}
	})
	if all = b.size > 0 && b.left == 0; all {
		t.complete(b)
	}
	return b, all
}

// released notes that the broker is asked for an entry again. Who has it may still acknowledge it: it comes nevertheless, if the
// broker has sent it before it learns that.
func (t *batchAcks) released(at entryKey, isBatch bool) {
	if b := t.repeats(at); !isBatch {
		b.asked++
	}
}

// repeats notes that an entry may come once more.
func (t *batchAcks) repeats(at entryKey) *batchState {
	b := t.of(at)
	t.change(b, func() { b.again = true })
	return b
}

// whole notes that all of an entry is acknowledged.
func (t *batchAcks) whole(at entryKey) {
	if b := t.all[at]; b != nil {
		t.complete(b)
	}
}

// cameAlone takes an entry that is no batch. It reports that it is acknowledged.
func (t *batchAcks) cameAlone(at entryKey) (acked bool) {
	b := t.all[at]
	if b == nil {
		return false
	}
	acked = b.done
	if b.asked--; b.asked <= 0 {
		t.forget(b)
	}
	return acked
}

// parted says that the connection is lost. The broker does not send again what it knows to be acknowledged, unless the subscription was set
// back on purpose: then that is to be delivered.
func (t *batchAcks) parted() {
	for _, b := range t.all {
		if b.done {
			t.forget(b)
			continue
		}
		b.again, b.asked = false, 0
		t.change(b, func() {
			for i, w := range b.theirs {
				b.acked[i] &^= w
				b.left += int32(bits.OnesCount64(w))
			}
			b.theirs = nil
		})
		if b.left == b.size && !b.queued {
			t.forget(b)
		}
	}
}

// isAcked reports whether a message is known to be acknowledged.
func (b *batchState) isAcked(index int32) bool {
	w := int(index / 64)
	return w < len(b.acked) && b.acked[w]&(1<<(index%64)) != 0
}

// resize sets the size once it is known.
func (b *batchState) resize(size int32) {
	if b.size != 0 || size <= 0 || size > maxBatch {
		return
	}
	b.size, b.left = size, size
	for i, w := range b.acked {
		if rest := int64(size) - int64(i)*64; rest <= 0 { // what was claimed beyond the end
			w = 0
		} else if rest < 64 {
			w &= 1<<rest - 1
		}
		b.acked[i] = w
		b.left -= int32(bits.OnesCount64(w))
	}
}

// set marks a message and reports whether that is new.
func (b *batchState) set(index int32) bool {
	if index < 0 || index >= maxBatch || b.size > 0 && index >= b.size || b.isAcked(index) {
		return false
	}
	b.acked = with(b.acked, index)
	b.left--
	return true
}

// with sets a bit.
func with(list []uint64, index int32) []uint64 {
	for int(index/64) >= len(list) {
		list = append(list, 0)
	}
	list[index/64] |= 1 << (index % 64)
	return list
}

// has reports whether a bit of an ack set is set.
func has(set []int64, index int32) bool {
	w := int(index / 64)
	return w < len(set) && set[w]&(1<<(index%64)) != 0
}

// ackSet is what the broker is told of the batch: a bit for each message that is not acknowledged.
func (b *batchState) ackSet() []int64 {
	set := make([]int64, (b.size+63)/64)
	for i := range b.size {
		if !b.isAcked(i) {
			set[i/64] |= 1 << (i % 64)
		}
	}
	return set
}
