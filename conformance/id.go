package conformance

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// ID is a message id taken apart: the fields of the protobuf message
// MessageIdData in Pulsar's binary protocol.
type ID struct {
	Ledger, Entry    int64
	Partition, Batch int64 // -1 when absent
	BatchSize        int64
}

// before compares positions: ledger, entry, then the place in the batch.
func (a ID) before(b ID) bool {
	if a.Ledger != b.Ledger {
		return a.Ledger < b.Ledger
	}
	if a.Entry != b.Entry {
		return a.Entry < b.Entry
	}
	return a.Batch < b.Batch
}

// parseID takes a message id apart; the case fails if it is none.
func parseID(t *T, text string) ID {
	id, err := decodeID(text)
	if err != nil {
		t.Fatalf("message id %q: %v", text, err)
	}
	return id
}

func decodeID(text string) (ID, error) {
	id := ID{Partition: -1, Batch: -1}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return id, err
	}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return id, fmt.Errorf("cut off: %x", b)
		}
		b = b[n:]
		value, n := binary.Uvarint(b)
		if n <= 0 || tag&7 > 2 || tag&7 == 1 {
			return id, fmt.Errorf("field %d of wire type %d", tag>>3, tag&7)
		}
		b = b[n:]
		if tag&7 == 2 { // ack_set and first_chunk_message_id are passed over
			if uint64(len(b)) < value {
				return id, fmt.Errorf("cut off: %x", b)
			}
			b = b[value:]
			continue
		}
		switch tag >> 3 {
		case 1:
			id.Ledger = int64(value)
		case 2:
			id.Entry = int64(value)
		case 3:
			id.Partition = int64(int32(value))
		case 4:
			id.Batch = int64(int32(value))
		case 6:
			id.BatchSize = int64(value)
		}
	}
	return id, nil
}

// String puts the id together.
func (a ID) String() string {
	var b []byte
	for i, value := range []int64{a.Ledger, a.Entry, a.Partition, a.Batch, -1, a.BatchSize} {
		if value >= 0 {
			b = binary.AppendUvarint(append(b, byte(i+1)<<3), uint64(value))
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

// samePosition compares two message ids as positions, not as text.
func samePosition(a, b string) bool {
	x, errX := decodeID(a)
	y, errY := decodeID(b)
	return errX == nil && errY == nil && !x.before(y) && !y.before(x)
}
