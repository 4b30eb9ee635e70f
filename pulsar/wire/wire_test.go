package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestFrameBytes spells a frame out.
func TestFrameBytes(t *testing.T) {
	got := Append([]byte("before"), &Flow{ConsumerID: 300, MessagePermits: 1})
	want := "before" +
		"\x00\x00\x00\x0d" + // total size
		"\x00\x00\x00\x09" + // command size
		"\x08\x0b" + // type: FLOW
		"\x5a\x05" + // flow, 5 bytes
		"\x08\xac\x02" + // consumer_id 300
		"\x10\x01" // messagePermits 1
	if string(got) != want {
		t.Errorf("%s, not %s", hex.EncodeToString(got), hex.EncodeToString([]byte(want)))
	}
}

// TestLengths has commands whose length needs one byte, two and three.
func TestLengths(t *testing.T) {
	for _, n := range []int{0, 1, 119, 120, 121, 122, 127, 128, 129, 16_000, 16_383, 16_384, 16_385, 100_000} {
		in := &Error{RequestID: 7, Message: strings.Repeat("x", n)}
		b := Append(nil, in)
		f, size, err := Next(b, 1<<20)
		if err != nil || size != len(b) || f.Type != TypeError || len(f.Rest) != 0 {
			t.Fatalf("%d: %v, %d of %d bytes", n, err, size, len(b))
		}
		var out Error
		if err := Parse(f.Body, &out); err != nil || out != *in {
			t.Errorf("%d: %v, %d bytes of text", n, err, len(out.Message))
		}
	}
}

// TestEntry takes a message apart that was put together, with and without what the
// broker adds.
func TestEntry(t *testing.T) {
	m := &Metadata{ProducerName: "p", PublishTime: 5, PartitionKey: "", HasPartitionKey: true, OrderingKey: []byte{}}
	payload := []byte("payload")
	for _, broker := range []*BrokerEntryMetadata{nil, {Index: 9, HasIndex: true}} {
		b := AppendMessage(nil, &Message{ConsumerID: 4}, broker, m, payload)
		f, n, err := Next(b, len(b)-4)
		if err != nil || n != len(b) {
			t.Fatal(n, err)
		}
		e, err := ParseEntry(f.Rest)
		if err != nil || e.Check() != nil || !bytes.Equal(e.Payload, payload) {
			t.Fatal(err, e.Check(), e.Payload)
		}
		if (e.Broker != nil) != (broker != nil) {
			t.Error("broker entry metadata", e.Broker)
		}
		var back Metadata
		if err := ParseMetadata(e.Metadata, &back); err != nil {
			t.Fatal(err)
		}
		if back.Properties = nil; !reflect.DeepEqual(&back, m) {
			t.Errorf("%+v, not %+v", back, *m)
		}
		if broker != nil {
			var x BrokerEntryMetadata
			if err := ParseBrokerEntryMetadata(e.Broker, &x); err != nil || x != *broker {
				t.Error(x, err)
			}
		}
		// Any bit that changes is noticed, from the checksum on.
		at := len(b) - len(e.Payload) - len(e.Metadata) - 8
		for i := at; i < len(b); i++ {
			bad := bytes.Clone(b)
			bad[i] ^= 0x10
			f, _, _ := Next(bad, 1<<20)
			if e, err := ParseEntry(f.Rest); err == nil && !errors.Is(e.Check(), ErrChecksum) {
				t.Fatalf("byte %d: the checksum is still right", i-at)
			}
		}
	}
}

// TestNoChecksum reads an entry of a client that writes none, as the protocol allows.
func TestNoChecksum(t *testing.T) {
	e, err := ParseEntry([]byte("\x00\x00\x00\x02mmrest"))
	if err != nil || string(e.Metadata) != "mm" || string(e.Payload) != "rest" || e.Check() != nil {
		t.Error(err, e)
	}
}

// TestSendHead leaves the payload out and nothing else.
func TestSendHead(t *testing.T) {
	c, m := &Send{ProducerID: 1, SequenceID: math.MaxUint64}, &Metadata{ProducerName: "name"}
	payload := bytes.Repeat([]byte("x"), 100_000)
	whole := AppendSend([]byte("a"), c, m, payload)
	head := AppendSendHead([]byte("a"), c, m, payload)
	if !bytes.Equal(append(head, payload...), whole) {
		t.Error("head and payload are not the whole")
	}
	f, _, err := Next(whole[1:], 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ParseEntry(f.Rest); err != nil || e.Check() != nil || len(e.Payload) != len(payload) {
		t.Error(err, e.Check())
	}
}

// TestMalformed has what no broker sends.
func TestMalformed(t *testing.T) {
	good := Append(nil, &Pong{})
	for name, b := range map[string][]byte{
		"size of less than a command's size": {0, 0, 0, 3, 0, 0, 0, 0},
		"size over the limit":                {0, 0, 4, 1, 0, 0, 0, 0},
		"size with the highest bit":          {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		"command longer than its frame":      {0, 0, 0, 6, 0, 0, 0, 3, 8, 19},
		"command of 4 GB":                    {0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff, 8, 19},
		"no command":                         {0, 0, 0, 4, 0, 0, 0, 0},
		"type alone":                         {0, 0, 0, 6, 0, 0, 0, 2, 8, 19},
		"another command than its type":      {0, 0, 0, 9, 0, 0, 0, 5, 8, 18, 19<<3&0x7f | 0x80 | 2, 1, 0},
		"command twice":                      {0, 0, 0, 12, 0, 0, 0, 8, 8, 19, 0x9a, 1, 0, 0x9a, 1, 0},
		"type that is huge":                  {0, 0, 0, 11, 0, 0, 0, 7, 8, 0xff, 0xff, 0xff, 0xff, 0x7f, 1},
		"command cut short":                  append(bytes.Clone(good[:len(good)-1]), 5),
	} {
		if f, _, err := Next(b, 1024); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %+v", name, err, f)
		}
	}
	for name, b := range map[string]string{
		"empty":                    "",
		"metadata size cut short":  "\x00\x00\x00",
		"metadata of 4 GB":         "\xff\xff\xff\xffm",
		"metadata over the end":    "\x00\x00\x00\x02m",
		"checksum cut short":       "\x0e\x01\x00\x00\x00",
		"nothing after a checksum": "\x0e\x01\x00\x00\x00\x00",
		"broker's part of 4 GB":    "\x0e\x02\xff\xff\xff\xff",
		"nothing after the broker": "\x0e\x02\x00\x00\x00\x00",
	} {
		if _, err := ParseEntry([]byte(b)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string]string{
		"empty":                   "",
		"payload longer than all": "\x00\x00\x00\x02\x18\x05four",
		"negative payload":        "\x00\x00\x00\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01four",
		"no payload size":         "\x00\x00\x00\x00four",
	} {
		var m SingleMetadata
		if _, _, err := NextSingle([]byte(b), &m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var c Flow
	if err := Parse([]byte{8, 1}, &c); !errors.Is(err, ErrMalformed) || err.Error() != "CommandFlow: malformed: field 2 is missing" {
		t.Error(err)
	}
}

// TestUnusualBase reads a BaseCommand in an order in which nobody writes it, with what
// a newer broker might add.
func TestUnusualBase(t *testing.T) {
	body := []byte{8, 5, 16, 6} // FLOW
	b := []byte{0xfa, 7, 1, 'x'}
	b = append(append(append(b, 11<<3|2, 4), body...), 8, 11)
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))
	frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(b))), b...)
	f, n, err := Next(frame, 100)
	if err != nil || n != len(frame) || f.Type != TypeFlow {
		t.Fatal(f, n, err)
	}
	var c Flow
	if err := Parse(f.Body, &c); err != nil || c != (Flow{5, 6}) {
		t.Error(c, err)
	}
}

// TestDeepFirstChunk nests ids far deeper than any stack.
func TestDeepFirstChunk(t *testing.T) {
	// From the inside out, which is from the end of a buffer to its front.
	buf := make([]byte, 1<<20)
	at := len(buf)
	for n := 0; at > 100; n = len(buf) - at {
		head := []byte{8, 1, 16, 2}
		if n > 0 {
			head = binary.AppendUvarint(append(head, 7<<3|2), uint64(n))
		}
		at -= copy(buf[at-len(head):], head)
	}
	b := buf[at:]
	var c Seek
	f := fields{out: []byte{8, 1, 16, 1}}
	f.bytes(3, optional, &b)
	if err := Parse(f.out, &c); err != nil || c.MessageID.FirstChunk == nil || c.MessageID.FirstChunk.FirstChunk != nil {
		t.Error(err, c.MessageID)
	}
}

// TestReuse parses into commands that hold another already.
func TestReuse(t *testing.T) {
	var m Metadata
	full := Metadata{
		ProducerName: "p", Properties: []KeyValue{{"k", "v"}}, PartitionKey: "x", HasPartitionKey: true, IsBatch: true,
		NumMessagesInBatch: 5, NullValue: true, SchemaVersion: []byte{1}, ReplicateTo: []string{"c"}, EventTime: 4,
	}
	b := encode(&full)
	if err := ParseMetadata(b, &m); err != nil {
		t.Fatal(err)
	}
	if err := ParseMetadata(encode(&Metadata{ProducerName: "q"}), &m); err != nil {
		t.Fatal(err)
	}
	left := len(m.Properties) + len(m.ReplicateTo) + len(m.EncryptionKeys)
	if m.Properties, m.ReplicateTo, m.EncryptionKeys = nil, nil, nil; left > 0 || !reflect.DeepEqual(m, Metadata{ProducerName: "q"}) {
		t.Errorf("something is left: %+v", m)
	}
	var c Message
	one := Message{ConsumerID: 1, MessageID: MessageID{LedgerID: 1, BatchSize: 3, AckSet: []int64{1}, FirstChunk: &MessageID{}}, AckSet: []int64{3}, ConsumerEpoch: 5, HasConsumerEpoch: true}
	if err := ParseMessage(encode(&one), &c); err != nil || !reflect.DeepEqual(c, one) {
		t.Fatal(err, c)
	}
	if err := ParseMessage(encode(&Message{}), &c); err != nil {
		t.Fatal(err)
	}
	left = len(c.AckSet) + len(c.MessageID.AckSet)
	if c.AckSet, c.MessageID.AckSet = nil, nil; left > 0 || !reflect.DeepEqual(c, Message{}) {
		t.Errorf("something is left: %+v", c)
	}
}

// TestAllocations holds what comes with each message to no memory at all.
func TestAllocations(t *testing.T) {
	m := &Metadata{ProducerName: "standalone-0-17", PublishTime: 1_700_000_000_000, IsBatch: true, NumMessagesInBatch: 1}
	payload := make([]byte, 100)
	id := MessageID{LedgerID: 70_000, EntryID: 300}
	ids := make([]MessageID, 50)
	ids[0].AckSet = []int64{1, 2, 3}
	batch := AppendSingle(nil, &SingleMetadata{}, payload)
	message := AppendMessage(nil, &Message{ConsumerID: 3, MessageID: id, AckSet: []int64{1}}, &BrokerEntryMetadata{Index: 1, HasIndex: true}, m, batch)
	receipt := AppendSendReceipt(nil, &SendReceipt{ProducerID: 5, SequenceID: 6, MessageID: id, HasMessageID: true})
	flow := AppendFlow(nil, &Flow{ConsumerID: 3, MessagePermits: 1000})
	ack := AppendAck(nil, &Ack{ConsumerID: 3, MessageIDs: make([]MessageID, 50)})
	send := AppendSend(nil, &Send{ProducerID: 300, SequenceID: 1 << 40}, m, payload)

	b := make([]byte, 0, 1<<16)
	var (
		gotMessage Message
		gotReceipt SendReceipt
		gotSend    Send
		gotAck     Ack
		gotFlow    Flow
		gotMeta    Metadata
		gotSingle  SingleMetadata
		gotBroker  BrokerEntryMetadata
	)
	parse := func(frame []byte) Frame {
		f, _, err := Next(frame, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	check := func(errs ...error) {
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, do := range map[string]func(){
		"write SEND":         func() { AppendSend(b, &Send{ProducerID: 300, SequenceID: 1 << 40}, m, payload) },
		"write SEND_RECEIPT": func() { AppendSendReceipt(b, &SendReceipt{MessageID: id, HasMessageID: true}) },
		"write MESSAGE":      func() { AppendMessage(b, &Message{ConsumerID: 3, MessageID: id}, nil, m, batch) },
		"write ACK":          func() { AppendAck(b, &Ack{ConsumerID: 3, MessageIDs: ids}) },
		"write FLOW":         func() { AppendFlow(b, &Flow{ConsumerID: 3, MessagePermits: 1000}) },
		"write in a batch":   func() { AppendSingle(b, &SingleMetadata{PartitionKey: "key", HasPartitionKey: true}, payload) },
		"read SEND":          func() { check(ParseSend(parse(send).Body, &gotSend)) },
		"read SEND_RECEIPT":  func() { check(ParseSendReceipt(parse(receipt).Body, &gotReceipt)) },
		"read ACK":           func() { check(ParseAck(parse(ack).Body, &gotAck)) },
		"read FLOW":          func() { check(ParseFlow(parse(flow).Body, &gotFlow)) },
		"read MESSAGE": func() {
			f := parse(message)
			e, err := ParseEntry(f.Rest)
			check(err, e.Check(), ParseMessage(f.Body, &gotMessage), ParseMetadata(e.Metadata, &gotMeta), ParseBrokerEntryMetadata(e.Broker, &gotBroker))
			_, _, err = NextSingle(e.Payload, &gotSingle)
			check(err)
		},
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkWriteSend(b *testing.B) {
	m := &Metadata{ProducerName: "standalone-0-17", PublishTime: 1_700_000_000_000, UncompressedSize: 100}
	payload, out := make([]byte, 100), make([]byte, 0, 1<<10)
	for b.Loop() {
		AppendSend(out, &Send{ProducerID: 300, SequenceID: 1 << 40}, m, payload)
	}
}

func BenchmarkWriteInBatch(b *testing.B) {
	payload, out := make([]byte, 100), make([]byte, 0, 1<<10)
	for b.Loop() {
		AppendSingle(out, &SingleMetadata{SequenceID: 1 << 20, HasSequenceID: true}, payload)
	}
}

func BenchmarkReadMessage(b *testing.B) {
	m := &Metadata{ProducerName: "standalone-0-17", PublishTime: 1_700_000_000_000, UncompressedSize: 100}
	frame := AppendMessage(nil, &Message{ConsumerID: 3, MessageID: MessageID{LedgerID: 70_000, EntryID: 300}}, nil, m, make([]byte, 100))
	var c Message
	var meta Metadata
	for b.Loop() {
		f, _, _ := Next(frame, 1<<20)
		e, _ := ParseEntry(f.Rest)
		if e.Check() != nil || ParseMessage(f.Body, &c) != nil || ParseMetadata(e.Metadata, &meta) != nil {
			b.Fatal("malformed")
		}
	}
}

func BenchmarkReadReceipt(b *testing.B) {
	frame := AppendSendReceipt(nil, &SendReceipt{ProducerID: 5, SequenceID: 600, MessageID: MessageID{LedgerID: 70_000, EntryID: 300}, HasMessageID: true})
	var c SendReceipt
	for b.Loop() {
		f, _, _ := Next(frame, 1<<20)
		if ParseSendReceipt(f.Body, &c) != nil {
			b.Fatal("malformed")
		}
	}
}
