package pulsar

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// entryOf is the entry in a MESSAGE frame.
func entryOf(m *wire.Metadata, payload []byte) []byte {
	frame := wire.AppendMessage(nil, &wire.Message{}, nil, m, payload)
	f, _, err := wire.Next(frame, 100<<20)
	if err != nil {
		panic(err)
	}
	return f.Rest
}

// TestDecompress reads what was compressed here, and refuses what is longer or shorter than it says, or claims to be far more than it can
// hold.
func TestDecompress(t *testing.T) {
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, in := range [][]byte{{}, []byte("x"), noise, bytes.Repeat([]byte("again "), 100_000)} {
		for typ := wire.NoCompression; typ <= wire.SNAPPY; typ++ {
			p := &Producer{o: ProducerOptions{Compression: typ}}
			b := p.compress(in)
			for _, to := range [][]byte{nil, make([]byte, 0, 100_000)} {
				if out, err := decompress(typ, to, b, len(in)); err != nil || !bytes.Equal(out, in) {
					t.Errorf("%s, %d bytes: %d, %v", typ, len(in), len(out), err)
				}
				for _, size := range []int{len(in) + 1, len(in) - 1, 64 << 20} {
					if size < 0 || size == len(in) || typ == wire.LZ4 && (len(in) == 0 || size == 0) {
						continue
					}
					if out, err := decompress(typ, to, b, size); err == nil {
						t.Errorf("%s, %d bytes for %d: %d", typ, len(in), size, len(out))
					}
				}
			}
			if len(in) > 0 && typ != wire.NoCompression {
				if _, err := decompress(typ, nil, b[:len(b)/2], len(in)); err == nil {
					t.Errorf("%s: half of it is enough", typ)
				}
			}
		}
	}
	if _, err := decompress(9, nil, nil, 0); err == nil {
		t.Error("an unknown compression")
	}
}

// TestTooLarge discards a message that would be larger than the owner allows, whole or in chunks.
func TestTooLarge(t *testing.T) {
	b := fakebroker.Start(t)
	p := &Producer{o: ProducerOptions{Compression: wire.ZSTD}}
	b.Publish(topic, wire.Metadata{Compression: wire.ZSTD, UncompressedSize: 1 << 20}, p.compress(make([]byte, 1<<20)))
	b.Publish(topic, wire.Metadata{UUID: "u", NumChunksFromMsg: 2, TotalChunkMsgSize: 1 << 20}, []byte("chunk"))
	publishText(b, topic, "last")
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := earliest(wire.Shared)
	o.MaxMessageSize = 100_000
	in := newInbox(t)
	x := openConsumer(t, c, topic, o, in)
	if got := in.awaitAll("last"); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
	closeConsumer(t, x)
	if left := b.Unacked(topic, "s"); len(left) > 0 {
		t.Errorf("%d stay", left)
	}
}

// TestHeldCopies holds messages for want of permits, and changes nothing of them meanwhile. A large window in messages is a small one in bytes.
func TestHeldCopies(t *testing.T) {
	b := fakebroker.Start(t)
	var flows atomic.Int32
	pongs := make(chan struct{}, 1)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd.Type() {
		case wire.TypeFlow:
			flows.Add(1)
		case wire.TypePong:
			pongs <- struct{}{}
		}
		return fakebroker.Handle
	}
	p := &Producer{o: ProducerOptions{Compression: wire.LZ4}}
	var want []string
	for i := range 40 {
		var batch []byte
		for j := range 3 {
			noise := make([]byte, 10_000) // it is not made smaller
			for k := range noise {
				noise[k] = byte(rand.Uint32())
			}
			s := text(3*i+j) + string(noise)
			want = append(want, s)
			batch = wire.AppendSingle(batch, &wire.SingleMetadata{}, []byte(s))
		}
		b.Publish(topic, wire.Metadata{NumMessagesInBatch: 3, IsBatch: true, Compression: wire.LZ4, UncompressedSize: uint32(len(batch))}, p.compress(batch))
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := earliest(wire.Shared)
	o.WindowBytes = 100_000
	in := newInbox(t)
	x := openWithout(t, c, topic, o, in)
	in.permits.Permit(1)
	in.awaitAll(want[0])
	for sent := int32(-1); sent != flows.Load(); { // until nothing more is granted
		sent = flows.Load()
		b.Conns()[0].Send(&wire.Ping{})
		receive(t, "PONG", pongs)
	}
	x.mu.Lock()
	n, bytes := x.held.size()
	x.mu.Unlock()
	if bytes > 200_000 {
		t.Errorf("%d bytes of %d messages are held", bytes, n)
	}
	in.permits.Permit(1000)
	if got := in.awaitAll(want...); !slices.Equal(got, want) {
		t.Error("not what was sent")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held != nil {
		t.Errorf("%+v", x.held)
	}
}

// chunk publishes a chunk of a message.
func chunk(b *fakebroker.Broker, uuid string, id, of int32, total int, part string) {
	b.Publish(topic, wire.Metadata{UUID: uuid, NumChunksFromMsg: of, TotalChunkMsgSize: int32(total), ChunkID: id, UncompressedSize: uint32(total)}, []byte(part))
}

// TestChunks puts messages together, also when they come between each other, come again from the middle of one on, and are never whole. All their entries are
// acknowledged.
func TestChunks(t *testing.T) {
	for name, o := range map[string]*ConsumerOptions{
		"exclusive": {Type: wire.Exclusive, InitialPosition: wire.Earliest, Window: 3},
		"reader":    {Type: wire.Exclusive, NonDurable: true, InitialPosition: wire.Earliest, Window: 3, AckDelivered: true},
	} {
		b := fakebroker.Start(t)
		c := newClient(t, Options{ServiceURL: b.URL()})
		in := newInbox(t)
		in.ack = !o.NonDurable
		x := openConsumer(t, c, topic, o, in)
		chunk(b, "z", 1, 2, 4, "of no use") // without the first
		chunk(b, "a", 0, 3, 6, "aa")
		publishText(b, topic, "between")
		chunk(b, "b", 0, 2, 4, "bb")
		in.awaitAll("between")
		eventually(t, "two messages that begin", func() bool {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.parts != nil && len(x.parts.list) == 2
		})
		for _, k := range b.Conns() {
			k.Close()
		}
		chunk(b, "a", 1, 3, 6, "AA")
		chunk(b, "b", 1, 2, 4, "BB")
		chunk(b, "a", 2, 3, 6, "aa")
		publishText(b, topic, "after")
		got := in.awaitAll("bbBB", "aaAAaa", "after")
		if want := []string{"between", "bbBB", "aaAAaa", "after"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if n := c.DroppedChunked(); n == 0 {
			t.Error("nothing was dropped")
		}
		if in.ack {
			closeConsumer(t, x)
			if left := b.Unacked(topic, "s"); !slices.Equal(left, []uint64{0}) {
				t.Errorf("%s: %d are not acknowledged", name, left)
			}
		}
	}
}

// TestSingleChunks begins at the last chunk of a compressed message, and has its metadata.
func TestSingleChunks(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL()})
	for i := range int32(2) {
		b.Publish(topic, wire.Metadata{UUID: "a", NumChunksFromMsg: 2, TotalChunkMsgSize: 4, ChunkID: i, UncompressedSize: 10, Compression: wire.ZLIB,
			PublishTime: 1000 + uint64(i)}, []byte("cc"))
	}
	publishText(b, topic, "behind")
	in := newInbox(t)
	in.ack = false
	openConsumer(t, c, topic, &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, Start: &MessageID{LedgerID: 1, EntryID: 1, BatchIndex: -1}, StartInclusive: true,
		SingleChunks: true}, in)
	if got := in.awaitAll("cc", "behind"); !slices.Equal(got, []string{"cc", "behind"}) {
		t.Errorf("%q", got)
	}
}

// TestChunksAreBounded drops what is too much, and too late.
func TestChunksAreBounded(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := earliest(wire.Exclusive)
	o.MaxChunked, o.ChunkTimeout = 2, 50*time.Millisecond
	in := newInbox(t)
	x := openConsumer(t, c, topic, o, in)
	for _, uuid := range []string{"a", "b", "c"} {
		chunk(b, uuid, 0, 2, 4, uuid)
	}
	eventually(t, "the end of all three", func() bool { return c.DroppedChunked() == 3 })
	chunk(b, "d", 0, 2, 4, "dd")
	chunk(b, "d", 1, 2, 4, "dddd") // more than it says
	publishText(b, topic, "last")
	if got := in.awaitAll("last"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.parts.list) != 0 {
		t.Errorf("%d are kept", len(x.parts.list))
	}
}

// FuzzUnpack takes entries apart and compares with a simple way to do it. Nothing makes it panic, loop or count below zero.
func FuzzUnpack(f *testing.F) {
	batch := wire.AppendSingle(wire.AppendSingle(nil, &wire.SingleMetadata{}, []byte("a")), &wire.SingleMetadata{CompactedOut: true}, []byte("b"))
	f.Add(entryOf(&wire.Metadata{NumMessagesInBatch: 2, IsBatch: true}, batch), uint64(1), int32(2))
	f.Add(entryOf(&wire.Metadata{}, []byte("alone")), uint64(0), int32(1))
	f.Add(entryOf(&wire.Metadata{NumMessagesInBatch: 1 << 30, IsBatch: true}, batch), ^uint64(0), int32(7))
	f.Add(entryOf(&wire.Metadata{NumMessagesInBatch: -5, IsBatch: true}, batch), uint64(6), int32(-1))
	f.Fuzz(func(t *testing.T, entry []byte, left uint64, _ int32) {
		var u unpacker
		cmd := &wire.Message{}
		if left != 0 {
			cmd.AckSet = []int64{int64(left)}
		}
		n, err := u.take(cmd, entry)
		if n < 0 {
			t.Fatalf("a charge of %d", n)
		}
		if err != nil {
			return
		}
		k := u.keep()
		var got, kept []string
		for _, x := range []*unpacker{&u, k} {
			list := &got
			if x == k {
				list = &kept
			}
			for {
				m, _, err := x.next()
				if m == nil || err != nil {
					break
				}
				*list = append(*list, string(m.Payload))
			}
		}
		if !slices.Equal(got, kept) {
			t.Fatalf("%q, kept %q", got, kept)
		}
		// The simple way.
		e, _ := wire.ParseEntry(entry)
		var m wire.Metadata
		_ = wire.ParseMetadata(e.Metadata, &m)
		want := []string(nil)
		if !m.IsBatch {
			want = []string{string(e.Payload)}
		}
		rest := e.Payload
		for i := 0; m.IsBatch && i < int(max(1, m.NumMessagesInBatch)); i++ {
			var s wire.SingleMetadata
			payload, after, err := wire.NextSingle(rest, &s)
			if err != nil {
				break
			}
			if rest = after; left == 0 || i < 64 && left>>i&1 == 1 {
				want = append(want, string(payload))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, not %q", got, want)
		}
	})
}

// FuzzBatchAcks acknowledges messages of batches in any order, as deliveries of them come and connections are lost, and compares with
// sets.
func FuzzBatchAcks(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte("acknowledge in any order you like, and more than once"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		const size = 70
		var q batchAcks
		acked := map[entryKey]map[int32]bool{}
		for i := 0; i+1 < len(steps); i += 2 {
			at := entryKey{1, uint64(steps[i] >> 6)}
			if acked[at] == nil {
				acked[at] = map[int32]bool{}
			}
			set := acked[at]
			switch index := int32(steps[i+1]) % (size + 5); steps[i] & 3 {
			case 0, 1:
				if len(set) == size {
					continue
				}
				known := int32(size)
				if steps[i]&1 == 1 {
					known = 0
				}
				b, news, complete := q.acknowledge(at, index, known)
				if index < size {
					if news == set[index] {
						t.Fatalf("message %d: new: %t", index, news)
					}
					set[index] = true
				} else if b.size == 0 {
					q.forget(b) // it claimed what there is not; sizes tell later
					delete(acked, at)
					continue
				}
				if complete != (len(set) == size && b.size > 0) {
					t.Fatalf("complete: %t with %d", complete, len(set))
				}
			case 2:
				if len(set) == size {
					continue
				}
				b, all := q.came(at, size, nil)
				if b == nil {
					if len(set) > 0 {
						t.Fatalf("%d are forgotten", len(set))
					}
					continue
				}
				ones := 0
				for _, w := range b.ackSet() {
					ones += bits.OnesCount64(uint64(w))
				}
				if ones != size-len(set) || all != (ones == 0) {
					t.Fatalf("%d are left, not %d", ones, size-len(set))
				}
			case 3:
				q.parted()
			}
		}
		if q.words < 0 || len(q.all) > 4 {
			t.Fatalf("%d words", q.words)
		}
	})
}

// TestCompactedOut skips what compaction has taken out of a batch, and acknowledges the batch with the last of the others.
func TestCompactedOut(t *testing.T) {
	b := fakebroker.Start(t)
	var batch []byte
	for i := range 3 {
		batch = wire.AppendSingle(batch, &wire.SingleMetadata{CompactedOut: i != 1}, []byte(text(i)))
	}
	b.Publish(topic, wire.Metadata{NumMessagesInBatch: 3, IsBatch: true}, batch)
	publishText(b, topic, "last")
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Exclusive), in)
	if got := in.awaitAll("last"); !slices.Equal(got, []string{text(1), "last"}) {
		t.Errorf("%q", got)
	}
	closeConsumer(t, x)
	if left := b.Unacked(topic, "s"); len(left) > 0 {
		t.Errorf("%d are not acknowledged", left)
	}
}

// TestOthersAcks believes what the broker says of others' acknowledgements as long as the connection lives: the subscription may have been set back.
func TestOthersAcks(t *testing.T) {
	var q batchAcks
	at := entryKey{1, 2}
	if _, news, complete := q.acknowledge(at, 0, 3); !news || complete {
		t.Error("the first message")
	}
	if b, all := q.came(at, 3, []int64{4}); all || b.left != 1 {
		t.Errorf("%+v", b)
	}
	q.parted()
	if b, all := q.came(at, 3, nil); all || b.left != 2 || !b.isAcked(0) || b.isAcked(1) {
		t.Errorf("%+v", b)
	}
	if _, all := q.came(at, 3, []int64{0}); !all || q.words != 0 || len(q.all) != 0 {
		t.Errorf("%d words stay", q.words)
	}
	// What the broker was asked for again may come twice: it is known then.
	q.released(at, true)
	for i := range int32(3) {
		q.acknowledge(at, i, 3)
	}
	if _, all := q.came(at, 3, nil); !all {
		t.Error("it is delivered again")
	}
	for i := range uint64(maxBatches + 10) {
		q.acknowledge(entryKey{3, i}, 0, 3)
	}
	if len(q.all) != maxBatches {
		t.Errorf("%d batches are remembered", len(q.all))
	}
}
