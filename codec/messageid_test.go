package codec

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// javaIDs are ids as a Pulsar 4.0.7 proxy gave them out.
var javaIDs = []struct {
	text, hex string
	id        MessageID
}{
	{"CAUQADAA", "080510003000", MessageID{LedgerID: 5, Partition: -1, BatchIndex: -1}},
	{"CBAQATAA", "081010013000", MessageID{LedgerID: 16, EntryID: 1, Partition: -1, BatchIndex: -1}},
	{"CA8QABgAMAA=", "080f100018003000", MessageID{LedgerID: 15, Partition: 0, BatchIndex: -1}},
	{"CA4QABgCMAA=", "080e100018023000", MessageID{LedgerID: 14, Partition: 2, BatchIndex: -1}},
	{"CBAQACABMAA=", "0810100020013000", MessageID{LedgerID: 16, Partition: -1, BatchIndex: 1}},
	{"CBAQACAAMAM=", "0810100020003003", MessageID{LedgerID: 16, Partition: -1, BatchIndex: 0, BatchSize: 3}},
}

func TestMessageIDAsJavaWritesIt(t *testing.T) {
	for _, c := range javaIDs {
		if got := hex.EncodeToString(c.id.AppendBinary(nil)); got != c.hex {
			t.Errorf("%+v: binary %s, want %s", c.id, got, c.hex)
		}
		if got := string(c.id.AppendText([]byte("x"))); got != "x"+c.text {
			t.Errorf("%+v: text %s, want %s", c.id, got[1:], c.text)
		}
		for _, text := range []string{c.text, strings.TrimRight(c.text, "=")} {
			if got, err := ParseMessageID([]byte(text)); err != nil || got != c.id {
				t.Errorf("ParseMessageID(%q) = %+v, %v; want %+v", text, got, err, c.id)
			}
		}
	}
}

func TestMessageIDKeepsItsTopic(t *testing.T) {
	for _, topic := range []string{"persistent://public/default/t", strings.Repeat("ü", 5000)} {
		id := MessageID{LedgerID: 1 << 40, EntryID: -1, Partition: -1, BatchIndex: 2, BatchSize: 3, Topic: topic}
		got, err := ParseMessageID(id.AppendText(nil))
		if err != nil || got != id {
			t.Errorf("came back as %+v, %v; want %+v", got, err, id)
		}
	}
}

func TestParseMessageIDSkipsWhatItDoesNotKnow(t *testing.T) {
	want := MessageID{LedgerID: 5, EntryID: 7, Partition: -1, BatchIndex: -1}
	for _, c := range []string{
		"08051007",                       // no batch_size, as pulsar-client-go writes it
		"10070805",                       // another order
		"080508051007",                   // a field twice
		"0805100718ffffffffffffffffff01", // partition -1 in full
		"0805100720ffffffffffffffffff01", // batch_index -1 in full
		"0805100728032804",               // ack_set
		"080510072a020304",               // ack_set, packed
		"080510073a0408051007",           // first_chunk_message_id
		"08051007f23e00",                 // unknown: bytes
		"08051007410102030405060708",     // unknown: 64 bits
		"080510074d01020304",             // unknown: 32 bits
	} {
		bin, _ := hex.DecodeString(c)
		if got, err := ParseMessageID([]byte(base64.StdEncoding.EncodeToString(bin))); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", c, got, err, want)
		}
	}
}

func TestParseMessageIDRefuses(t *testing.T) {
	bad := []string{"", "!!", "CAUQADAA/", "CAU=", "AAAA", "CAUQADAA\n", " CAUQADAA", "CAUQAD-A", strings.Repeat("A", maxMessageIDText+1)}
	for _, c := range []string{
		"08", "0805", "1007", "080510", "08051007ff", "080510072aff01", "080510072affffffffffffffffff01", // cut short
		"08ffffffffffffffffffff01" + "1007",  // a varint of 11 bytes
		"0805100741010203", "080510074d0102", // cut short
		"080510070b", "080510070c", "080510070f", // groups and unknown wire types
		"0000080510" + "07",                // field number 0
		"0a00" + "1007",                    // ledgerId as bytes
		"08051007" + "1a00",                // partition as bytes
		"0805" + "1107000000000000" + "00", // entryId as 64 bits
		"08051007" + "c03e05",              // topic as a number
	} {
		bin, err := hex.DecodeString(c)
		if err != nil {
			t.Fatal(err)
		}
		bad = append(bad, base64.StdEncoding.EncodeToString(bin))
	}
	for _, text := range bad {
		got, err := ParseMessageID([]byte(text))
		if !errors.Is(err, ErrMessageID) || len(err.Error()) < len(ErrMessageID.Error())+5 {
			t.Errorf("ParseMessageID(%.40q) = %+v, %v; want an explained ErrMessageID", text, got, err)
		}
	}
}

func TestMessageIDOrder(t *testing.T) {
	sorted := []MessageID{
		{LedgerID: 1, EntryID: 9, Partition: 5, BatchIndex: 5},
		{LedgerID: 2, EntryID: 0, Partition: 5, BatchIndex: 5},
		{LedgerID: 2, EntryID: 1, Partition: 1, BatchIndex: -1},
		{LedgerID: 2, EntryID: 1, Partition: 1, BatchIndex: 0, Topic: "b"},
		{LedgerID: 2, EntryID: 1, Partition: 1, BatchIndex: 1, Topic: "a"},
		{LedgerID: 2, EntryID: 1, Partition: 1, BatchIndex: 1, Topic: "b"},
		{LedgerID: 2, EntryID: 1, Partition: 0, BatchIndex: 5},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			b.BatchSize = 100
			want := 0
			if i != j {
				want = 1
				if i < j {
					want = -1
				}
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%+v against %+v: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestMessageIDAllocations(t *testing.T) {
	id := MessageID{LedgerID: 123456, EntryID: 789, Partition: 3, BatchIndex: 4, BatchSize: 5}
	onTopic := id
	onTopic.Topic = "persistent://public/default/" + strings.Repeat("t", 200)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = onTopic.AppendText(id.AppendText(buf[:0])) }); n != 0 {
		t.Errorf("AppendText: %v allocations", n)
	}
	text := id.AppendText(nil)
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseMessageID(text) }); n != 0 {
		t.Errorf("ParseMessageID: %v allocations", n)
	}
}

func FuzzParseMessageID(f *testing.F) {
	for _, c := range javaIDs {
		f.Add([]byte(c.text))
	}
	f.Add(MessageID{LedgerID: -1, EntryID: -1, Partition: -1, BatchIndex: -1, Topic: "t"}.AppendText(nil))
	f.Add([]byte("CAUQBygDKAQ="))
	f.Add([]byte("CAUQBzoECAUQBw=="))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := slices.Clone(text)
		id, err := ParseMessageID(text)
		if !slices.Equal(text, before) {
			t.Fatalf("ParseMessageID changed its input")
		}
		if err != nil {
			if !errors.Is(err, ErrMessageID) {
				t.Fatalf("ParseMessageID(%q): %v, not an ErrMessageID", text, err)
			}
			return
		}
		again, err := ParseMessageID(id.AppendText(nil))
		if err != nil || again != id {
			t.Fatalf("%q: %+v came back as %+v, %v", text, id, again, err)
		}
		if got, want := len(id.AppendBinary(nil)), id.binarySize(); got != want {
			t.Fatalf("%+v takes %d bytes, not %d", id, got, want)
		}
	})
}
