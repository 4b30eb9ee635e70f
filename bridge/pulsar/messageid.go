package pulsar

import (
	"math"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/codec"
)

// notPartitioned is the partition of a topic without partitions.
const notPartitioned = -1

// entryID names an entry of a topic. Ledger ids are unique in a cluster.
type entryID struct{ ledger, entry int64 }

func entryOf(id *codec.MessageID) entryID { return entryID{id.LedgerID, id.EntryID} }

// fromClient makes an id of the client library ours. The library numbers the
// only message of an entry 0 and counts it as a batch of 1, whether it is in a
// batch or not; Java shows no batch there.
func fromClient(id pulsar.MessageID, partition int32, topic string) codec.MessageID {
	out := codec.MessageID{
		LedgerID: id.LedgerID(), EntryID: id.EntryID(), Partition: partition, BatchIndex: -1, Topic: topic,
	}
	if size := id.BatchSize(); size > 1 {
		out.BatchIndex, out.BatchSize = id.BatchIdx(), size
	}
	return out
}

// batchPlace is where in its entry's batch a message is: index -1 stands for
// the whole entry, as does the only place in a batch of one. size is 0 if unknown.
func batchPlace(id *codec.MessageID) (index, size int32) {
	if id.BatchIndex < 0 || id.BatchSize == 1 {
		return -1, 0
	}
	return id.BatchIndex, id.BatchSize
}

// startBefore is an id from which a reader of the client library, told to
// include it or not, delivers everything at or after id; what comes too early
// is left out by [startsAfter].
func startBefore(id codec.MessageID, inclusive bool) (start pulsar.MessageID, include bool) {
	switch {
	case id.LedgerID < 0:
		return pulsar.EarliestMessageID(), false
	case id.LedgerID == math.MaxInt64:
		return pulsar.LatestMessageID(), false
	}
	index, _ := batchPlace(&id)
	if index < 0 && !inclusive {
		return pulsar.NewMessageID(id.LedgerID, id.EntryID, -1, 0), false
	}
	// With a place in a batch the broker begins with the entry itself.
	return pulsar.NewMessageID(id.LedgerID, id.EntryID, 0, 0), true
}

// startsAfter reports that a message comes before a reader's start.
func startsAfter(start *codec.MessageID, inclusive bool, id *codec.MessageID) bool {
	if id.LedgerID != start.LedgerID {
		return id.LedgerID < start.LedgerID
	}
	if id.EntryID != start.EntryID {
		return id.EntryID < start.EntryID
	}
	place, _ := batchPlace(start)
	at, _ := batchPlace(id)
	if place < 0 {
		return !inclusive
	}
	if inclusive {
		return at < place
	}
	return at <= place
}

// reached reports that a position is at or after another of the same topic.
func reached(at, last *codec.MessageID) bool {
	return startsAfter(at, false, last)
}

// libraryID names an entry to a consumer of the client library, to which the one topic
// it is on has no partitions.
func libraryID(e entryID) pulsar.MessageID {
	return pulsar.NewMessageID(e.ledger, e.entry, -1, 0)
}

// fromClientMessage copies a message of the client library. Payload and
// properties are not copied: the library does not touch them again.
func fromClientMessage(m pulsar.Message, id codec.MessageID) *codec.Message {
	out := &codec.Message{
		ID:              id,
		Payload:         m.Payload(),
		Properties:      m.Properties(),
		PublishTime:     m.PublishTime(),
		Key:             m.Key(),
		HasKey:          m.Key() != "",
		RedeliveryCount: m.RedeliveryCount(),
	}
	if len(out.Payload) == 0 {
		delete(out.Properties, emptyMark)
	}
	if t := m.EventTime(); t.UnixMilli() > 0 {
		out.EventTime = t
	}
	if e := m.GetEncryptionContext(); e != nil {
		out.Encryption = fromClientEncryption(e)
	}
	return out
}

func fromClientEncryption(e *pulsar.EncryptionContext) *codec.EncryptionContext {
	out := &codec.EncryptionContext{
		Param: e.Param, Algorithm: e.Algorithm, UncompressedMessageSize: e.UncompressedSize,
		CompressionType: libraryCompressionNames[e.CompressionType],
	}
	if e.BatchSize > 1 {
		out.BatchSize = e.BatchSize
	}
	for name, key := range e.Keys {
		out.Keys = append(out.Keys, codec.EncryptionKey{Name: name, Value: key.KeyValue, Metadata: key.Metadata})
	}
	return out
}

var libraryCompressionNames = map[pulsar.CompressionType]string{
	pulsar.NoCompression: "NONE", pulsar.LZ4: "LZ4", pulsar.ZLib: "ZLIB", pulsar.ZSTD: "ZSTD", pulsar.SNAPPY: "SNAPPY",
}

// lastOfTopic makes the id that a broker gives as a topic's last one ours. Its
// batch index is that of the last message in the last entry's batch, from which
// the size follows.
func lastOfTopic(id pulsar.MessageID, partition int32) codec.MessageID {
	out := codec.MessageID{LedgerID: id.LedgerID(), EntryID: id.EntryID(), Partition: partition, BatchIndex: -1}
	if out.EntryID < 0 {
		out.EntryID = -1
		return out
	}
	if index := id.BatchIdx(); index > 0 {
		out.BatchIndex, out.BatchSize = index, index+1
	}
	return out
}
