package codec

import "encoding/binary"

// Field numbers of MessageIdData in PulsarApi.proto. ack_set (5) and first_chunk_message_id (7) do not change
// the position an id names and are skipped.
const (
	fieldLedgerID   = 1
	fieldEntryID    = 2
	fieldPartition  = 3
	fieldBatchIndex = 4
	fieldBatchSize  = 6

	// fieldTopic is ours. A position is unique only within its topic, and a session over several topics may be
	// reopened on another server before the id comes back, so the id itself has to say where it belongs. The
	// number is far above what Pulsar uses; protobuf parsers skip fields they do not know.
	fieldTopic = 1000
)

// Wire types of the protobuf encoding.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// AppendBinary appends the id's protobuf MessageIdData, byte for byte as the Java client's
// MessageIdImpl.toByteArray writes it: an absent partition or batch index is left out, batch_size never is.
func (id MessageID) AppendBinary(dst []byte) []byte {
	dst = append(dst, fieldLedgerID<<3|wireVarint)
	dst = binary.AppendUvarint(dst, uint64(id.LedgerID))
	dst = append(dst, fieldEntryID<<3|wireVarint)
	dst = binary.AppendUvarint(dst, uint64(id.EntryID))
	if id.Partition >= 0 {
		dst = append(dst, fieldPartition<<3|wireVarint)
		dst = binary.AppendUvarint(dst, uint64(id.Partition))
	}
	if id.BatchIndex >= 0 {
		dst = append(dst, fieldBatchIndex<<3|wireVarint)
		dst = binary.AppendUvarint(dst, uint64(id.BatchIndex))
	}
	dst = append(dst, fieldBatchSize<<3|wireVarint)
	dst = binary.AppendUvarint(dst, uint64(max(id.BatchSize, 0)))
	if id.Topic != "" {
		dst = binary.AppendUvarint(dst, fieldTopic<<3|wireBytes)
		dst = binary.AppendUvarint(dst, uint64(len(id.Topic)))
		dst = append(dst, id.Topic...)
	}
	return dst
}

// binarySize is the length of what AppendBinary appends.
func (id MessageID) binarySize() int {
	n := 1 + uvarintLen(uint64(id.LedgerID)) + 1 + uvarintLen(uint64(id.EntryID)) +
		1 + uvarintLen(uint64(max(id.BatchSize, 0)))
	if id.Partition >= 0 {
		n += 1 + uvarintLen(uint64(id.Partition))
	}
	if id.BatchIndex >= 0 {
		n += 1 + uvarintLen(uint64(id.BatchIndex))
	}
	if id.Topic != "" {
		n += uvarintLen(fieldTopic<<3|wireBytes) + uvarintLen(uint64(len(id.Topic))) + len(id.Topic)
	}
	return n
}

func uvarintLen(v uint64) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// parseMessageIDData reads a MessageIdData. A fault that is not empty says why it is none.
func parseMessageIDData(b []byte) (id MessageID, fault string) {
	const truncated = "protobuf cut short"
	id = MessageID{Partition: -1, BatchIndex: -1}
	var hasLedger, hasEntry bool
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return id, truncated
		}
		b = b[n:]
		field, wire := tag>>3, tag&7
		if field == 0 {
			return id, "protobuf field number 0"
		}
		var v uint64
		var data []byte
		switch wire {
		case wireVarint:
			if v, n = binary.Uvarint(b); n <= 0 {
				return id, truncated
			}
			b = b[n:]
		case wireBytes:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return id, truncated
			}
			data = b[n : n+int(size)]
			b = b[n+int(size):]
		case wireFixed64, wireFixed32:
			size := 8
			if wire == wireFixed32 {
				size = 4
			}
			if len(b) < size {
				return id, truncated
			}
			b = b[size:]
		default:
			return id, "unknown protobuf wire type"
		}
		known := wireVarint
		switch field {
		case fieldLedgerID:
			id.LedgerID, hasLedger = int64(v), true
		case fieldEntryID:
			id.EntryID, hasEntry = int64(v), true
		case fieldPartition:
			id.Partition = max(int32(v), -1)
		case fieldBatchIndex:
			id.BatchIndex = max(int32(v), -1)
		case fieldBatchSize:
			id.BatchSize = max(int32(v), 0)
		case fieldTopic:
			id.Topic, known = string(data), wireBytes
		default:
			known = int(wire)
		}
		if known != int(wire) {
			return id, "protobuf field of the wrong type"
		}
	}
	if !hasLedger || !hasEntry {
		return id, "no ledger or entry id"
	}
	return id, ""
}
