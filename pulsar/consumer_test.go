package pulsar

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	"github.com/pulsegate/pulsegate/seldom"
	"github.com/pulsegate/pulsegate/test/logs"
)

// TestSubscribe looks at how each of the options goes over the wire.
func TestSubscribe(t *testing.T) {
	b := fakebroker.Start(t)
	got := make(chan wire.Subscribe, 1)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok {
			got <- *s
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := &ConsumerOptions{
		Type: wire.KeyShared, Name: "n", PriorityLevel: 3, Properties: []KeyValue{{Key: "a", Value: "b"}}, SubscriptionProperties: []KeyValue{{Key: "c", Value: "d"}},
		InitialPosition: wire.Earliest, ReadCompacted: true, NoTopicCreation: true, ReplicateState: true,
		KeyShared: &wire.KeySharedMeta{Mode: wire.Sticky, HashRanges: []wire.IntRange{{Start: 1, End: 9}}}, Schema: &wire.Schema{Name: "x", Data: []byte{}},
	}
	openConsumer(t, c, topic, o, newInbox(t))
	s := receive(t, "SUBSCRIBE", got)
	s.RequestID, s.ConsumerID = 0, 0
	if want := (wire.Subscribe{
		Topic: topic, Subscription: "s", SubType: wire.KeyShared, ConsumerName: "n", PriorityLevel: 3, Metadata: o.Properties, SubscriptionProperties: o.SubscriptionProperties,
		InitialPosition: wire.Earliest, ReadCompacted: true, NoTopicCreation: true, ReplicateSubscriptionState: true, KeySharedMeta: o.KeyShared, Schema: o.Schema,
	}); !reflect.DeepEqual(s, want) {
		t.Errorf("%+v", s)
	}
	start := &MessageID{LedgerID: 7, EntryID: 8, BatchIndex: 2}
	openConsumer(t, c, topic+"2", &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, Start: start}, newInbox(t))
	if s := receive(t, "SUBSCRIBE", got); !s.NonDurable || s.StartMessageID == nil || s.StartMessageID.LedgerID != 7 || s.StartMessageID.EntryID != 8 || !s.HasConsumerEpoch {
		t.Errorf("%+v", s)
	}
}

// TestConsume delivers batches and single messages in order, once, and acknowledges them, with few permits and many.
func TestConsume(t *testing.T) {
	for _, kind := range []wire.SubType{wire.Exclusive, wire.Shared, wire.Failover, wire.KeyShared} {
		for _, window := range []int{1, 2, 0} {
			b := fakebroker.Start(t)
			var want []string
			for i := range 20 {
				list := texts(len(want), 1+i%5)
				if len(list) == 1 {
					publishText(b, topic, list[0])
				} else {
					publishBatch(b, topic, list...)
				}
				want = append(want, list...)
			}
			c := newClient(t, Options{ServiceURL: b.URL()})
			o := earliest(kind)
			o.Window = window
			in := newInbox(t)
			x := openWithout(t, c, topic, o, in)
			for i := range want { // one permit at a time
				in.await("the message before", func() bool { return len(in.texts) >= i })
				if n := len(in.all()); n > i {
					t.Fatalf("%d messages with %d permits", n, i)
				}
				in.permits.Permit(1)
			}
			if got := in.awaitAll(want...); !slices.Equal(got, want) {
				t.Errorf("%s: %q", kind, got)
			}
			closeConsumer(t, x) // sends what is acknowledged
			if left := b.Unacked(topic, "s"); len(left) > 0 {
				t.Errorf("%s: %d are not acknowledged", kind, left)
			}
		}
	}
}

// TestPermitsAreTheBrokers compares the consumer's count of permits with the broker's, whatever comes: batches acknowledged in part, chunks that are
// never whole, entries that cannot be read or decrypted. Whoever counts wrong stops some time, or is flooded.
func TestPermitsAreTheBrokers(t *testing.T) {
	b := fakebroker.Start(t)
	b.AckBatchIndexes = true
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := earliest(wire.Shared)
	o.Window, o.AckBatchIndexes = 7, true
	in := newInbox(t)
	in.ack = false
	x := openConsumer(t, c, topic, o, in)
	for round := range 30 {
		n := 5 * round
		publishBatch(b, topic, texts(n, 5)...)
		b.Publish(topic, wire.Metadata{UUID: text(round), NumChunksFromMsg: 3, TotalChunkMsgSize: 30, ChunkID: int32(round % 3)}, []byte("0123456789"))
		b.Publish(topic, wire.Metadata{NumMessagesInBatch: 4, IsBatch: true}, []byte("no batch"))
		b.Publish(topic, wire.Metadata{Compression: wire.ZSTD, UncompressedSize: 10}, []byte("not compressed"))
		b.Publish(topic, wire.Metadata{EncryptionKeys: []wire.EncryptionKeys{{Key: "k", Value: []byte("v")}}, NumMessagesInBatch: 9, IsBatch: true}, []byte("sealed"))
		in.awaitAll(texts(n, 5)...)
		ids := in.received()
		ids = ids[len(ids)-5:]
		for i := range round % 5 {
			x.Ack(ids[i])
		}
		x.Redeliver(ids)
		in.await("the messages again", func() bool { return len(in.texts) >= 5 })
	}
	in.ack = true
	x.RedeliverAll()
	publishText(b, topic, "last")
	in.awaitAll("last")
	eventually(t, "the same count", func() bool {
		x.mu.Lock()
		out := x.flows.out
		x.mu.Unlock()
		k := b.Subscribers(topic, "s")
		return len(k) == 1 && int64(k[0].Permits) == out && out > 0 && out <= 7
	})
}

// TestBatchIndexAck acknowledges some messages of a batch: where the broker knows single messages those do not come again, and neither do they to the
// same consumer where it does not. The batch is acknowledged with its last message.
func TestBatchIndexAck(t *testing.T) {
	for _, brokers := range []bool{false, true} {
		for _, ours := range []bool{false, true} {
			b := fakebroker.Start(t)
			b.AckBatchIndexes = brokers
			publishBatch(b, topic, texts(0, 4)...)
			c := newClient(t, Options{ServiceURL: b.URL()})
			o := earliest(wire.Shared)
			o.AckBatchIndexes = ours
			in := newInbox(t)
			in.ack = false
			x := openConsumer(t, c, topic, o, in)
			in.awaitAll(texts(0, 4)...)
			x.Ack(in.received()[1])
			x.Ack(in.received()[2])
			eventually(t, "the answer", func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.acks.idle() })
			b.CloseConsumers(topic, "")
			in.await("the rest again", func() bool { return len(in.texts) == 6 })
			if again := in.all()[4:]; !slices.Equal(again, []string{text(0), text(3)}) {
				t.Errorf("broker %t, consumer %t: %q came again", brokers, ours, again)
			}
			if len(b.Unacked(topic, "s")) != 1 {
				t.Error("the batch is acknowledged")
			}
			x.Ack(in.received()[4])
			x.Ack(in.received()[5])
			closeConsumer(t, x)
			if len(b.Unacked(topic, "s")) != 0 {
				t.Errorf("broker %t, consumer %t: the batch is not acknowledged", brokers, ours)
			}
			// Another consumer gets what the broker does not know of.
			publishBatch(b, topic, texts(10, 3)...)
			first := newInbox(t)
			first.ack = false
			x = openConsumer(t, c, topic, o, first)
			first.awaitAll(texts(10, 3)...)
			x.Ack(first.received()[0])
			closeConsumer(t, x)
			second := newInbox(t)
			openConsumer(t, c, topic, o, second)
			second.awaitAll(text(12))
			if n := len(second.all()); (n == 2) != (brokers && ours) {
				t.Errorf("broker %t, consumer %t: another consumer gets %d", brokers, ours, n)
			}
		}
	}
}

// TestRedeliver asks for messages again, alone and all, and gets them with a higher count; on an ordered subscription in order, and nothing that
// was sent before comes between.
func TestRedeliver(t *testing.T) {
	b := fakebroker.Start(t)
	for i := range 10 {
		publishText(b, topic, text(i))
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	in.ack = false
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(texts(0, 10)...)
	x.Ack(in.received()[4])
	x.Redeliver([]MessageID{in.received()[3], in.received()[4], in.received()[7]})
	in.await("two messages", func() bool { return len(in.texts) == 12 })
	if got := in.all()[10:]; !slices.Equal(got, []string{text(3), text(7)}) || in.counts[10] != 1 {
		t.Errorf("%q, %d", got, in.counts[10:])
	}
	x.RedeliverAll()
	in.await("the others", func() bool { return len(in.texts) == 21 })
	closeConsumer(t, x)

	ordered := newInbox(t)
	ordered.ack = false
	o := earliest(wire.Exclusive)
	x = c.NewConsumer(topic, "e", o, &ordered.permits, ordered)
	if err := receive(t, "the consumer", ordered.opened); err != nil {
		t.Fatal(err)
	}
	ordered.permits.Permit(5)
	ordered.awaitAll(texts(0, 5)...)
	x.Ack(ordered.received()[0])
	x.Redeliver(ordered.received()[3:4])
	ordered.permits.Permit(100)
	got := ordered.awaitAll(texts(0, 10)...)
	if want := append(texts(0, 5), texts(1, 9)...); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestRedeliverInside asks for all again in the middle of a batch: the rest of it is not delivered, until it comes again.
func TestRedeliverInside(t *testing.T) {
	b := fakebroker.Start(t)
	publishBatch(b, topic, texts(0, 4)...)
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	in.ack = false
	in.take = func(x *Consumer, _ *Received) {
		if len(in.texts) == 1 { // this is the second one
			x.RedeliverAll()
		}
	}
	openConsumer(t, c, topic, earliest(wire.Exclusive), in)
	if got := in.awaitAll(texts(0, 4)...); !slices.Equal(got, append(texts(0, 2), texts(0, 4)...)) {
		t.Errorf("%q", got)
	}
}

// TestAckAgain sends acknowledgements again over the next connection that were not answered, before anything is delivered there.
func TestAckAgain(t *testing.T) {
	b := fakebroker.Start(t)
	var deaf atomic.Bool
	deaf.Store(true)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeAck && deaf.Load() {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	for i := range 50 {
		publishText(b, topic, text(i))
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(texts(0, 50)...)
	deaf.Store(false)
	b.Conns()[0].Close()
	publishText(b, topic, "after")
	in.awaitAll("after")
	if n := len(in.all()); n != 51 {
		t.Errorf("%d messages came", n)
	}
	closeConsumer(t, x)
	if left := b.Unacked(topic, "s"); len(left) > 0 {
		t.Errorf("%d are not acknowledged", left)
	}
}

// TestAckOfOldBroker has a broker take acknowledgements that answers none. None asks for an answer.
func TestAckOfOldBroker(t *testing.T) {
	b := fakebroker.Start(t)
	b.Version = wire.VersionAckResponse - 1
	var asked atomic.Bool
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if a, ok := cmd.(*wire.Ack); ok && a.HasRequestID {
			asked.Store(true)
			a.HasRequestID = false // as it does not know the field
		}
		return fakebroker.Handle
	}
	for i := range 50 {
		publishText(b, topic, text(i))
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(texts(0, 50)...)
	closeConsumer(t, x)
	if left := b.Unacked(topic, "s"); len(left) > 0 {
		t.Errorf("%d are not acknowledged", len(left))
	}
	if asked.Load() {
		t.Error("an answer was asked for")
	}
}

// TestRefusedAck finds the entry that the broker refuses, and has the others acknowledged.
func TestRefusedAck(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if a, ok := cmd.(*wire.Ack); ok && slices.ContainsFunc(a.MessageIDs, func(id wire.MessageID) bool { return id.EntryID == 3 }) {
			c.Send(&wire.AckResponse{ConsumerID: a.ConsumerID, RequestID: a.RequestID, HasRequestID: true, HasError: true, Error: wire.UnknownError})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	for i := range 10 {
		publishText(b, topic, text(i))
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(texts(0, 10)...)
	closeConsumer(t, x)
	if left := b.Unacked(topic, "s"); !slices.Equal(left, []uint64{3}) {
		t.Errorf("%d are not acknowledged", left)
	}
}

// TestReaderPlace breaks the connection of a subscription that is not durable at every point, also inside of batches: each message comes once, in order.
func TestReaderPlace(t *testing.T) {
	for _, start := range []*MessageID{nil, {LedgerID: 1, EntryID: 4, BatchIndex: 1, BatchSize: 3}} {
		for _, acks := range []bool{false, true} {
			b := fakebroker.Start(t)
			var want []string
			for range 20 {
				publishBatch(b, topic, texts(len(want), 3)...)
				want = append(want, texts(len(want), 3)...)
				publishText(b, topic, text(len(want)))
				want = append(want, text(len(want)))
			}
			c := newClient(t, Options{ServiceURL: b.URL()})
			o := earliest(wire.Exclusive)
			o.NonDurable, o.Start, o.AckDelivered, o.Window = true, start, acks, 5
			in := newInbox(t)
			in.ack = false
			openWithout(t, c, topic, o, in)
			if start != nil {
				want = want[6:]
			}
			for i := range want {
				in.permits.Permit(1)
				in.await("a message", func() bool { return len(in.texts) > i })
				if i%3 == 0 {
					for _, k := range b.Conns() {
						k.Close()
					}
				} else if i%3 == 1 {
					b.CloseConsumers(topic, "")
				}
			}
			if got := in.all(); !slices.Equal(got, want) {
				t.Errorf("from %+v: %q", start, got)
			}
		}
	}
}

// TestReaderAtEnd begins behind what there is, and stays there when the connection is lost before the first message.
func TestReaderAtEnd(t *testing.T) {
	b := fakebroker.Start(t)
	var away atomic.Bool
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeConnect && away.Load() {
			return fakebroker.Drop
		}
		return fakebroker.Handle
	}
	publishBatch(b, topic, texts(0, 3)...)
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	openConsumer(t, c, topic, &ConsumerOptions{Type: wire.Exclusive, NonDurable: true}, in)
	away.Store(true)
	for _, k := range b.Conns() {
		k.Close()
	}
	if n := len(b.Subscribers(topic, "s")); n != 0 {
		t.Errorf("%d consumers outlive their connection", n)
	}
	publishText(b, topic, text(3))
	away.Store(false)
	if got := in.awaitAll(text(3)); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// stopping is a log that stops whoever logs an error.
type stopping struct {
	slog.Handler
	at, released chan struct{}
}

func (h stopping) Enabled(_ context.Context, l slog.Level) bool { return l == slog.LevelError }

func (h stopping) Handle(context.Context, slog.Record) error {
	h.at <- struct{}{}
	<-h.released
	return nil
}

// TestUnreadableIsToldSeldom has very many messages that cannot be read: all are discarded, and the log is not filled.
func TestUnreadableIsToldSeldom(t *testing.T) {
	const messages = 200
	b := fakebroker.Start(t)
	for range messages {
		b.Publish(topic, wire.Metadata{Compression: wire.ZLIB, UncompressedSize: 1}, []byte("no"))
	}
	publishText(b, topic, "last")
	var log logs.Buffer
	c := newClient(t, Options{ServiceURL: b.URL(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	in := newInbox(t)
	openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll("last")
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := c.unreadable.Add(time.Now().Add(seldom.Every + time.Second)); n != messages {
		t.Errorf("%d are told later", n)
	}
}

// TestPermitGivenBack has one consumer take the last permit for a message that turns out unreadable, while another that shares the permits has one
// and finds none. That gets it.
func TestPermitGivenBack(t *testing.T) {
	b := fakebroker.Start(t)
	payload := wire.AppendSingle(nil, &wire.SingleMetadata{}, []byte("first"))
	b.Publish(topic, wire.Metadata{NumMessagesInBatch: 2, IsBatch: true}, append(payload, 0xff, 0xff, 0xff, 0xff))
	log := stopping{slog.DiscardHandler, make(chan struct{}), make(chan struct{})}
	c := newClient(t, Options{ServiceURL: b.URL(), ConnectionsPerBroker: 2, Log: slog.New(log)})
	in, other := newInbox(t), newInbox(t)
	in.permits.Permit(2)
	openWithout(t, c, topic, earliest(wire.Shared), in)
	receive(t, "the unreadable message", log.at)
	y := c.NewConsumer(topic+"-other", "s", earliest(wire.Shared), &in.permits, other)
	if err := receive(t, "the other consumer", other.opened); err != nil {
		t.Fatal(err)
	}
	publishText(b, topic+"-other", "x")
	eventually(t, "that it waits for a permit", func() bool {
		in.permits.mu.Lock()
		defer in.permits.mu.Unlock()
		return y.waits
	})
	close(log.released)
	other.awaitAll("x")
}
