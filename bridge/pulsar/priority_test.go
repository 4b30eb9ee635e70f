package pulsar

import (
	"encoding/binary"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// bytesField appends a field of a protobuf message.
func bytesField(to []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), value)
}

func varintField(to []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, number, protowire.VarintType), value)
}

// frameOf is a frame of one command without payload.
func frameOf(kind uint64, field protowire.Number, message []byte) []byte {
	command := bytesField(varintField(nil, 1, kind), field, message)
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(command)+4))
	return append(binary.BigEndian.AppendUint32(frame, uint32(len(command))), command...)
}

// subscribeFields are those of a SUBSCRIBE with a level, 0 for none, and
// properties, names and values in turn.
func subscribeFields(name string, level uint64, properties ...string) []byte {
	m := bytesField(nil, 1, []byte("persistent://a/b/c"))
	m = bytesField(m, 2, []byte("s"))
	m = varintField(m, 3, 1) // Shared
	m = varintField(m, 4, 7)
	m = varintField(m, 5, 8)
	m = bytesField(m, 6, []byte(name))
	if level > 0 {
		m = varintField(m, 7, level)
	}
	for i := 0; i < len(properties); i += 2 {
		m = bytesField(m, 10, bytesField(bytesField(nil, fieldKey, []byte(properties[i])), fieldValue, []byte(properties[i+1])))
	}
	return m
}

func subscribeFrame(name string, properties ...string) []byte {
	return frameOf(4, 4, subscribeFields(name, 0, properties...))
}

func TestLevelOfSubscribe(t *testing.T) {
	out := withLevel(subscribeFrame("n", "a", "b", "c", "d", levelProperty, "300"))
	if out == nil {
		t.Fatal("the level is left where it was")
	}
	want := frameOf(4, 4, subscribeFields("n", 300, "a", "b", "c", "d"))
	if string(out) != string(want) {
		t.Errorf("got  %x\nwant %x", out, want)
	}
}

func TestOtherFramesStayAsTheyAre(t *testing.T) {
	for name, frame := range map[string][]byte{
		"nothing":                        {},
		"no command":                     make([]byte, 8),
		"another command":                frameOf(5, 5, bytesField(nil, 1, []byte(levelProperty))),
		"a consumer without a level":     subscribeFrame("n", "a", "b"),
		"a consumer of such a name":      subscribeFrame(levelProperty),
		"a value of such a name":         subscribeFrame("n", "a", levelProperty),
		"a level that is no number":      subscribeFrame("n", levelProperty, "x"),
		"what cannot be read":            append(subscribeFrame("n", levelProperty, "1"), 0xff),
		"what cannot be read to the end": subscribeFrame("n", levelProperty, "1")[:40],
	} {
		if withLevel(frame) != nil {
			t.Errorf("%s is changed", name)
		}
	}
}
