package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// FuzzMessage compares what is made of any bytes with what protobuf makes of them.
func FuzzMessage(f *testing.F) {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range all() {
			if !yield(name) {
				return
			}
		}
	})
	for i, name := range names {
		for seed := range uint64(3) {
			m := reference(f, name)
			fill(rand.New(rand.NewPCG(3, seed)), m, 0)
			b, err := proto.Marshal(m.Interface())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		name := names[int(which)%len(names)]
		ours := all()[name]()
		err := decode(b, ours, name)
		theirs := reference(t, name)
		theirErr := proto.Unmarshal(b, theirs.Interface())
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("an error of no kind: %v", err)
		}
		switch {
		case err == nil && theirErr != nil:
			// What is in the first chunk of a first chunk is not looked at.
			if !bytes.Contains(b, []byte{7<<3 | 2}) {
				t.Fatalf("%s: protobuf says %v", name, theirErr)
			}
		case err != nil && theirErr == nil:
			// Protobuf puts a message together that comes in pieces; nobody writes them so.
			if !strings.Contains(err.Error(), "is missing") {
				t.Fatalf("%s: protobuf has no error, not %v", name, err)
			}
		case err == nil:
			back := reference(t, name)
			if err := proto.Unmarshal(encode(ours), back.Interface()); err != nil {
				t.Fatal(err)
			}
			if err := same(theirs, back); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzFrames takes a stream apart as a connection does: nothing panics, every step goes
// forward, and what is yielded is what was there.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	for _, b := range sampleFrames() {
		f.Add(b)
	}
	var m Metadata
	var single SingleMetadata
	var broker BrokerEntryMetadata
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		for {
			frame, n, err := Next(b, limit)
			if err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatal(err)
				}
				return
			}
			if n < 4 || n > 4+limit {
				t.Fatalf("a frame of %d bytes", n)
			}
			if n > len(b) {
				return
			}
			if n != 4+int(binary.BigEndian.Uint32(b)) {
				t.Fatalf("%d bytes of a frame of %d", n, binary.BigEndian.Uint32(b))
			}
			if c := New(frame.Type); c != nil {
				if err := Parse(frame.Body, c); err == nil {
					again, _, err := Next(Append(nil, c), limit+FramePadding)
					if err != nil || again.Type != frame.Type {
						t.Fatalf("%v written again: %v", frame.Type, err)
					}
				}
			}
			if e, err := ParseEntry(frame.Rest); err == nil {
				if err := e.Check(); err != nil && !errors.Is(err, ErrChecksum) {
					t.Fatal(err)
				}
				if e.Broker != nil {
					_ = ParseBrokerEntryMetadata(e.Broker, &broker)
				}
				if ParseMetadata(e.Metadata, &m) == nil {
					rest := e.Payload
					for len(rest) > 0 {
						payload, after, err := NextSingle(rest, &single)
						if err != nil {
							break
						}
						if len(after)+len(payload)+4 > len(rest) {
							t.Fatal("a batch grows")
						}
						rest = after
					}
				}
			}
			b = b[n:]
		}
	})
}

// sampleFrames are frames with an entry, and one of each command.
func sampleFrames() [][]byte {
	m := &Metadata{ProducerName: "p", SequenceID: 1, PublishTime: 1_700_000_000_000, Properties: []KeyValue{{"a", "b"}}, IsBatch: true, NumMessagesInBatch: 2}
	batch := AppendSingle(nil, &SingleMetadata{PartitionKey: "k", HasPartitionKey: true}, []byte("one"))
	batch = AppendSingle(batch, &SingleMetadata{NullValue: true}, nil)
	list := [][]byte{
		AppendSend(nil, &Send{ProducerID: 1, SequenceID: 2, NumMessages: 2}, m, batch),
		AppendMessage(nil, &Message{ConsumerID: 1, AckSet: []int64{-1}}, &BrokerEntryMetadata{Index: 7, HasIndex: true}, m, batch),
		AppendMessage(nil, &Message{ConsumerID: 1}, nil, &Metadata{}, nil),
	}
	for t := range Type(100) {
		if c := New(t); c != nil {
			list = append(list, Append(nil, c))
		}
	}
	return list
}
