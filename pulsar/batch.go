package pulsar

import "github.com/pulsegate/pulsegate/pulsar/wire"

// batch gathers messages. One alone is sent as it is.
type batch struct {
	first    uint64   // sequence id
	from     *Sender  // of all of them
	lead     *Message // the first, whose keys are the batch's
	payload  []byte   // of a batch; empty while there is but one message
	size     int      // about the bytes that payload has or would have
	reserved int
	done     []Done
	usual    int // capacity that the last batches needed
}

// overhead bounds what a message adds to a batch besides its payload, key and properties.
const overhead = 64

// sizeOf is about how much a message adds to a batch.
func sizeOf(m *Message) int {
	n := overhead + len(m.payload()) + len(m.Key) + len(m.OrderingKey)
	for _, p := range m.Properties {
		n += len(p.Key) + len(p.Value) + 12
	}
	return n
}

// fits reports whether m, of the given sender, can be added without the batch growing beyond limit bytes.
func (b *batch) fits(from *Sender, m *Message, limit int) bool {
	return len(b.done) == 0 || b.from == from && b.size+sizeOf(m) <= limit
}

// add adds a message, whose sequence id is the next.
func (b *batch) add(from *Sender, m *Message, seq uint64, reserved int, done Done) {
	switch len(b.done) {
	case 0:
		b.from, b.lead = from, m
	case 1:
		if b.payload == nil {
			b.payload = make([]byte, 0, max(b.usual, b.size+sizeOf(m)))
		}
		b.append(b.lead, b.first)
		b.append(m, seq)
	default:
		b.append(m, seq)
	}
	b.size += sizeOf(m)
	b.reserved += reserved
	b.done = append(b.done, done)
}

func (b *batch) append(m *Message, seq uint64) {
	var x wire.SingleMetadata
	m.single(&x)
	x.SequenceID, x.HasSequenceID = seq, true
	b.payload = wire.AppendSingle(b.payload, &x, m.payload())
	m.unread()
}

// take makes an entry of the messages, and the batch empty.
func (b *batch) take() entry {
	e := entry{first: b.first, last: b.first + uint64(len(b.done)) - 1, reserved: b.reserved}
	e.msg = b.lead
	if len(b.done) == 1 {
		e.done, e.payload = b.done[0], b.lead.payload()
		*b = batch{usual: b.usual, done: b.done[:0]}
		clear(b.done[:1])
		return e
	}
	e.payload, e.batch = b.payload, b.done
	// The next batch will be about as large, in bytes and in messages.
	*b = batch{usual: min(len(e.payload)+overhead, batchBytes), done: make([]Done, 0, len(e.batch))}
	return e
}
