package pulsar

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// messageFrame builds what follows a MESSAGE command.
func messageFrame(broker, metadata, payload []byte) []byte {
	var out []byte
	if broker != nil {
		out = binary.BigEndian.AppendUint16(out, magicBrokerMetadata)
		out = binary.BigEndian.AppendUint32(out, uint32(len(broker)))
		out = append(out, broker...)
	}
	rest := binary.BigEndian.AppendUint32(nil, uint32(len(metadata)))
	rest = append(append(rest, metadata...), payload...)
	out = binary.BigEndian.AppendUint16(out, magicChecksum)
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(rest, castagnoli))
	return append(out, rest...)
}

func TestRepairEmpty(t *testing.T) {
	metadata := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "producer")
	property := protowire.AppendString(protowire.AppendTag(nil, fieldKey, protowire.BytesType), emptyMark)
	property = protowire.AppendString(protowire.AppendTag(property, fieldValue, protowire.BytesType), "")
	marked := protowire.AppendBytes(protowire.AppendTag(bytes.Clone(metadata), fieldProperties, protowire.BytesType), property)
	for _, broker := range [][]byte{nil, {1, 2, 3}} {
		got := repairEmpty(messageFrame(broker, metadata, nil))
		if want := messageFrame(broker, marked, nil); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	}
}

// TestRepairEmptyCompressed drops what compression made of nothing.
func TestRepairEmptyCompressed(t *testing.T) {
	number := func(to []byte, field protowire.Number, value uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(to, field, protowire.VarintType), value)
	}
	properties := protowire.AppendBytes(protowire.AppendTag(nil, fieldProperties, protowire.BytesType), []byte{})
	compressed := number(properties, fieldCompression, 1)
	for name, metadata := range map[string][]byte{"size 0": number(bytes.Clone(compressed), fieldUncompressed, 0), "no size": compressed} {
		got := repairEmpty(messageFrame([]byte{1}, metadata, []byte("x")))
		if want := messageFrame([]byte{1}, metadata, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
	}
	for name, metadata := range map[string][]byte{
		"a size":         number(bytes.Clone(compressed), fieldUncompressed, 5),
		"not compressed": number(number(nil, fieldCompression, 0), fieldUncompressed, 0),
		"encrypted":      protowire.AppendBytes(protowire.AppendTag(bytes.Clone(compressed), fieldEncryptionKeys, protowire.BytesType), nil),
		"a batch":        number(bytes.Clone(compressed), fieldMessagesInBatch, 1),
	} {
		if got := repairEmpty(messageFrame(nil, metadata, []byte("x"))); got != nil {
			t.Errorf("%s: got %x", name, got)
		}
	}
	damaged := messageFrame(nil, compressed, []byte("x"))
	damaged[len(damaged)-1]++
	if got := repairEmpty(damaged); got != nil {
		t.Errorf("a damaged one: got %x", got)
	}
}

func TestRepairEmptyLeavesOthersAlone(t *testing.T) {
	batch := protowire.AppendVarint(protowire.AppendTag(nil, fieldMessagesInBatch, protowire.VarintType), 1)
	whole := messageFrame([]byte{1}, batch, nil)
	for name, frame := range map[string][]byte{
		"payload":    messageFrame(nil, []byte{}, []byte("x")),
		"batch":      whole,
		"properties": messageFrame(nil, protowire.AppendBytes(protowire.AppendTag(nil, fieldProperties, protowire.BytesType), nil), nil),
		"garbage":    messageFrame(nil, []byte{0xff}, nil),
		"nothing":    nil,
	} {
		if got := repairEmpty(frame); got != nil {
			t.Errorf("%s: got %x", name, got)
		}
	}
	for n := range whole {
		repairEmpty(whole[:n]) // no panic
	}
}

func TestOtherLogLines(t *testing.T) {
	received(nil, nil)
	received([]any{"text", 1}, nil)
	received([]any{nil, nil}, nil)
}
