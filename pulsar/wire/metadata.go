package wire

// Metadata is MessageMetadata: what an entry says about itself.
type Metadata struct {
	ProducerName   string
	SequenceID     uint64
	PublishTime    uint64 // ms since 1970
	Properties     []KeyValue
	ReplicatedFrom string // the cluster it came from
	// PartitionKey is the message's key; in base64 if PartitionKeyB64Encoded says so.
	// HasPartitionKey tells an empty key from none.
	PartitionKey     string
	HasPartitionKey  bool
	ReplicateTo      []string // the clusters to replicate to; none: the namespace's
	Compression      CompressionType
	UncompressedSize uint32
	// NumMessagesInBatch is set for batches only, also for those of one message:
	// IsBatch tells.
	NumMessagesInBatch     int32
	IsBatch                bool
	EventTime              uint64 // ms since 1970, 0: none
	EncryptionKeys         []EncryptionKeys
	EncryptionAlgo         string
	EncryptionParam        []byte
	SchemaVersion          []byte
	PartitionKeyB64Encoded bool
	OrderingKey            []byte // takes the key's place in Key_Shared
	DeliverAtTime          int64  // ms since 1970
	HasDeliverAtTime       bool
	// MarkerType is set for what brokers write for each other.
	MarkerType        int32
	HasMarkerType     bool
	TxnIDLeastBits    uint64
	TxnIDMostBits     uint64
	HasTxnID          bool
	HighestSequenceID uint64 // of the last message in a batch
	NullValue         bool   // the payload is null, not empty
	// UUID and what follows are of a message in chunks, which has NumChunksFromMsg,
	// 0: it has none.
	UUID              string
	NumChunksFromMsg  int32
	TotalChunkMsgSize int32
	ChunkID           int32
	NullPartitionKey  bool // the key is null, not empty
}

func (m *Metadata) fields(f *fields) {
	f.string(1, required, &m.ProducerName)
	f.uint64(2, required, &m.SequenceID)
	f.uint64(3, required, &m.PublishTime)
	f.keyValues(4, &m.Properties)
	f.string(5, optional, &m.ReplicatedFrom)
	f.stringIf(6, &m.HasPartitionKey, &m.PartitionKey)
	f.strings(7, &m.ReplicateTo)
	f.int32(8, optional, (*int32)(&m.Compression))
	f.uint32(9, optional, &m.UncompressedSize)
	f.int32If(11, &m.IsBatch, &m.NumMessagesInBatch)
	f.uint64(12, optional, &m.EventTime)
	inners(f, 13, "EncryptionKeys", &m.EncryptionKeys)
	f.string(14, optional, &m.EncryptionAlgo)
	f.bytes(15, optional, &m.EncryptionParam)
	f.bytes(16, optional, &m.SchemaVersion)
	f.bool(17, &m.PartitionKeyB64Encoded)
	f.bytes(18, optional, &m.OrderingKey)
	f.int64If(19, &m.HasDeliverAtTime, &m.DeliverAtTime)
	f.int32If(20, &m.HasMarkerType, &m.MarkerType)
	f.uint64If(22, &m.HasTxnID, &m.TxnIDLeastBits)
	f.uint64If(23, &m.HasTxnID, &m.TxnIDMostBits)
	f.uint64(24, optional, &m.HighestSequenceID)
	f.bool(25, &m.NullValue)
	f.string(26, optional, &m.UUID)
	f.int32(27, optional, &m.NumChunksFromMsg)
	f.int32(28, optional, &m.TotalChunkMsgSize)
	f.int32(29, optional, &m.ChunkID)
	f.bool(30, &m.NullPartitionKey)
}

// EncryptionKeys is EncryptionKeys: the data key, encrypted for one reader.
type EncryptionKeys struct {
	Key      string // the name of the key that Value is encrypted with
	Value    []byte
	Metadata []KeyValue
}

func (m *EncryptionKeys) fields(f *fields) {
	f.string(1, required, &m.Key)
	f.bytes(2, required, &m.Value)
	f.keyValues(3, &m.Metadata)
}

// SingleMetadata is SingleMessageMetadata: what a message in a batch says about
// itself.
type SingleMetadata struct {
	Properties             []KeyValue
	PartitionKey           string // as in [Metadata]
	HasPartitionKey        bool
	PayloadSize            int32
	CompactedOut           bool   // compaction has removed it
	EventTime              uint64 // ms since 1970, 0: none
	PartitionKeyB64Encoded bool
	OrderingKey            []byte
	SequenceID             uint64
	HasSequenceID          bool
	NullValue              bool
	NullPartitionKey       bool
}

func (m *SingleMetadata) fields(f *fields) {
	f.keyValues(1, &m.Properties)
	f.stringIf(2, &m.HasPartitionKey, &m.PartitionKey)
	f.int32(3, required, &m.PayloadSize)
	f.bool(4, &m.CompactedOut)
	f.uint64(5, optional, &m.EventTime)
	f.bool(6, &m.PartitionKeyB64Encoded)
	f.bytes(7, optional, &m.OrderingKey)
	f.uint64If(8, &m.HasSequenceID, &m.SequenceID)
	f.bool(9, &m.NullValue)
	f.bool(10, &m.NullPartitionKey)
}

// BrokerEntryMetadata is BrokerEntryMetadata: what the broker added to an entry.
type BrokerEntryMetadata struct {
	BrokerTimestamp    uint64 // ms since 1970
	HasBrokerTimestamp bool
	Index              uint64 // of the entry's last message among all of the topic
	HasIndex           bool
}

func (m *BrokerEntryMetadata) fields(f *fields) {
	f.uint64If(1, &m.HasBrokerTimestamp, &m.BrokerTimestamp)
	f.uint64If(2, &m.HasIndex, &m.Index)
}
