package pulsar

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// Message is one message to publish. It and all it points to belong to the producer
// from Send on and must never be changed again, also not after it is answered: what
// is still on its way is not copied. Free says when Payload may be.
type Message struct {
	Payload []byte
	// NullValue publishes a null instead of Payload, which is what compaction takes for a
	// deletion.
	NullValue bool
	// Key is the message's key. HasKey tells an empty one from none.
	Key    string
	HasKey bool
	// KeyIsBytes says that Key is base64 of a key that is bytes.
	KeyIsBytes bool
	// OrderingKey takes the key's place in routing and Key_Shared; nil: none.
	OrderingKey []byte
	Properties  []KeyValue
	EventTime   time.Time // zero: none
	DeliverAt   time.Time // zero: at once
	// DeliverAfter is counted from Send on; DeliverAt goes before it.
	DeliverAfter time.Duration
	// ReplicateTo are the clusters to replicate to; none: as the namespace says.
	ReplicateTo        []string
	DisableReplication bool
	// Sealed says how Payload was encrypted by who sends it; nil: it was not.
	Sealed *Sealed
	// Free, if it is not nil, is called at most once, with Payload, when the message is answered and nobody reads its payload any
	// more. It is not called where a connection broke meanwhile. It must not block nor call the publisher.
	Free func(payload []byte)

	readers atomic.Int32 // of Payload: one until it is answered, and one for each frame that has it by reference
}

// read counts one reader of the payload more.
func (m *Message) read() { m.readers.Add(1) }

// unread counts one less.
func (m *Message) unread() {
	if m.readers.Add(-1) == 0 && m.Free != nil {
		m.Free(m.Payload)
	}
}

// Encryption is what readers of an encrypted payload need besides their own keys.
type Encryption struct {
	Keys  []wire.EncryptionKeys
	Param []byte // the initialisation vector
}

// Sealed is what goes along with a payload that its sender has compressed and
// encrypted: it is published as it is, and never in a batch.
type Sealed struct {
	Encryption
	Compression wire.CompressionType
	Size        int // bytes of the payload before it was compressed
}

// Encrypter encrypts the payloads of a producer: of messages, and of batches as a whole, after they were
// compressed. It may be called from any goroutine and must not block. It may not change payload.
type Encrypter interface {
	Encrypt(payload []byte) ([]byte, Encryption)
}

// KeyValue is a property.
type KeyValue = wire.KeyValue

// alone reports that the message cannot be part of a batch.
func (m *Message) alone() bool {
	return m.DisableReplication || len(m.ReplicateTo) > 0 || !m.DeliverAt.IsZero() || m.DeliverAfter > 0 || m.Sealed != nil
}

// noReplication is what a message's ReplicateTo says to be replicated nowhere.
var noReplication = []string{"__local__"}

// metadata fills in what the message itself says. now is when it was sent.
func (m *Message) metadata(x *wire.Metadata, now int64) {
	x.Properties = m.Properties
	x.PartitionKey, x.HasPartitionKey, x.PartitionKeyB64Encoded = m.Key, m.HasKey, m.KeyIsBytes
	x.OrderingKey = m.OrderingKey
	x.NullValue = m.NullValue
	x.EventTime = eventMillis(m.EventTime)
	switch {
	case !m.DeliverAt.IsZero():
		x.DeliverAtTime, x.HasDeliverAtTime = m.DeliverAt.UnixMilli(), true
	case m.DeliverAfter > 0:
		x.DeliverAtTime, x.HasDeliverAtTime = now+m.DeliverAfter.Milliseconds(), true
	}
	x.ReplicateTo = m.ReplicateTo
	if m.DisableReplication {
		x.ReplicateTo = noReplication
	}
}

// single fills in what the message says of itself in a batch.
func (m *Message) single(x *wire.SingleMetadata) {
	x.Properties = m.Properties
	x.PartitionKey, x.HasPartitionKey, x.PartitionKeyB64Encoded = m.Key, m.HasKey, m.KeyIsBytes
	x.OrderingKey = m.OrderingKey
	x.NullValue = m.NullValue
	x.EventTime = eventMillis(m.EventTime)
}

// eventMillis is an event time as the protocol has it, 0 for none. One before 1970 counts back, as in Java.
func eventMillis(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixMilli())
}

// payload is what is published.
func (m *Message) payload() []byte {
	if m.NullValue {
		return nil
	}
	return m.Payload
}

// MessageID is where a message was stored.
type MessageID struct {
	// LedgerID and EntryID are -1 for a message that the broker had already, from
	// this producer's name and sequence id. On topics that are not persistent,
	// brokers say 0 and 0 of every message.
	LedgerID, EntryID int64
	Partition         int32 // -1: the topic is not partitioned
	BatchIndex        int32 // -1: not in a batch
	BatchSize         int32 // 0: not in a batch
}

// storedAt is the id of a receipt.
func storedAt(r *wire.SendReceipt, partition int32) MessageID {
	id := MessageID{LedgerID: -1, EntryID: -1, Partition: partition, BatchIndex: -1}
	if r.HasMessageID && r.MessageID.EntryID != math.MaxUint64 {
		id.LedgerID, id.EntryID = int64(r.MessageID.LedgerID), int64(r.MessageID.EntryID)
	}
	return id
}

// Done receives the outcome of one message. It is called exactly once, must not block, and
// may publish further messages.
type Done interface {
	Sent(id MessageID, err error)
}

// RunDone is a [Done] that is told when a connection's reader has given the outcomes that it had read: what follows from several can be put
// off until then.
type RunDone interface {
	Done
	// SentMore is Sent, but that Rest is to follow: of the last message of the same entry, behind other outcomes or at once.
	SentMore(id MessageID, err error)
	Rest()
}
