package pulsar

import "github.com/pulsegate/pulsegate/pulsar/wire"

const (
	// maxAckIDs is how many entries one ACK names.
	maxAckIDs = 1000
	// maxFlights is how many ACKs of a consumer may be unanswered where more than one may.
	maxFlights = 16
	// maxOwed bounds the entries of one consumer whose acknowledgements wait to be sent. The oldest are forgotten first; they come again.
	maxOwed = 80_000
	// maxChunkedKept bounds the messages in chunks of one consumer whose chunks are known so that all of them can be acknowledged.
	maxChunkedKept = 1000
	// congestedFrom is from how many acknowledgements and requests for redelivery on that wait for the broker an owner's consumers are congested, and
	// relievedAt at how many they no longer are.
	congestedFrom = 20_000
	relievedAt    = 2_000
)

// acks is what a consumer has to tell the broker of messages. Consumer.mu guards it. While ACKs are unanswered, what comes is
// collected for the next: so an acknowledgement costs neither a timer nor, under load, a request of its own. The
// zero value and nil are empty. (Of messages in chunks beyond maxChunkedKept only the last chunk is acknowledged.)
type acks struct {
	batches batchAcks
	pending []ack // to be sent
	flying  []*flight
	unsent  int // entries in flying

	cumulative ack // up to there; counts with hasCum
	hasCum     bool

	// Of an ordered subscription that the broker was told to send again, entries behind passed may come that are acknowledged meanwhile.
	rewound bool
	passed  entryKey

	again   []entryKey // to be asked for again
	all     bool       // all that is not acknowledged is
	parched bool       // there was no room for that: the connection will call speak, and nobody else is to try meanwhile

	chunked map[entryKey][]entryKey // by the last chunk, all of them
}

// ack is an acknowledgement of an entry.
type ack struct {
	at    entryKey
	batch *batchState // of which only some messages are acknowledged; nil: all of the entry is
	index int32       // of a cumulative one: in the batch, -1: the entry as a whole
	size  int32       // likewise
	alone bool        // the broker refused others with it
}

// flight is one ACK that was sent.
type flight struct {
	acks       []ack
	cumulative bool
}

func (a *acks) idle() bool {
	return a == nil || len(a.pending) == 0 && len(a.flying) == 0 && !a.hasCum && len(a.again) == 0 && !a.all
}

func (a *acks) waiting() int { return len(a.pending) + a.unsent + len(a.again) }

// partLocked says that the connection is lost. What was not answered is sent again; what was to be redelivered is anyway.
func (a *acks) partLocked() {
	if a == nil {
		return
	}
	var back []ack
	for _, f := range a.flying {
		if !f.cumulative {
			back = append(back, f.acks...)
		} else if !a.hasCum {
			a.cumulative, a.hasCum = f.acks[0], true
		}
	}
	a.pending = append(back, a.pending...)
	a.flying, a.unsent = nil, 0
	a.again, a.all, a.parched = nil, false, false
	a.batches.parted()
	a.rewound, a.passed = true, entryKey{}
	a.trim()
}

// closeLocked says that the consumer is to end, which gives all back to the broker that is not acknowledged. One of a Key_Shared subscription does not
// ask for any of it before: what was asked for does not keep the broker from sending later messages of its key, which it does to another consumer
// as soon as this one is gone. A broker that finds the messages with a consumer that ends keeps the order.
func (a *acks) closeLocked(o *ConsumerOptions) {
	if a != nil && o.Type == wire.KeyShared {
		a.again, a.all = nil, false
	}
}

// add notes an acknowledgement that is to be sent.
func (a *acks) add(k ack) {
	if k.batch != nil {
		if k.batch.queued {
			return
		}
		k.batch.queued = true
	}
	a.pending = append(a.pending, k)
	a.trim()
}

func (a *acks) trim() {
	if n := len(a.pending) - maxOwed; n > maxOwed/8 { // seldom, as it copies all
		a.pending = append(a.pending[:0:0], a.pending[n:]...)
	}
}

func (x *Consumer) acksLocked() *acks {
	if x.acks == nil {
		x.acks = &acks{}
	}
	return x.acks
}

func keyOf(id *MessageID) entryKey { return entryKey{uint64(id.LedgerID), uint64(id.EntryID)} }

// placeInBatch is where in a batch a message is; -1 stands for the entry as a whole, as does the only place in a batch of one.
func placeInBatch(id *MessageID) (index, size int32) {
	if id.BatchIndex < 0 || id.BatchSize == 1 {
		return -1, 0
	}
	return id.BatchIndex, id.BatchSize
}

// Ack acknowledges messages, each for itself. It also takes those that were never delivered to this consumer.
// The broker is told soon, also over another connection if this one breaks before it has answered. ids are not kept.
func (x *Consumer) Ack(ids ...MessageID) {
	if !x.keeps() {
		return
	}
	x.mu.Lock()
	if x.state >= consumerClosing {
		x.mu.Unlock()
		return
	}
	a := x.acksLocked()
	before := len(a.pending)
	for i := range ids {
		if id := &ids[i]; id.LedgerID >= 0 && id.EntryID >= 0 {
			x.ackLocked(a, id)
		}
	}
	if len(a.pending) == before { // there is nothing to say before all of a batch is
		x.mu.Unlock()
		return
	}
	x.spur()
}

// ackLocked notes an acknowledgement, and what the broker is to be told because of it.
func (x *Consumer) ackLocked(a *acks, id *MessageID) {
	at := keyOf(id)
	if a.rewound && x.o.ordered() && at.after(a.passed) {
		a.batches.repeats(at)
	}
	if index, size := placeInBatch(id); index >= 0 {
		b, news, complete := a.batches.acknowledge(at, index, size)
		switch {
		case complete && (!b.queued || b.done):
			a.add(ack{at: at})
		case news && !complete && x.o.AckBatchIndexes && b.size > 0:
			a.add(ack{at: at, batch: b})
		}
	} else {
		for _, chunk := range a.chunked[at] {
			if chunk != at {
				a.add(ack{at: chunk})
			}
		}
		delete(a.chunked, at)
		a.batches.whole(at)
		a.add(ack{at: at})
	}
}

// AckCumulative acknowledges all messages up to this one, of an Exclusive or Failover subscription.
func (x *Consumer) AckCumulative(id *MessageID) {
	x.mu.Lock()
	x.ackUpTo(id)
}

// ackUpTo is AckCumulative. mu is held, and released.
func (x *Consumer) ackUpTo(id *MessageID) {
	if x.state >= consumerClosing || !x.keeps() || !x.o.ordered() || id.LedgerID < 0 || id.EntryID < 0 {
		x.mu.Unlock()
		return
	}
	index, size := placeInBatch(id)
	x.ackUpToLocked(keyOf(id), index, size)
	x.spur()
}

// ackDelivered is AckCumulative of what was just delivered, unless a subscription that resumes by itself is about to begin again since: it comes once more.
func (x *Consumer) ackDelivered(gen int32, id *MessageID) {
	x.mu.Lock()
	if x.place != nil && x.gen != gen {
		x.mu.Unlock()
		return
	}
	x.ackUpTo(id)
}

func (x *Consumer) ackUpToLocked(at entryKey, index, size int32) {
	a := x.acksLocked()
	if last := a.cumulative; a.hasCum && (last.at.after(at) || last.at == at && last.index >= index && index >= 0) {
		return
	}
	a.cumulative, a.hasCum = ack{at: at, index: index, size: size}, true
}

// Redeliver asks the broker for messages again. With a Shared or Key_Shared subscription, others of a batch may come with
// them; with others it sends all that is not acknowledged, in order.
func (x *Consumer) Redeliver(ids []MessageID) {
	if x.o.ordered() {
		if len(ids) > 0 {
			x.RedeliverAll()
		}
		return
	}
	x.mu.Lock()
	if x.state >= consumerClosing || !x.keeps() || !x.connected { // without a connection all come again
		x.mu.Unlock()
		return
	}
	a := x.acksLocked()
	for i := range ids {
		id := &ids[i]
		if id.LedgerID < 0 || id.EntryID < 0 {
			continue
		}
		at := keyOf(id)
		index, _ := placeInBatch(id)
		a.batches.released(at, index >= 0)
		if parts := a.chunked[at]; parts != nil {
			a.again = append(a.again, parts...)
			delete(a.chunked, at)
		} else {
			a.again = append(a.again, at)
		}
	}
	if n := len(a.again) - maxOwed; n > maxOwed/8 { // seldom, as it copies all
		a.again = append(a.again[:0:0], a.again[n:]...)
	}
	x.spur()
}

// RedeliverAll asks the broker for all messages again that are not acknowledged. Those of an Exclusive or Failover subscription
// that were sent before are not delivered any more.
func (x *Consumer) RedeliverAll() {
	x.mu.Lock()
	if x.state >= consumerClosing || !x.keeps() || !x.connected {
		x.mu.Unlock()
		return
	}
	if x.o.ordered() {
		x.epoch++
		x.voidLocked()
		if x.place != nil {
			x.place.resuming = false // it is to come again
		}
	}
	a := x.acksLocked()
	a.again, a.all = nil, true
	a.rewound, a.passed = true, entryKey{}
	x.spur()
}

// countLocked tells the permits how much waits for the broker.
func (x *Consumer) countLocked() {
	n := 0
	if a := x.acks; a != nil {
		n = a.waiting()
	}
	if more := n - int(x.counted); more != 0 {
		x.counted = int32(n)
		if x.permits.count(more) { // who waits for that may go on with other consumers
			x.tells = append(x.tells, func() { x.handler.Tell(x, Relieved) })
		}
	}
}
