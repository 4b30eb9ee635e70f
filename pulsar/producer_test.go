package pulsar

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
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

// TestRefusedMessage has a broker that refuses single messages for what they are: they and nobody else are answered so.
// What it refuses for now is sent again.
func TestRefusedMessage(t *testing.T) {
	for _, batching := range []bool{false, true} {
		b := fakebroker.Start(t)
		var moving uint64 // the producer that is refused for now
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			s, ok := cmd.(*wire.Send)
			if !ok || c.Topics[s.ProducerID] != topic {
				return fakebroker.Handle
			}
			// Brokers name the last one of a batch.
			e := &wire.SendError{ProducerID: s.ProducerID, SequenceID: max(s.SequenceID, s.HighestSequenceID), Error: wire.ChecksumError, Message: "no"}
			switch {
			case s.SequenceID == 3:
				c.Send(e)
				return fakebroker.Ignore
			case s.SequenceID >= 6 && (moving == 0 || moving == s.ProducerID):
				e.Error = wire.PersistenceError
				c.Send(e)
				moving = s.ProducerID
				return fakebroker.Ignore
			}
			return fakebroker.Handle
		}
		c := newClient(t, Options{ServiceURL: b.URL()})
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: batching, BatchMessages: 3})
		other, _ := openProducer(t, c, ProducerOptions{Topic: topic + "-other"})
		l := newLedger(t)
		for i := range 12 {
			l.send(p, text(i))
		}
		l.send(other, "other")
		l.wait()
		for i := range 12 {
			refused := i == 3 || batching && i >= 3 && i <= 5
			var e *Error
			if err := l.err(text(i)); errors.As(err, &e) != refused || refused && e.Code != wire.ChecksumError {
				t.Errorf("batching %t, %d: %v", batching, i, err)
			}
		}
		l.check(append(b.Stored(topic), b.Stored(topic+"-other")...), true)
		if len(b.Conns()) != 1 {
			t.Error("the connection was lost")
		}
	}
}

// TestFencing ends a producer for good, at a message and at a reconnect.
func TestFencing(t *testing.T) {
	for _, at := range []wire.Type{wire.TypeSend, wire.TypeProducer} {
		for _, code := range []wire.ServerError{wire.ProducerFenced, wire.TopicTerminatedError, wire.TopicNotFound} {
			b := fakebroker.Start(t)
			first := true
			b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
				switch cmd := cmd.(type) {
				case *wire.Producer:
					if !first {
						c.Send(&wire.Error{RequestID: cmd.RequestID, Error: code})
						return fakebroker.Ignore
					}
					first = false
				case *wire.Send:
					if at == wire.TypeProducer {
						return closeProducer(c, cmd.ProducerID)
					}
					c.Send(&wire.SendError{ProducerID: cmd.ProducerID, SequenceID: cmd.SequenceID, Error: code})
					return fakebroker.Ignore
				}
				return fakebroker.Handle
			}
			c := newClient(t, Options{ServiceURL: b.URL()})
			p, w := openProducer(t, c, ProducerOptions{Topic: topic})
			l := newLedger(t)
			for i := range 5 {
				l.send(p, text(i))
			}
			var e *Error
			if err := receive(t, "the end", w.ended); !errors.As(err, &e) || e.Code != code {
				t.Errorf("%s, %s: ended by %v", at, code, err)
			}
			l.send(p, "later")
			l.wait()
			for text, err := range l.errs {
				if !errors.As(err, &e) || e.Code != code {
					t.Errorf("%s: %v", text, err)
				}
			}
			if len(l.errs) != 6 {
				t.Errorf("%d errors", len(l.errs))
			}
		}
	}
}

// TestRefusedProducer is told at once what does not pass by itself.
func TestRefusedProducer(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if p, ok := cmd.(*wire.Producer); ok {
			c.Send(&wire.Error{RequestID: p.RequestID, Error: wire.ProducerBusy, Message: "taken"})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	var e *Error
	if err := opening(t, c); !errors.As(err, &e) || e.Code != wire.ProducerBusy {
		t.Error(err)
	}
	w := newWatcher()
	c.NewProducer(ProducerOptions{Topic: topic, AccessMode: wire.AccessWaitForExclusive}, producerOwner{w})
	if err := receive(t, "an answer", w.opened); err == nil {
		t.Error("WaitForExclusive is accepted")
	}
	c.Close()
	if err := opening(t, c); !errors.Is(err, ErrClosed) {
		t.Error(err)
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

// TestClientClose answers what is unanswered.
func TestClientClose(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeSend {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	l := newLedger(t)
	var ended []*watcher
	for _, batching := range []bool{false, true} {
		p, w := openProducer(t, c, ProducerOptions{Topic: topic, Batching: batching, BatchDelay: time.Hour})
		ended = append(ended, w)
		l.send(p, text(len(ended)))
	}
	c.Close()
	l.wait()
	for text, err := range l.errs {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, w := range ended {
		if err := receive(t, "the end", w.ended); len(l.errs) != 2 || !errors.Is(err, ErrClosed) {
			t.Error(err, l.errs)
		}
	}
}

// TestMigration goes to the other cluster when the broker says so.
func TestMigration(t *testing.T) {
	blue, green := fakebroker.Start(t), fakebroker.Start(t)
	blue.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Send); ok && s.SequenceID == 2 {
			c.Send(&wire.TopicMigrated{ResourceID: s.ProducerID, BrokerServiceURL: green.URL()})
			c.Deaf = true
			return closeProducer(c, s.ProducerID)
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: blue.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	l := newLedger(t)
	for i := range 6 {
		l.send(p, text(i))
	}
	l.wait()
	l.check(append(blue.Stored(topic), green.Stored(topic)...), true)
	if len(blue.Stored(topic)) != 2 || len(green.Stored(topic)) != 4 {
		t.Errorf("%d and %d are stored", len(blue.Stored(topic)), len(green.Stored(topic)))
	}
}

// TestAssignedBroker goes to the broker that CLOSE_PRODUCER names, without asking.
func TestAssignedBroker(t *testing.T) {
	old, assigned := fakebroker.Start(t), fakebroker.Start(t)
	var lookups atomic.Int32
	old.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Lookup:
			lookups.Add(1)
		case *wire.Send:
			c.Deaf = true
			c.Send(&wire.CloseProducer{ProducerID: cmd.ProducerID, AssignedBrokerServiceURL: assigned.URL()})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	// The wait before another attempt would be longer than the test's patience.
	c := newClient(t, Options{ServiceURL: old.URL(), MinBackoff: time.Hour, MaxBackoff: time.Hour})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	l := newLedger(t)
	l.send(p, "moved")
	l.wait()
	l.check(assigned.Stored(topic), true)
	if n := lookups.Load(); n != 1 {
		t.Errorf("%d lookups", n)
	}
}

// TestPartitions publishes to all partitions, by key and without, and to those that are added.
func TestPartitions(t *testing.T) {
	b := fakebroker.Start(t)
	b.Partitions = 4
	c := newClient(t, Options{ServiceURL: b.URL(), ConnectionsPerBroker: 2})
	p := openPublisher(t, c, ProducerOptions{Topic: topic}, Routing{RoundRobin: true})
	l := newLedger(t)
	for i := range 40 {
		l.send(p, text(i))
	}
	for i, key := range []string{"", "a", "ä€😀", "a"} {
		l.sendMessage(p, key+text(40+i), &Message{Payload: []byte(key), Key: key, HasKey: true})
	}
	l.wait()
	part := func(i int) string { return topic + "-partition-" + string(rune('0'+i)) }
	keys := map[string]int{}
	for i := range 4 {
		stored := b.Stored(part(i))
		plain := 0
		for _, m := range stored {
			if strings.HasPrefix(m.Payload, "message") {
				plain++
			} else if at, ok := keys[m.Payload]; ok && at != i {
				t.Errorf("key %q is in two partitions", m.Payload)
			} else {
				keys[m.Payload] = i
			}
		}
		if plain != 10 {
			t.Errorf("partition %d has %d", i, plain)
		}
	}
	// What Java's hashCode gives, without its sign: 0, 97 and 7337892 (see TestJavaStringHash).
	if keys[""] != 0 || keys["a"] != 97%4 {
		t.Errorf("partitions of keys: %v", keys)
	}
	for text, id := range l.ids {
		if id.Partition < 0 || id.Partition > 3 {
			t.Errorf("%s: %+v", text, id)
		}
	}
	if n := len(b.Conns()); n != 2 {
		t.Errorf("%d connections", n)
	}
	b.Partitions = 6
	p.(*partitioned).discover()
	more := 0
	for deadline := time.Now().Add(patience); len(b.Stored(part(5))) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is published to what was added")
		}
		l.send(p, text(1000+more))
		more++
		l.wait()
	}
	closed := make(chan struct{})
	p.Close(func() { close(closed) })
	receive(t, "the end", closed)
}

// TestPartitionsRefused has one partition that is refused: the others are closed.
func TestPartitionsRefused(t *testing.T) {
	b := fakebroker.Start(t)
	b.Partitions = 3
	closed := make(chan struct{}, 10)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Producer:
			if strings.HasSuffix(cmd.Topic, "-1") {
				c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.AuthorizationError})
				return fakebroker.Ignore
			}
		case *wire.CloseProducer:
			closed <- struct{}{}
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	w := newWatcher()
	c.OpenPublisher(ProducerOptions{Topic: topic}, Routing{}, w)
	var e *Error
	if err := receive(t, "an answer", w.opened); !errors.As(err, &e) || e.Code != wire.AuthorizationError || w.pub != nil {
		t.Error(err)
	}
	for range 3 { // the one that was refused is let go, too
		receive(t, "CLOSE_PRODUCER", closed)
	}
}

// TestJavaStringHash compares with what Java gives.
func TestJavaStringHash(t *testing.T) {
	for s, want := range map[string]uint32{"": 0, "a": 97, "hello": 99162322, "polygenelubricants": 0, "ä€😀": 0x7fffffff & javaHash("ä€😀")} {
		if got := javaStringHash(s); got != want {
			t.Errorf("%q: %d, not %d", s, got, want)
		}
	}
}

// javaHash is String.hashCode as the Java documentation has it, for UTF-16 units written out by hand.
func javaHash(s string) (h uint32) {
	units := map[string][]uint32{"ä€😀": {0xe4, 0x20ac, 0xd83d, 0xde00}}
	for _, u := range units[s] {
		h = 31*h + u
	}
	return h
}

// TestRouting picks as the Java client does.
func TestRouting(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	one := newRouter(Routing{}, &ProducerOptions{})
	same := one.pick(&Message{}, 7, now)
	for range 20 {
		if got := one.pick(&Message{}, 7, now); got != same {
			t.Fatalf("%d, then %d", same, got)
		}
	}
	if got := newRouter(Routing{Murmur3: true}, &ProducerOptions{}).pick(&Message{Key: "hello", HasKey: true}, 1<<30, now); got != 0x248bfa47%(1<<30) {
		t.Errorf("murmur3: %x", got)
	}
	// In batches, a partition is kept for ten times the delay.
	batches := newRouter(Routing{RoundRobin: true}, &ProducerOptions{Batching: true, BatchDelay: 5 * time.Millisecond})
	first := batches.pick(&Message{}, 4, now)
	if got := batches.pick(&Message{}, 4, now.Add(49*time.Millisecond)); got != first {
		t.Errorf("%d, then %d within 50 ms", first, got)
	}
	if got := batches.pick(&Message{}, 4, now.Add(50*time.Millisecond)); got != (first+1)%4 {
		t.Errorf("%d, then %d after 50 ms", first, got)
	}
}

// TestOneConnection has thousands of producers share what there is: no goroutine is theirs.
func TestOneConnection(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL()})
	const n = 3000
	l := newLedger(t)
	all := make([]*watcher, n)
	for i := range all {
		all[i] = newWatcher()
		c.NewProducer(ProducerOptions{Topic: topic}, producerOwner{all[i]})
	}
	for i, w := range all {
		if err := receive(t, "a producer", w.opened); err != nil {
			t.Fatal(err)
		}
		l.send(w.pub, text(i))
	}
	l.wait()
	if len(b.Conns()) != 1 {
		t.Errorf("%d connections", len(b.Conns()))
	}
	// All of them come back after the connection is lost.
	b.Conns()[0].Close()
	for i, w := range all {
		l.send(w.pub, text(n+i))
	}
	l.wait()
	for text, err := range l.errs {
		t.Errorf("%s: %v", text, err)
	}
}
