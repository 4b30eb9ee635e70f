package pulsar

import (
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// fromReceived makes a message of the bridge of one that the client delivers, which nothing of it points into. topic is put into the
// id; "": it has none.
func fromReceived(m *client.Received, topic string) *codec.Message {
	key, hasKey, _ := m.Key()
	out := &codec.Message{
		ID: fromID(&m.ID, topic), Payload: m.Own(), Key: key, HasKey: hasKey,
		PublishTime: fromMillis(m.Metadata.PublishTime), EventTime: fromMillis(m.EventTime()),
		RedeliveryCount: m.Redelivered, Properties: toMap(m.Properties()),
	}
	if m.Sealed != nil {
		out.Encryption = fromMetadata(m.Metadata)
	}
	return out
}

// fromMillis is a time as the protocol has it; 0 stands for none, and one before 1970 counts back.
func fromMillis(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

func toMap(list []client.KeyValue) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, p := range list {
		out[p.Key] = p.Value
	}
	return out
}

// fromMetadata says how a message is encrypted. Nothing of it points into m but texts.
func fromMetadata(m *wire.Metadata) *codec.EncryptionContext {
	out := &codec.EncryptionContext{
		Param: append([]byte(nil), m.EncryptionParam...), Algorithm: m.EncryptionAlgo,
		CompressionType: compressionNames[m.Compression], UncompressedMessageSize: int(m.UncompressedSize),
	}
	if m.IsBatch && m.NumMessagesInBatch > 1 {
		out.BatchSize = int(m.NumMessagesInBatch)
	}
	for _, key := range m.EncryptionKeys {
		out.Keys = append(out.Keys, codec.EncryptionKey{Name: key.Key, Value: append([]byte(nil), key.Value...), Metadata: toMap(key.Metadata)})
	}
	return out
}

var compressionNames = map[wire.CompressionType]string{
	wire.NoCompression: "NONE", wire.LZ4: "LZ4", wire.ZLIB: "ZLIB", wire.ZSTD: "ZSTD", wire.SNAPPY: "SNAPPY",
}

// fromID makes an id of the client ours. The only message of a batch shows no batch, as in Java.
func fromID(id *client.MessageID, topic string) codec.MessageID {
	out := codec.MessageID{LedgerID: id.LedgerID, EntryID: id.EntryID, Partition: id.Partition, BatchIndex: -1, Topic: topic}
	if id.BatchIndex >= 0 && id.BatchSize > 1 {
		out.BatchIndex, out.BatchSize = id.BatchIndex, id.BatchSize
	}
	return out
}

// toID makes an id of ours the client's.
func toID(id *codec.MessageID) client.MessageID {
	out := client.MessageID{LedgerID: id.LedgerID, EntryID: id.EntryID, Partition: id.Partition}
	out.BatchIndex, out.BatchSize = batchPlace(id)
	return out
}

// sealedActions say what the client does with a message that cannot be decrypted.
var sealedActions = map[bridge.CryptoFailureAction]client.SealedAction{
	bridge.CryptoFail: client.SealedLeave, bridge.CryptoDiscard: client.SealedDiscard, bridge.CryptoConsume: client.SealedDeliver,
}
