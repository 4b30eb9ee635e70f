package pulsar

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// Received is a message as it is delivered. It and the byte slices in it, those of Metadata and Single included, are valid until
// Deliver returns.
type Received struct {
	ID          MessageID
	Payload     []byte // empty if it is null
	Redelivered uint32 // how many times it was delivered before, as far as the broker knows
	Metadata    *wire.Metadata
	Single      *wire.SingleMetadata     // what the message says of itself in a batch; nil: it is in none
	Broker      wire.BrokerEntryMetadata // what the broker has added
	// Sealed is why the message could not be decrypted: Payload is what was encrypted, of a whole batch if Metadata says so. See [SealedDeliver].
	Sealed error

	own bool // Payload is nobody else's
}

// Own returns the payload as bytes that belong to the caller. It may be called once.
func (m *Received) Own() []byte {
	if m.own {
		return m.Payload
	}
	return bytes.Clone(m.Payload)
}

// Key is the message's key; has tells an empty one from none. asBytes says that it is base64 of a key that is bytes.
func (m *Received) Key() (key string, has, asBytes bool) {
	if s := m.Single; s != nil {
		return s.PartitionKey, s.HasPartitionKey, s.PartitionKeyB64Encoded
	}
	return m.Metadata.PartitionKey, m.Metadata.HasPartitionKey, m.Metadata.PartitionKeyB64Encoded
}

// OrderingKey takes the key's place in Key_Shared; nil: none.
func (m *Received) OrderingKey() []byte {
	if m.Single != nil {
		return m.Single.OrderingKey
	}
	return m.Metadata.OrderingKey
}

// Properties are the message's. The list is valid until Deliver returns, the texts for ever.
func (m *Received) Properties() []KeyValue {
	if m.Single != nil {
		return m.Single.Properties
	}
	return m.Metadata.Properties
}

// EventTime is in ms since 1970; 0: none.
func (m *Received) EventTime() uint64 {
	if m.Single != nil {
		return m.Single.EventTime
	}
	return m.Metadata.EventTime
}

// unpacker takes the messages out of one entry, one after the other. It does not lock, and knows no consumer.
//
// On the way from a connection to the owner there is one for each connection, which points into
// what was read. What has to wait gets one of its own, see [unpacker.keep].
type unpacker struct {
	at          entryKey
	redelivered uint32
	left        []int64 // the broker's ack set; empty: none of the batch is acknowledged
	gen         int32   // of the consumer when it came

	broker  wire.BrokerEntryMetadata
	head    []byte // what meta was parsed from
	meta    wire.Metadata
	payload []byte // what of it is not yet unpacked

	opened bool  // payload is decrypted, decompressed and whole
	own    bool  // payload is nobody else's
	sealed error // it could not be decrypted
	size   int32 // messages in it
	index  int32 // of the next one
	batch  *batchState
	looked bool // batch was asked for

	charged int64 // messages that wait here, in the broker's count
	bytes   int   // that they take

	single wire.SingleMetadata
	out    Received
}

// fault is an entry that cannot be read: it is acknowledged, with the reason, as no consumer ever can.
type fault struct {
	reason wire.ValidationError
	err    error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faulty(reason wire.ValidationError, err error) error { return &fault{reason, err} }

// take makes the entry the one to unpack. n is how many messages it was in the broker's count, also if there is an
// error, which is a [fault].
func (u *unpacker) take(cmd *wire.Message, entry []byte) (n int32, err error) {
	*u = unpacker{meta: u.meta, single: u.single, left: append(u.left[:0], cmd.AckSet...)}
	u.at = entryKey{cmd.MessageID.LedgerID, cmd.MessageID.EntryID}
	u.redelivered = cmd.RedeliveryCount
	e, err := wire.ParseEntry(entry)
	if err != nil {
		return 1, faulty(wire.BatchDeSerializeError, err)
	}
	if err := wire.ParseMetadata(e.Metadata, &u.meta); err != nil {
		return 1, faulty(wire.BatchDeSerializeError, err)
	}
	u.size = 1
	if u.meta.IsBatch {
		u.size = max(u.meta.NumMessagesInBatch, 1)
	}
	n = u.charge()
	if err := e.Check(); err != nil {
		return n, faulty(wire.ChecksumMismatch, err)
	}
	if e.Broker != nil {
		if err := wire.ParseBrokerEntryMetadata(e.Broker, &u.broker); err != nil {
			return n, faulty(wire.BatchDeSerializeError, err)
		}
	}
	u.head, u.payload = e.Metadata, e.Payload
	u.charged, u.bytes = int64(n), len(entry)
	return n, nil
}

// charge is how many messages the broker takes the entry for: it does not count those that it knows to be acknowledged.
func (u *unpacker) charge() (n int32) {
	if len(u.left) == 0 {
		return u.size
	}
	for i := range min(u.size, int32(min(64*len(u.left), maxBatch))) {
		if has(u.left, i) {
			n++
		}
	}
	return n
}

// keep returns one that points into nothing that is read into again.
func (u *unpacker) keep() *unpacker {
	k := &unpacker{
		at: u.at, redelivered: u.redelivered, left: append([]int64(nil), u.left...), gen: u.gen, broker: u.broker, head: bytes.Clone(u.head), payload: u.payload,
		opened: u.opened, own: u.own, sealed: u.sealed, size: u.size, index: u.index, batch: u.batch, looked: u.looked, charged: u.charged, bytes: u.bytes,
	}
	if !u.own {
		k.payload = bytes.Clone(u.payload)
		k.own = true
	}
	k.bytes = max(k.bytes, len(k.payload))
	_ = wire.ParseMetadata(k.head, &k.meta) // which has succeeded before
	return k
}

// next takes the next message out; nil: there is none left. What the broker does not count is skipped, and so is what compaction has taken out, which
// gone tells of.
func (u *unpacker) next() (m *Received, gone bool, err error) {
	if u.index >= u.size {
		return nil, false, nil
	}
	u.out = Received{
		ID:          MessageID{LedgerID: int64(u.at.ledger), EntryID: int64(u.at.entry), BatchIndex: -1},
		Redelivered: u.redelivered, Metadata: &u.meta, Broker: u.broker, Sealed: u.sealed,
	}
	if !u.meta.IsBatch || u.sealed != nil {
		u.index = u.size
		u.charged = 0
		u.out.Payload, u.out.own = u.payload, u.own
		return &u.out, false, nil
	}
	for u.index < u.size {
		payload, rest, err := wire.NextSingle(u.payload, &u.single)
		if err != nil {
			return nil, false, faulty(wire.BatchDeSerializeError, err)
		}
		i := u.index
		u.index, u.payload = i+1, rest
		if len(u.left) > 0 && !has(u.left, i) {
			continue
		}
		u.charged--
		u.out.ID.BatchIndex, u.out.ID.BatchSize = i, u.size
		u.out.Single, u.out.Payload = &u.single, payload
		return &u.out, u.single.CompactedOut, nil
	}
	return nil, false, nil
}

// errNoKey is why an entry is sealed where there is no [ConsumerOptions.Decrypt].
var errNoKey = errors.New("no key to decrypt with")

// decrypt makes the payload what it was before it was encrypted, or seals the entry.
func (u *unpacker) decrypt(o *ConsumerOptions) {
	if len(u.meta.EncryptionKeys) == 0 {
		return
	}
	if o.Decrypt == nil {
		u.sealed = errNoKey
		return
	}
	plain, err := o.Decrypt(&u.meta, u.payload)
	if err != nil {
		u.sealed = err
		return
	}
	u.payload, u.own = plain, true
}

// decompress makes the payload what it was before it was compressed. scratch may be used for what is not kept, and is
// returned.
func (u *unpacker) decompress(o *ConsumerOptions, scratch []byte) ([]byte, error) {
	if u.meta.Compression == wire.NoCompression {
		return scratch, nil
	}
	size := int(u.meta.UncompressedSize)
	if size > o.maxMessageSize() {
		return scratch, faulty(wire.UncompressedSizeCorruption, fmt.Errorf("%d bytes, compressed, where %d are allowed", size, o.maxMessageSize()))
	}
	// A batch is unpacked at once, as a rule. A message that is alone may be handed over as it is.
	to := []byte(nil)
	if u.meta.IsBatch {
		to = scratch[:0]
	}
	out, err := decompress(u.meta.Compression, to, u.payload, size)
	if err != nil {
		return scratch, faulty(wire.DecompressionError, err)
	}
	if u.meta.IsBatch && cap(out) <= maxScratch {
		u.payload, u.own = out, false
		return out, nil
	}
	u.payload, u.own = out, !u.meta.IsBatch || cap(out) > maxScratch
	return scratch, nil
}

// maxScratch bounds what a connection keeps for decompression, in bytes.
const maxScratch = 1 << 20
