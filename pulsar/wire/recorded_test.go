package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// recordedFile holds frames that pulsar-client-go 0.19, Pulsar's Java client 4.0.7 and a
// broker 4.0.7 sent each other, one a line: who wrote it, and its bytes in hexadecimal.
// TestRecord made it, with -update: it keeps the first frame of each kind.
const recordedFile = "testdata/frames.txt"

// recorded is a frame and who wrote it: "go", "java", or "broker to go", "broker to java".
type recorded struct {
	from  string
	frame []byte
}

func readRecorded(t *testing.T) (list []recorded) {
	file, err := os.Open(recordedFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		from, text, _ := strings.Cut(lines.Text(), ": ")
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, recorded{from, b})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRecorded reads what real clients and a real broker wrote, and writes it again.
func TestRecorded(t *testing.T) {
	seen := map[Type]bool{}
	for _, r := range readRecorded(t) {
		checkRecorded(t, r)
		f, _, _ := Next(r.frame, 1<<30)
		seen[f.Type] = true
	}
	for typ := range commands {
		switch typ {
		case TypeAuthChallenge, TypeAuthResponse, TypeError, TypeTopicMigrated, TypeSendError, TypeReachedEndOfTopic,
			TypePing, TypePong, TypeUnsubscribe, TypeAckResponse, TypeWatchTopicUpdate:
			// need what the recording has not: a login, a second cluster, a fault, time
		default:
			if !seen[typ] {
				t.Errorf("no %s was recorded", typ)
			}
		}
	}
}

// checkRecorded compares what this package reads in a frame with what protobuf does, and
// what it then writes with what was there.
func checkRecorded(t *testing.T, r recorded) {
	t.Helper()
	f, n, err := Next(r.frame, len(r.frame))
	if err != nil || n != len(r.frame) {
		t.Fatalf("%s wrote %x: %d bytes, %v", r.from, r.frame, n, err)
	}
	c := New(f.Type)
	if c == nil {
		t.Fatalf("%s wrote a %s", r.from, f.Type)
	}
	if err := Parse(f.Body, c); err != nil {
		t.Fatalf("%s wrote %x: %v", r.from, f.Body, err)
	}
	equal(t, c.Name(), f.Body, encode(c))
	if len(f.Rest) == 0 {
		return
	}
	e, err := ParseEntry(f.Rest)
	if err != nil || e.Check() != nil {
		t.Fatalf("%s wrote %x: %v, %v", r.from, f.Rest, err, e.Check())
	}
	var broker *BrokerEntryMetadata
	if e.Broker != nil {
		broker = new(BrokerEntryMetadata)
		if err := ParseBrokerEntryMetadata(e.Broker, broker); err != nil {
			t.Fatal(err)
		}
		equal(t, "BrokerEntryMetadata", e.Broker, encode(broker))
	}
	var m Metadata
	if err := ParseMetadata(e.Metadata, &m); err != nil {
		t.Fatal(err)
	}
	equal(t, "MessageMetadata", e.Metadata, encode(&m))
	if m.IsBatch && m.Compression == NoCompression {
		checkBatch(t, m.NumMessagesInBatch, e.Payload)
	}
	again, b := []byte(nil), e.Payload
	switch c := c.(type) {
	case *Send:
		again = AppendSend(nil, c, &m, b)
	case *Message:
		again = AppendMessage(nil, c, broker, &m, b)
	}
	g, _, err := Next(again, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := ParseEntry(g.Rest); err != nil || x.Check() != nil || !bytes.Equal(x.Payload, e.Payload) {
		t.Fatalf("written again: %v, %v", err, x.Check())
	}
}

func checkBatch(t *testing.T, n int32, b []byte) {
	t.Helper()
	for range n {
		var m SingleMetadata
		payload, after, err := NextSingle(b, &m)
		if err != nil {
			t.Fatal(err)
		}
		part, _, _ := sized(b, "")
		equal(t, "SingleMessageMetadata", part, encode(&m))
		again, _, err := NextSingle(AppendSingle(nil, &m, payload), new(SingleMetadata))
		if err != nil || !bytes.Equal(again, payload) {
			t.Errorf("written again: %x, not %x: %v", again, payload, err)
		}
		b = after
	}
	if len(b) > 0 {
		t.Errorf("%d bytes after a batch of %d", len(b), n)
	}
}

// equal reports when two encodings of the message called name differ in meaning.
func equal(t *testing.T, name string, a, b []byte) {
	t.Helper()
	x, y := reference(t, name), reference(t, name)
	if err := proto.Unmarshal(a, x.Interface()); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, y.Interface()); err != nil {
		t.Fatal(err)
	}
	if n := unknown(x); n > 0 {
		t.Errorf("%s has %d bytes of fields that are not known: %x", name, n, a)
	}
	if err := same(x, y); err != nil {
		t.Errorf("%s: %v\n%x\n%x", name, err, a, b)
	}
}

// unknown counts the bytes of what is not known in a message and those inside it.
func unknown(m protoreflect.Message) (n int) {
	n = len(m.GetUnknown())
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Kind() != protoreflect.MessageKind:
		case fd.IsList():
			for i := range v.List().Len() {
				n += unknown(v.List().Get(i).Message())
			}
		default:
			n += unknown(v.Message())
		}
		return true
	})
	return n
}
