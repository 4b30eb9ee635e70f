package pulsar

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestMetadata looks at how each part of a message and of the options goes over the wire, alone and in a batch.
func TestMetadata(t *testing.T) {
	b := fakebroker.Start(t)
	created := make(chan wire.Producer, 1)
	type sentAs struct {
		send    wire.Send
		meta    wire.Metadata
		singles []wire.SingleMetadata
	}
	sends := make(chan sentAs, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Producer:
			created <- *cmd
			if err := c.Handle(cmd); err != nil {
				t.Error(err)
			}
			return fakebroker.Ignore
		case *wire.Send:
			var s sentAs
			entry := bytes.Clone(c.Entry.Metadata)
			if err := wire.ParseMetadata(entry, &s.meta); err != nil {
				t.Error(err)
			}
			rest := bytes.Clone(c.Entry.Payload)
			for range s.meta.NumMessagesInBatch {
				var m wire.SingleMetadata
				var err error
				if _, rest, err = wire.NextSingle(rest, &m); err != nil {
					t.Error(err)
				}
				s.singles = append(s.singles, m)
			}
			s.send = *cmd
			sends <- s
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	full := &Message{
		Payload: []byte("payload"), Key: "", HasKey: true, OrderingKey: []byte("order"), EventTime: time.UnixMilli(5),
		Properties: []KeyValue{{Key: "a", Value: "b"}},
	}
	schema := &wire.Schema{Name: "s", Type: 1, Data: []byte{}}
	o := ProducerOptions{Topic: topic, Name: "named", Encrypted: true, Properties: []KeyValue{{Key: "c", Value: "d"}}, InitialSequenceID: 41, HasInitialSequenceID: true,
		AccessMode: wire.AccessExclusive, Schema: schema}
	p, _ := openProducer(t, c, o)
	got := receive(t, "PRODUCER", created)
	got.RequestID, got.ProducerID = 0, 0
	if want := (wire.Producer{Topic: topic, ProducerName: "named", Encrypted: true, Metadata: o.Properties, Schema: schema, Epoch: 1, AccessMode: wire.AccessExclusive}); !reflect.DeepEqual(got, want) {
		t.Errorf("PRODUCER: %+v", got)
	}
	l := newLedger(t)
	l.sendMessage(p, "full", full)
	s := receive(t, "SEND", sends)
	if s.send.SequenceID != 42 || s.send.NumMessages != 0 || s.meta.IsBatch {
		t.Errorf("SEND: %+v", s.send)
	}
	now := uint64(time.Now().UnixMilli())
	if m := s.meta; m.PublishTime > now || m.PublishTime < now-60_000 || m.ProducerName != "named" || m.SequenceID != 42 || !m.HasPartitionKey || m.PartitionKey != "" ||
		string(m.OrderingKey) != "order" || m.EventTime != 5 || !reflect.DeepEqual(m.Properties, full.Properties) || m.UncompressedSize != 7 || m.NullValue || m.HasDeliverAtTime || len(m.ReplicateTo) > 0 || string(m.SchemaVersion) != "\x01" {
		t.Errorf("metadata: %+v", m)
	}
	for name, x := range map[string]struct {
		m  *Message
		ok func(m *wire.Metadata) bool
	}{
		"null":          {&Message{NullValue: true, Payload: []byte("not sent")}, func(m *wire.Metadata) bool { return m.NullValue && m.UncompressedSize == 0 }},
		"at":            {&Message{DeliverAt: time.UnixMilli(77)}, func(m *wire.Metadata) bool { return m.HasDeliverAtTime && m.DeliverAtTime == 77 }},
		"after":         {&Message{DeliverAfter: time.Second}, func(m *wire.Metadata) bool { return m.DeliverAtTime == int64(m.PublishTime)+1000 }},
		"clusters":      {&Message{ReplicateTo: []string{"x", "y"}}, func(m *wire.Metadata) bool { return reflect.DeepEqual(m.ReplicateTo, []string{"x", "y"}) }},
		"nowhere":       {&Message{DisableReplication: true}, func(m *wire.Metadata) bool { return reflect.DeepEqual(m.ReplicateTo, []string{"__local__"}) }},
		"a key's bytes": {&Message{Key: "AAE=", HasKey: true, KeyIsBytes: true}, func(m *wire.Metadata) bool { return m.PartitionKey == "AAE=" && m.PartitionKeyB64Encoded }},
	} {
		l.sendMessage(p, name, x.m)
		if s := receive(t, "SEND", sends); !x.ok(&s.meta) {
			t.Errorf("%s: %+v", name, s.meta)
		}
	}

	// In a batch. What cannot be in one comes after it, alone.
	p, _ = openProducer(t, c, ProducerOptions{Topic: topic, Batching: true, BatchDelay: time.Hour})
	if got := receive(t, "PRODUCER", created); !got.GeneratedName || got.ProducerName != "" {
		t.Errorf("PRODUCER: %+v", got)
	}
	l.sendMessage(p, "in a batch", full)
	l.sendMessage(p, "null in a batch", &Message{NullValue: true})
	l.sendMessage(p, "alone", &Message{DeliverAfter: time.Second})
	s = receive(t, "SEND", sends)
	if s.send.SequenceID != 0 || s.send.HighestSequenceID != 1 || s.send.NumMessages != 2 || s.meta.HighestSequenceID != 1 || !s.meta.IsBatch {
		t.Errorf("SEND: %+v", s.send)
	}
	if m := s.singles[0]; !m.HasPartitionKey || string(m.OrderingKey) != "order" || m.EventTime != 5 || !reflect.DeepEqual(m.Properties, full.Properties) || m.SequenceID != 0 || !m.HasSequenceID || m.PayloadSize != 7 {
		t.Errorf("in a batch: %+v", m)
	}
	if m := s.singles[1]; !m.NullValue || m.HasPartitionKey || m.SequenceID != 1 || m.PayloadSize != 0 {
		t.Errorf("null in a batch: %+v", m)
	}
	if m := s.meta; !m.HasPartitionKey || string(m.OrderingKey) != "order" {
		t.Errorf("a batch has the keys of its first message: %+v", m)
	}
	if s = receive(t, "SEND", sends); s.send.SequenceID != 2 || s.meta.IsBatch {
		t.Errorf("SEND: %+v", s.send)
	}
	// A message that is alone in its batch is sent as if there was none.
	l.sendMessage(p, "the only one", &Message{Payload: []byte("x"), Key: "k", HasKey: true})
	p.Close(nil)
	if s = receive(t, "SEND", sends); s.meta.IsBatch || s.meta.PartitionKey != "k" || s.send.SequenceID != 3 || s.send.NumMessages != 0 {
		t.Errorf("SEND: %+v", s)
	}
	l.wait()
	if id := l.ids["null in a batch"]; id.BatchIndex != 1 || id.BatchSize != 2 || id.EntryID < 0 || id.Partition != -1 {
		t.Errorf("id in a batch: %+v", id)
	}
	if id := l.ids["the only one"]; id.BatchIndex != -1 || id.BatchSize != 0 {
		t.Errorf("id of one alone: %+v", id)
	}
}

// TestCompression reads with each library what was compressed here.
func TestCompression(t *testing.T) {
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for typ, read := range map[wire.CompressionType]func(b []byte, n int) ([]byte, error){
		wire.NoCompression: func(b []byte, n int) ([]byte, error) { return b, nil },
		wire.LZ4: func(b []byte, n int) ([]byte, error) {
			out := make([]byte, n)
			m, err := lz4.UncompressBlock(b, out)
			return out[:m], err
		},
		wire.ZLIB: func(b []byte, n int) ([]byte, error) {
			r, err := zlib.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
		wire.ZSTD: func(b []byte, n int) ([]byte, error) {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
			if err != nil {
				return nil, err
			}
			defer d.Close()
			return d.DecodeAll(b, nil)
		},
		wire.SNAPPY: func(b []byte, n int) ([]byte, error) { return snappy.Decode(nil, b) },
	} {
		p := &Producer{o: ProducerOptions{Compression: typ}}
		for _, in := range [][]byte{{}, []byte("x"), noise[:14], noise[:15], noise[:16], noise[:269], noise[:270], noise[:271], noise[:524], noise[:525], noise, bytes.Repeat([]byte("again "), 1000)} {
			out := p.compress(in)
			if len(in) == 6000 && typ != wire.NoCompression && len(out) > 1000 {
				t.Errorf("%s: %d bytes of %d", typ, len(out), len(in))
			}
			if back, err := read(out, len(in)); err != nil || !bytes.Equal(back, in) {
				t.Errorf("%s: %d bytes: %v", typ, len(in), err)
			}
		}
	}
}

// TestSendTimeout gives up what is not answered in time, and takes a late answer for nothing.
func TestSendTimeout(t *testing.T) {
	b := fakebroker.Start(t)
	late := make(chan func(), 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Send); ok && s.SequenceID < 3 {
			r, _ := c.Store(s)
			late <- func() { c.Send(r) }
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, SendTimeout: 20 * time.Millisecond})
	l := newLedger(t)
	for i := range 3 {
		l.send(p, text(i))
	}
	l.wait()
	for i := range 3 {
		if err := l.err(text(i)); !errors.Is(err, ErrTimeout) {
			t.Errorf("%d: %v", i, err)
		}
	}
	for range 3 {
		receive(t, "SEND", late)()
	}
	// The next ones may be late as well on a slow machine, but their answers are theirs.
	l.send(p, "after")
	l.wait()
	if err := l.err("after"); err != nil && !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
}

// TestMemoryLimit counts the bytes of all producers.
func TestMemoryLimit(t *testing.T) {
	b := fakebroker.Start(t)
	release := make(chan struct{})
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeSend {
			<-release
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), MemoryLimit: 2500})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: true})
	q, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	l := newLedger(t)
	l.send(p, long(1, 1000))
	l.send(q, long(2, 1000))
	l.send(q, long(3, 1000))
	if err := l.err(long(3, 1000)); !errors.Is(err, ErrMemoryFull) {
		t.Error(err)
	}
	close(release)
	l.wait()
	l.send(p, long(4, 10_000)) // alone, it goes through
	l.wait()
	if err := l.err(long(4, 10_000)); err != nil {
		t.Error(err)
	}
}

// TestSequenceOfBroker goes on after what the broker has of the same name.
func TestSequenceOfBroker(t *testing.T) {
	b := fakebroker.Start(t)
	b.Deduplicate = true
	for range 2 {
		c := newClient(t, Options{ServiceURL: b.URL()})
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Name: "n"})
		l := newLedger(t)
		l.send(p, "a")
		l.send(p, "b")
		l.wait()
		c.Close()
	}
	if n := len(b.Stored(topic)); n != 4 {
		t.Errorf("%d messages are stored", n)
	}
	// One that begins anew is deduplicated, and told so.
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Name: "n", HasInitialSequenceID: true, InitialSequenceID: -1})
	l := newLedger(t)
	l.send(p, "again")
	l.wait()
	if id := l.ids["again"]; l.err("again") != nil || id.LedgerID != -1 || id.EntryID != -1 {
		t.Errorf("%+v, %v", id, l.err("again"))
	}
}
