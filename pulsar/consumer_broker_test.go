//go:build pulsar

package pulsar

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// nativeProducer is one of the independent client.
func nativeProducer(t *testing.T, c pulsar.Client, o pulsar.ProducerOptions) pulsar.Producer {
	t.Helper()
	p, err := c.CreateProducer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// sendAll publishes messages with the independent client, and waits for it to have done so.
func sendAll(t *testing.T, p pulsar.Producer, list ...*pulsar.ProducerMessage) {
	t.Helper()
	errs := make(chan error, len(list))
	for _, m := range list {
		p.SendAsync(t.Context(), m, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { errs <- err })
	}
	if err := p.FlushWithCtx(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range list {
		if err := receive(t, "an answer", errs); err != nil {
			t.Fatal(err)
		}
	}
}

func sendTexts(t *testing.T, p pulsar.Producer, list ...string) {
	t.Helper()
	var messages []*pulsar.ProducerMessage
	for _, s := range list {
		messages = append(messages, &pulsar.ProducerMessage{Payload: []byte(s)})
	}
	sendAll(t, p, messages...)
}

// TestConsumeNative reads what the independent client publishes: in all compressions, in batches, in chunks, with keys and all else that a
// message has.
func TestConsumeNative(t *testing.T) {
	cluster := pulsartest.Shared(t)
	ns := cluster.Namespace(t)
	theirs := native(t, cluster.BrokerURL())
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	for _, compression := range []pulsar.CompressionType{pulsar.NoCompression, pulsar.LZ4, pulsar.ZLib, pulsar.ZSTD, pulsar.SNAPPY} {
		for _, kind := range []string{"alone", "batched", "chunked"} {
			topic := "persistent://" + ns + "/" + pulsartest.Name("t")
			in := newInbox(t)
			var bad []string
			in.take = func(_ *Consumer, m *Received) {
				i := int(m.EventTime()) - 1000
				key, has, _ := m.Key()
				if i < 0 || string(m.Payload) != long(i, i*i) || key != fmt.Sprint("key ", i) || !has || string(m.OrderingKey()) != string([]byte{byte(i)}) ||
					!reflect.DeepEqual(m.Properties(), []KeyValue{{Key: "n", Value: fmt.Sprint(i)}}) || m.Metadata.PublishTime == 0 || null(m) {
					bad = append(bad, fmt.Sprintf("%d: %q, %.40q", i, key, m.Payload))
				}
				if batched := m.ID.BatchIndex >= 0; batched != (kind == "batched") {
					bad = append(bad, fmt.Sprintf("%+v", m.ID))
				}
			}
			x := openConsumer(t, c, topic, earliest(wire.Exclusive), in)
			p := nativeProducer(t, theirs, pulsar.ProducerOptions{
				Topic: topic, CompressionType: compression, DisableBatching: kind != "batched", EnableChunking: kind == "chunked", ChunkMaxMessageSize: 300, BatchingMaxMessages: 10,
			})
			var list []*pulsar.ProducerMessage
			var want []string
			for i := range 30 {
				want = append(want, long(i, i*i))
				list = append(list, &pulsar.ProducerMessage{
					Payload: []byte(long(i, i*i)), Key: fmt.Sprint("key ", i), OrderingKey: string([]byte{byte(i)}), Properties: map[string]string{"n": fmt.Sprint(i)}, EventTime: time.UnixMilli(int64(1000 + i)),
				})
			}
			sendAll(t, p, list...)
			if got := in.awaitAll(want...); !slices.Equal(got, want) {
				t.Errorf("%s: not in order", kind)
			}
			closeConsumer(t, x)
			if len(bad) > 0 {
				t.Errorf("compression %d, %s: %s", compression, kind, bad)
			}
			stats, err := cluster.Admin.Stats(t.Context(), topic)
			if sub := stats.Subscriptions["s"]; err != nil || sub.MsgBacklog != 0 || len(sub.Consumers) != 0 {
				t.Errorf("%s: %+v, %v", kind, sub, err)
			}
		}
	}
}

// null reports that a payload is null, which is what compaction takes for a deletion.
func null(m *Received) bool {
	if m.Single != nil {
		return m.Single.NullValue
	}
	return m.Metadata.NullValue
}

// TestConsumeOurs reads what this client publishes: empty and null, with empty keys.
func TestConsumeOurs(t *testing.T) {
	cluster := pulsartest.Shared(t)
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	for _, batching := range []bool{false, true} {
		topic := "persistent://" + cluster.Namespace(t) + "/" + pulsartest.Name("t")
		in := newInbox(t)
		var got []string
		in.take = func(_ *Consumer, m *Received) {
			key, has, _ := m.Key()
			got = append(got, fmt.Sprintf("%q %q %t %t", m.Payload, key, has, null(m)))
		}
		openConsumer(t, c, topic, earliest(wire.KeyShared), in)
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: batching, Compression: wire.LZ4})
		l := newLedger(t)
		l.sendMessage(p, "empty", &Message{HasKey: true})
		l.sendMessage(p, "null", &Message{NullValue: true, Key: "k", HasKey: true})
		l.sendMessage(p, "without a key", &Message{Payload: []byte("x")})
		l.wait()
		in.await("all", func() bool { return len(in.texts) == 3 })
		if want := []string{`"" "" true false`, `"" "k" true true`, `"x" "" false false`}; !slices.Equal(got, want) {
			t.Errorf("batching %t: %q", batching, got)
		}
	}
}

// TestRealRedelivery has the broker count redeliveries, and know the messages of batches that are acknowledged.
func TestRealRedelivery(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	in := newInbox(t)
	in.ack = false
	o := earliest(wire.Shared)
	o.AckBatchIndexes = true
	x := openConsumer(t, c, topic, o, in)
	p := nativeProducer(t, native(t, cluster.BrokerURL()), pulsar.ProducerOptions{Topic: topic, BatchingMaxPublishDelay: time.Second})
	sendTexts(t, p, texts(0, 5)...)
	in.awaitAll(texts(0, 5)...)
	x.Ack(in.received()[1])
	x.Ack(in.received()[3])
	x.Redeliver(in.received()[:1])
	in.await("the rest of the batch", func() bool { return len(in.texts) == 8 })
	if got := in.all()[5:]; !slices.Equal(got, []string{text(0), text(2), text(4)}) || in.counts[5] != 1 {
		t.Errorf("%q, %d", got, in.counts)
	}
	closeConsumer(t, x)
	// The next one gets what is left, and no more.
	in = newInbox(t)
	x = openConsumer(t, c, topic, o, in)
	if got := in.awaitAll(text(0), text(2), text(4)); len(got) != 3 || in.received()[2].BatchIndex != 4 || in.received()[2].BatchSize != 5 {
		t.Errorf("%q, %+v", got, in.received())
	}
	closeConsumer(t, x)
	stats, err := cluster.Admin.Stats(t.Context(), topic)
	if sub := stats.Subscriptions["s"]; err != nil || sub.MsgBacklog != 0 {
		t.Errorf("%+v, %v", sub, err)
	}

	// All again, in order, and nothing of before comes between.
	ordered := newInbox(t)
	ordered.ack = false
	x = c.NewConsumer(topic, "e", earliest(wire.Exclusive), &ordered.permits, ordered)
	if err := receive(t, "the consumer", ordered.opened); err != nil {
		t.Fatal(err)
	}
	p = nativeProducer(t, native(t, cluster.BrokerURL()), pulsar.ProducerOptions{Topic: topic, DisableBatching: true})
	sendTexts(t, p, texts(5, 100)...)
	ordered.permits.Permit(50)
	ordered.awaitAll(texts(0, 50)...)
	x.AckCumulative(&ordered.received()[19])
	x.RedeliverAll()
	ordered.permits.Permit(1000)
	ordered.awaitAll(texts(0, 105)...)
	if got, want := ordered.all()[50:], texts(20, 85); !slices.Equal(got, want) {
		t.Errorf("%d messages, from %q on", len(got), got[0])
	}
}

// TestReaderUnload reads without a gap or a repeat while the topic is moved, with batches and chunks.
func TestReaderUnload(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	if err := cluster.Admin.CreateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Admin.CreateSubscription(t.Context(), topic, "keep"); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	reader, durable := newInbox(t), newInbox(t)
	reader.ack = false
	x := openConsumer(t, c, topic, &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, AckDelivered: true}, reader)
	durable.permits.Permit(1 << 30)
	// Not Shared: the independent producer sends chunks again whose receipts were lost, without those before them, and a broker that
	// has not seen the first one keeps the rest, and all that follows, from a Shared subscription (4.0.7: msgInReplay stays).
	c.NewConsumer(topic, "d", earliest(wire.Failover), &durable.permits, durable)
	if err := receive(t, "the consumer", durable.opened); err != nil {
		t.Fatal(err)
	}
	batched := nativeProducer(t, native(t, cluster.BrokerURL()), pulsar.ProducerOptions{Topic: topic, BatchingMaxMessages: 7, BatchingMaxPublishDelay: 5 * time.Millisecond})
	chunked := nativeProducer(t, native(t, cluster.BrokerURL()), pulsar.ProducerOptions{Topic: topic, DisableBatching: true, EnableChunking: true, ChunkMaxMessageSize: 200})
	n := 0
	unloads := make(chan error)
	go func() {
		defer close(unloads)
		for range 5 {
			unloads <- cluster.Admin.UnloadTopic(context.Background(), topic)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	for under := true; under; {
		select {
		case err, ok := <-unloads:
			if err != nil {
				t.Error(err)
			}
			under = ok
		default:
		}
		sendTexts(t, batched, texts(n, 20)...)
		sendTexts(t, chunked, text(n+20)+strings.Repeat(".", 700))
		n += 21
	}
	var want []string
	for i := range n {
		if want = append(want, text(i)); i%21 == 20 {
			want[i] += strings.Repeat(".", 700)
		}
	}
	got := reader.awaitAll(want...)
	// The independent producer may repeat itself; who reads later reads the same.
	later := newInbox(t)
	later.ack = false
	later.permits.Permit(1 << 30)
	c.NewConsumer(topic, "later", &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, InitialPosition: wire.Earliest}, &later.permits, later)
	later.await("as much", func() bool { return len(later.texts) >= len(got) })
	if all := later.all(); !slices.Equal(all, got) || !slices.Equal(later.received(), reader.received()) {
		t.Errorf("%d messages, then %d", len(got), len(all))
	}
	if events := reader.told(); !slices.Contains(events, Disconnected) || !slices.Contains(events, Connected) {
		t.Errorf("%d", events)
	}
	durable.awaitAll(want...)
	t.Logf("%d messages", n)
	last := make(chan MessageID, 1)
	x.LastMessageID(func(id MessageID, err error) { last <- id })
	if id := receive(t, "the last message", last); id.EntryID != reader.received()[len(reader.received())-1].EntryID {
		t.Errorf("%+v, not %+v", id, reader.received()[len(reader.received())-1])
	}
	// From a place inside of a batch.
	i := slices.IndexFunc(reader.received(), func(id MessageID) bool { return id.BatchIndex == 2 })
	for _, inclusive := range []bool{false, true} {
		in := newInbox(t)
		in.ack = false
		in.permits.Permit(1 << 30)
		c.NewConsumer(topic, pulsartest.Name("r"), &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, Start: &reader.received()[i], StartInclusive: inclusive}, &in.permits, in)
		from := i + 1
		if inclusive {
			from = i
		}
		in.await("all from there", func() bool { return len(in.texts) >= len(got)-from })
		if all := in.all(); !slices.Equal(all, got[from:]) {
			t.Errorf("inclusive %t: from %q on, not %q", inclusive, all[0], got[from])
		}
	}
}

// TestRealEvents is told the active consumer and the end of the topic; the broker knows priorities and properties.
func TestRealEvents(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	one, two := newInbox(t), newInbox(t)
	low, high := earliest(wire.Failover), earliest(wire.Failover)
	low.PriorityLevel, low.Name = 2, "low"
	high.PriorityLevel, high.Name = 1, "high"
	openConsumer(t, c, topic, low, one)
	one.await("the active one", func() bool { return slices.Contains(one.events, Active) })
	x := openConsumer(t, c, topic, high, two)
	two.await("the change", func() bool { return slices.Contains(two.events, Active) })
	one.await("the change", func() bool { return slices.Contains(one.events, Inactive) })
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	l := newLedger(t)
	for i := range 10 {
		l.send(p, text(i))
	}
	two.awaitAll(texts(0, 10)...)
	l.wait()
	closeConsumer(t, x)
	one.await("the change back", func() bool { return one.events[len(one.events)-1] == Active })
	if err := cluster.Admin.TerminateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	one.await("the end", func() bool { return slices.Contains(one.events, EndOfTopic) })
	in := newInbox(t)
	in.ack = false
	in.permits.Permit(100)
	r := c.NewConsumer(topic, "r", &ConsumerOptions{Type: wire.Exclusive, NonDurable: true, InitialPosition: wire.Earliest, AckDelivered: true}, &in.permits, in)
	in.awaitAll(texts(0, 10)...)
	in.await("the end", func() bool { return slices.Contains(in.events, EndOfTopic) })
	done := make(chan error, 1)
	r.Seek(&in.received()[4], func(err error) { done <- err })
	if err := receive(t, "the answer", done); err != nil {
		t.Fatal(err)
	}
	in.await("what was moved back to", func() bool { return len(in.texts) == 16 })
	if got := in.all()[10:]; !slices.Equal(got, texts(4, 6)) {
		t.Errorf("%q", got)
	}
}

// TestRealKeyShared gives each key to one consumer, by ranges that the consumers say and that the broker chooses.
func TestRealKeyShared(t *testing.T) {
	cluster := pulsartest.Shared(t)
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	for _, sticky := range []bool{false, true} {
		topic := "persistent://" + cluster.Namespace(t) + "/" + pulsartest.Name("t")
		var boxes [2]*inbox
		keys := [2]map[string]bool{{}, {}}
		for i := range boxes {
			in := newInbox(t)
			in.take = func(_ *Consumer, m *Received) {
				key, _, _ := m.Key()
				keys[i][key] = true
			}
			o := earliest(wire.KeyShared)
			if sticky {
				o.KeyShared = &wire.KeySharedMeta{Mode: wire.Sticky, HashRanges: []wire.IntRange{{Start: int32(32768 * i), End: int32(32768*i + 32767)}}}
			}
			openConsumer(t, c, topic, o, in)
			boxes[i] = in
		}
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
		l := newLedger(t)
		for i := range 200 {
			l.sendMessage(p, text(i), &Message{Payload: []byte(text(i)), Key: fmt.Sprint(i % 20), HasKey: true})
		}
		l.wait()
		eventually(t, "all messages", func() bool { return len(boxes[0].all())+len(boxes[1].all()) == 200 })
		for key := range keys[0] {
			if keys[1][key] {
				t.Errorf("sticky %t: %s goes to both", sticky, key)
			}
		}
		if len(keys[0]) == 0 || len(keys[1]) == 0 {
			t.Errorf("sticky %t: one gets nothing", sticky)
		}
	}
}

// TestRealSeek moves a subscription to a message in a batch.
func TestRealSeek(t *testing.T) {
	cluster := pulsartest.Shared(t)
	topic := "persistent://" + cluster.Namespace(t) + "/t"
	c := newClient(t, Options{ServiceURL: cluster.BrokerURL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	p := nativeProducer(t, native(t, cluster.BrokerURL()), pulsar.ProducerOptions{Topic: topic, BatchingMaxPublishDelay: time.Second})
	sendTexts(t, p, texts(0, 5)...)
	sendTexts(t, p, texts(5, 5)...)
	in.awaitAll(texts(0, 10)...)
	done := make(chan error, 1)
	x.Seek(&in.received()[7], func(err error) { done <- err })
	if err := receive(t, "the answer", done); err != nil {
		t.Fatal(err)
	}
	in.await("the rest", func() bool { return len(in.texts) >= 13 })
	if got := in.all()[10:13]; !slices.Equal(got, texts(7, 3)) {
		t.Errorf("%q", got)
	}
	x.Unsubscribe(false, func(err error) { done <- err })
	if err := receive(t, "the answer", done); err != nil {
		t.Fatal(err)
	}
	stats, err := cluster.Admin.Stats(t.Context(), topic)
	if _, there := stats.Subscriptions["s"]; err != nil || there {
		t.Errorf("the subscription is there, %v", err)
	}
}

// TestRealGroup consumes partitions, by name and by a pattern, over both kinds of lookup.
func TestRealGroup(t *testing.T) {
	cluster := pulsartest.Shared(t)
	ns := cluster.Namespace(t)
	topic := "persistent://" + ns + "/t"
	if err := cluster.Admin.CreatePartitionedTopic(t.Context(), topic, 3); err != nil {
		t.Fatal(err)
	}
	p := nativeProducer(t, native(t, cluster.BrokerURL()), pulsar.ProducerOptions{Topic: topic, MessageRouter: func(m *pulsar.ProducerMessage, meta pulsar.TopicMetadata) int {
		return int(m.EventTime.UnixMilli()) % 3
	}})
	for i := range 3 {
		sendAll(t, p, &pulsar.ProducerMessage{Payload: []byte("x"), EventTime: time.UnixMilli(int64(3 + i))})
	}
	for _, url := range []string{cluster.BrokerURL(), cluster.AdminURL()} {
		c := newClient(t, Options{ServiceURL: url})
		for i, sel := range []Selection{
			{Topics: []string{topic}},
			{Namespace: ns, Match: func(base string) bool { return base == topic }},
		} {
			in := newGroupInbox()
			g := c.OpenGroup(sel, fmt.Sprint("s", len(url), i), earliest(wire.Shared), &in.permits, in)
			if err := receive(t, "the group", in.opened); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				name := fmt.Sprint(topic, "-partition-", i)
				want := fmt.Sprint("x ", i)
				eventually(t, "a message on "+name, func() bool { return slices.Equal(in.on(name), []string{want}) })
			}
			closed := make(chan struct{})
			g.Close(func() { close(closed) })
			receive(t, "the end", closed)
		}
	}
}
