package pulsar

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

const readTopic = "persistent://public/default/read"

// inbox is a receiver that passes on what it is given, and looks that its methods are called one at a time.
type inbox struct {
	t        *testing.T
	inside   atomic.Bool
	messages chan *codec.Message
	lost     chan error
}

func newInbox(t *testing.T) *inbox {
	return &inbox{t: t, messages: make(chan *codec.Message, 10_000), lost: make(chan error, 10)}
}

func (b *inbox) enter() {
	if !b.inside.CompareAndSwap(false, true) {
		b.t.Error("two methods of a receiver are called at the same time")
	}
}

func (b *inbox) Deliver(m *codec.Message) {
	b.enter()
	b.messages <- m
	b.inside.Store(false)
}

func (b *inbox) Lost(err error) {
	b.enter()
	b.lost <- err
	b.inside.Store(false)
}

// readContext bounds every wait of a test.
func readContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// take waits for n messages.
func (b *inbox) take(n int) (list []*codec.Message) {
	b.t.Helper()
	ctx := readContext(b.t)
	for range n {
		select {
		case m := <-b.messages:
			list = append(list, m)
		case <-ctx.Done():
			b.t.Fatalf("%d of %d messages came", len(list), n)
		}
	}
	return list
}

func overFake(t *testing.T, b *fakebroker.Broker, o Options) *Upstream {
	t.Helper()
	o.BrokerServiceURL = b.URL()
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

func openReader(t *testing.T, u *Upstream, spec bridge.ReaderSpec, in *inbox) bridge.Reader {
	t.Helper()
	r, err := u.OpenReader(readContext(t), spec, in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func publishNumber(b *fakebroker.Broker, topic string, i int) {
	text := strconv.Itoa(i)
	b.Publish(topic, wire.Metadata{UncompressedSize: uint32(len(text))}, []byte(text))
}

// TestReaderIsNotDurable looks at what the broker is asked for, and at the queue that it may fill.
func TestReaderIsNotDurable(t *testing.T) {
	b := fakebroker.Start(t)
	got := make(chan wire.Subscribe, 1)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok {
			got <- *s
		}
		return fakebroker.Handle
	}
	u := overFake(t, b, Options{})
	openReader(t, u, bridge.ReaderSpec{Topic: readTopic, Name: "n", Queue: 7, Start: bridge.StartEarliest}, newInbox(t))
	if s := <-got; !s.NonDurable || s.SubType != wire.Exclusive || s.ConsumerName != "n" || s.Subscription == "" {
		t.Errorf("%+v", s)
	}
}

// TestReaderOfPartitions reads partitions over connections of their own: in order for each, with their numbers in the ids, and the receiver is
// called once at a time. Its permits are for all of them.
func TestReaderOfPartitions(t *testing.T) {
	b := fakebroker.Start(t)
	b.Partitions.Store(3)
	u := overFake(t, b, Options{ConnectionsPerBroker: 3})
	in := newInbox(t)
	r := openReader(t, u, bridge.ReaderSpec{Topic: readTopic, Queue: 10, Start: bridge.StartEarliest}, in)
	const each = 200
	for i := range each {
		for partition := range 3 {
			publishNumber(b, readTopic+"-partition-"+strconv.Itoa(partition), i)
		}
	}
	r.Permit(5)
	next := make([]int, 3)
	count := func(list []*codec.Message) {
		t.Helper()
		for _, m := range list {
			at := &next[m.ID.Partition]
			if string(m.Payload) != strconv.Itoa(*at) {
				t.Fatalf("partition %d: %s came, and not %d", m.ID.Partition, m.Payload, *at)
			}
			*at++
		}
	}
	count(in.take(5))
	if _, err := r.LastPosition(readContext(t)); err != nil { // its answers come behind what the partitions have sent
		t.Fatal(err)
	}
	if n := len(in.messages); n > 0 {
		t.Errorf("%d messages without a permit", n)
	}
	r.Permit(3 * each)
	count(in.take(3*each - 5))
	last, err := r.LastPosition(readContext(t))
	if err != nil || len(last) != 3 {
		t.Fatalf("%+v, %v", last, err)
	}
	for i, id := range last {
		if int(id.Partition) != i || id.EntryID != each-1 {
			t.Errorf("the last of partition %d is %+v", i, id)
		}
	}
}

// TestReaderOnAPartition reads a topic that is itself a partition.
func TestReaderOnAPartition(t *testing.T) {
	b := fakebroker.Start(t)
	u := overFake(t, b, Options{})
	in := newInbox(t)
	topic := readTopic + "-partition-2"
	r := openReader(t, u, bridge.ReaderSpec{Topic: topic, Start: bridge.StartEarliest}, in)
	r.Permit(1)
	publishNumber(b, topic, 0)
	if m := in.take(1)[0]; m.ID.Partition != 2 {
		t.Errorf("%+v", m.ID)
	}
	if last, err := r.LastPosition(readContext(t)); err != nil || last[0].Partition != 2 {
		t.Errorf("%+v, %v", last, err)
	}
}

// TestReaderAtAnIDOfPartitions refuses one id as the place in several partitions, and leaves nothing behind.
func TestReaderAtAnIDOfPartitions(t *testing.T) {
	b := fakebroker.Start(t)
	b.Partitions.Store(2)
	u := overFake(t, b, Options{})
	_, err := u.OpenReader(readContext(t), bridge.ReaderSpec{Topic: readTopic, Start: bridge.StartAtPosition}, newInbox(t))
	if !errors.Is(err, bridge.ErrInvalid) {
		t.Errorf("%v", err)
	}
	until(t, "the readers to be gone", func() bool { return b.Consumers() == 0 })
}

// TestLastPositionOverALostConnection asks while the broker closes the reader, breaks the connection, and does not know the reader any more.
func TestLastPositionOverALostConnection(t *testing.T) {
	b := fakebroker.Start(t)
	var asked atomic.Int32
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		ask, ok := cmd.(*wire.GetLastMessageID)
		if !ok {
			return fakebroker.Handle
		}
		switch asked.Add(1) { // the first is the reader's own
		case 2:
			return fakebroker.Drop
		case 3, 4:
			c.Send(&wire.Error{RequestID: ask.RequestID, Error: wire.MetadataError, Message: "Consumer not found"})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	publishNumber(b, readTopic, 0)
	u := overFake(t, b, Options{})
	r := openReader(t, u, bridge.ReaderSpec{Topic: readTopic}, newInbox(t))
	last, err := r.LastPosition(readContext(t))
	if err != nil || !slices.Equal(last, []codec.MessageID{{LedgerID: 1, Partition: -1, BatchIndex: -1}}) {
		t.Errorf("%+v, %v", last, err)
	}
}

// TestOpenReaderGivenUp leaves no reader behind when nobody waits for it any more.
func TestOpenReaderGivenUp(t *testing.T) {
	b := fakebroker.Start(t)
	late := make(chan func(), 1)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if _, ok := cmd.(*wire.Subscribe); ok && cap(late) > len(late) {
			late <- func() { _ = c.Handle(cmd) }
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	u := overFake(t, b, Options{})
	ctx, cancel := context.WithCancel(readContext(t))
	refused := make(chan error, 1)
	go func() {
		_, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: readTopic}, newInbox(t))
		refused <- err
	}()
	answer := <-late
	cancel()
	if err := <-refused; !errors.Is(err, bridge.ErrClosed) {
		t.Errorf("%v", err)
	}
	answer()
	until(t, "the reader to be gone", func() bool { return b.Consumers() == 0 })
}

// TestReaderLost tells the receiver once that the topic is gone, and nothing after that.
func TestReaderLost(t *testing.T) {
	b := fakebroker.Start(t)
	var gone atomic.Bool
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok && gone.Load() {
			c.Send(&wire.Error{RequestID: s.RequestID, Error: wire.TopicNotFound, Message: "gone"})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	u := overFake(t, b, Options{})
	in := newInbox(t)
	r := openReader(t, u, bridge.ReaderSpec{Topic: readTopic}, in)
	gone.Store(true)
	b.CloseConsumers(readTopic, "")
	select {
	case err := <-in.lost:
		if !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("%v", err)
		}
	case <-readContext(t).Done():
		t.Fatal("the receiver was not told")
	}
	r.Close()
	if len(in.lost) > 0 {
		t.Error("it was told twice")
	}
}

// TestReaderCloses lets go of the broker, and calls the receiver no more.
func TestReaderCloses(t *testing.T) {
	b := fakebroker.Start(t)
	u := overFake(t, b, Options{})
	in := newInbox(t)
	r := openReader(t, u, bridge.ReaderSpec{Topic: readTopic}, in)
	r.Permit(10)
	r.Close()
	if n := b.Consumers(); n > 0 {
		t.Errorf("%d are left", n)
	}
	publishNumber(b, readTopic, 0)
	behind := newInbox(t)
	openReader(t, u, bridge.ReaderSpec{Topic: readTopic, Queue: 10, Start: bridge.StartEarliest}, behind).Permit(1)
	behind.take(1)
	if len(in.messages)+len(in.lost) > 0 {
		t.Error("the receiver was called")
	}
	if n := len(u.open()); n != 1 {
		t.Errorf("the upstream has %d readers, not the other only", n)
	}
}

// until waits for what nobody tells of.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for ctx := readContext(t); !is(); {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestReaderPassesOver tells of a place that has passed without a message: the broker has deleted it, or what is there is not for readers, or cannot be read.
func TestReaderPassesOver(t *testing.T) {
	b := fakebroker.Start(t)
	u := overFake(t, b, Options{})
	in := newInbox(t)
	publishNumber(b, readTopic, 0)
	b.Trim(readTopic)
	r := openReader(t, u, bridge.ReaderSpec{Topic: readTopic, Start: bridge.StartAtPosition, Position: codec.MessageID{LedgerID: 1}, Inclusive: true, Queue: 1}, in)
	passed := func(entry int64) bool {
		is, err := r.Passed(readContext(t), codec.Position{Ledger: 1, Entry: entry, Batch: -1})
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if !passed(0) || passed(1) {
		t.Error("what was deleted has passed, what is to come has not")
	}
	r.Permit(1)
	b.Publish(readTopic, wire.Metadata{MarkerType: 20, HasMarkerType: true}, nil)
	b.Publish(readTopic, wire.Metadata{Compression: wire.LZ4, UncompressedSize: 10}, []byte("no LZ4"))
	for entry := range int64(2) {
		until(t, "an entry to pass", func() bool { return passed(1 + entry) })
	}
	publishNumber(b, readTopic, 3)
	in.take(1)
	until(t, "a message to pass", func() bool { return passed(3) })
	if passed(4) {
		t.Error("what is not there yet has passed")
	}
}
