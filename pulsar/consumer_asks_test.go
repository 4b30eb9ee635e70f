package pulsar

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestSeek moves a subscription, to a message and into a batch.
func TestSeek(t *testing.T) {
	for name, o := range map[string]*ConsumerOptions{"durable": earliest(wire.Exclusive), "reader": {Type: wire.Exclusive, NonDurable: true, InitialPosition: wire.Earliest}} {
		b := fakebroker.Start(t)
		for i := range 10 {
			b.Publish(topic, wire.Metadata{PublishTime: uint64(1000 + i)}, []byte(text(i)))
		}
		batch := publishBatch(b, topic, texts(10, 3)...)
		c := newClient(t, Options{ServiceURL: b.URL()})
		in := newInbox(t)
		x := openConsumer(t, c, topic, o, in)
		in.awaitAll(texts(0, 13)...)
		done := make(chan error, 1)
		x.Seek(&MessageID{LedgerID: 1, EntryID: 7, BatchIndex: -1}, func(err error) { done <- err })
		if err := receive(t, "the answer", done); err != nil {
			t.Fatal(err)
		}
		in.await("the rest", func() bool { return len(in.texts) == 19 })
		if got := in.all()[13:]; !slices.Equal(got, texts(7, 6)) {
			t.Errorf("%s: %q", name, got)
		}
		x.Seek(&MessageID{LedgerID: 1, EntryID: int64(batch), BatchIndex: 1, BatchSize: 3}, func(err error) { done <- err })
		if err := receive(t, "the answer", done); err != nil {
			t.Fatal(err)
		}
		if name == "reader" {
			in.await("the rest of the batch", func() bool { return len(in.texts) == 21 })
		} else {
			in.await("the batch", func() bool { return len(in.texts) == 22 }) // the broker does not know single messages
		}
		closeConsumer(t, x)
	}
}

// TestConsumerEvents tells what the broker says.
func TestConsumerEvents(t *testing.T) {
	b := fakebroker.Start(t)
	publishText(b, topic, text(0))
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Failover), in)
	in.awaitAll(text(0))
	k := b.Subscribers(topic, "s")[0]
	k.Conn.Send(&wire.ActiveConsumerChange{ConsumerID: k.ID, IsActive: true})
	k.Conn.Send(&wire.ActiveConsumerChange{ConsumerID: k.ID})
	in.await("both", func() bool { return len(in.events) == 2 })
	b.Terminate(topic)
	in.await("the end", func() bool { return len(in.events) == 3 })
	if !x.AtEnd() {
		t.Error("not at the end")
	}
	b.CloseConsumers(topic, "")
	in.await("another connection", func() bool { return len(in.events) >= 5 })
	if got, want := in.told(), []Event{Active, Inactive, EndOfTopic, Disconnected, Connected}; !slices.Equal(got[:5], want) {
		t.Errorf("%d", got)
	}
	var last MessageID
	done := make(chan error, 1)
	x.LastMessageID(func(id MessageID, err error) { last = id; done <- err })
	if err := receive(t, "the last message", done); err != nil || last.LedgerID != 1 || last.EntryID != 0 || last.BatchIndex != -1 {
		t.Errorf("%+v, %v", last, err)
	}
	x.Unsubscribe(false, func(err error) { done <- err })
	if err := receive(t, "the answer", done); err != nil {
		t.Error(err)
	}
	x.LastMessageID(func(_ MessageID, err error) { done <- err })
	if err := receive(t, "an answer", done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestUnsubscribe deletes a subscription, and does not wait for acknowledgements that nobody answers any more.
func TestUnsubscribe(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeAck {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	publishText(b, topic, text(0))
	c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: 2 * patience})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(text(0))
	done := make(chan error, 1)
	x.Unsubscribe(false, func(err error) { done <- err })
	if err := receive(t, "the answer", done); err != nil {
		t.Error(err)
	}
}

// TestUnsubscribeOverALostConnection loses the connection when the broker is asked to delete a subscription. If it has, the subscription is not made
// again, and who asks again learns that it is deleted. Else the consumer goes on.
func TestUnsubscribeOverALostConnection(t *testing.T) {
	for _, deletes := range []bool{true, false} {
		b := fakebroker.Start(t)
		var asked, durable atomic.Int32
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			switch cmd := cmd.(type) {
			case *wire.Subscribe:
				if !cmd.NonDurable {
					durable.Add(1)
				}
			case *wire.Unsubscribe:
				if asked.Add(1) > 1 {
					return fakebroker.Handle
				}
				if deletes {
					unanswered := *cmd
					unanswered.RequestID = 1 << 60
					_ = c.Handle(&unanswered)
				}
				return fakebroker.Drop
			}
			return fakebroker.Handle
		}
		c := newClient(t, Options{ServiceURL: b.URL()})
		in := newInbox(t)
		x := openConsumer(t, c, topic, earliest(wire.Exclusive), in)
		done := make(chan error, 1)
		x.Unsubscribe(false, func(err error) { done <- err })
		if err := receive(t, "the answer", done); !errors.Is(err, ErrConnection) {
			t.Error(err)
		}
		if deletes {
			if err := receive(t, "the end", in.ended); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		} else {
			publishText(b, topic, "x")
			in.awaitAll("x")
		}
		x.Unsubscribe(false, func(err error) { done <- err })
		if err := receive(t, "the answer", done); err != nil {
			t.Error(err)
		}
		want := int32(2)
		if deletes {
			want = 1
		}
		if n := durable.Load(); n != want {
			t.Errorf("deletes %t: the subscription was made or joined %d times", deletes, n)
		}
		eventually(t, "the end of the subscription", func() bool { return len(b.Subscribers(topic, "s")) == 0 })
	}
}

// TestConsumerRefused is told at once what does not pass by itself, first and later.
func TestConsumerRefused(t *testing.T) {
	b := fakebroker.Start(t)
	var code atomic.Int32
	code.Store(int32(wire.ConsumerBusy))
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if s, ok := cmd.(*wire.Subscribe); ok && code.Load() != 0 {
			c.Send(&wire.Error{RequestID: s.RequestID, Error: wire.ServerError(code.Load())})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	c.NewConsumer(topic, "s", earliest(wire.Shared), &in.permits, in)
	var e *Error
	if err := receive(t, "an answer", in.opened); !errors.As(err, &e) || e.Code != wire.ConsumerBusy {
		t.Error(err)
	}
	code.Store(0)
	in = newInbox(t)
	openConsumer(t, c, topic, earliest(wire.Shared), in)
	code.Store(int32(wire.TopicNotFound))
	b.CloseConsumers(topic, "")
	if err := receive(t, "the end", in.ended); !errors.As(err, &e) || e.Code != wire.TopicNotFound {
		t.Error(err)
	}
	code.Store(0)
	in = newInbox(t)
	openConsumer(t, c, topic, earliest(wire.Shared), in)
	c.Close()
	if err := receive(t, "the end", in.ended); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.NewConsumer(topic, "s", earliest(wire.Shared), &in.permits, in)
	if err := receive(t, "an answer", in.opened); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestMovedConsumer goes to the broker that CLOSE_CONSUMER names without asking, and to the other cluster when the broker says so.
func TestMovedConsumer(t *testing.T) {
	old, next, green := fakebroker.Start(t), fakebroker.Start(t), fakebroker.Start(t)
	var lookups atomic.Int32
	old.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeLookup {
			lookups.Add(1)
		}
		return fakebroker.Handle
	}
	publishText(next, topic, "next")
	publishText(green, topic, "green")
	// The wait before another attempt would be longer than the test's patience.
	c := newClient(t, Options{ServiceURL: old.URL(), MinBackoff: time.Hour, MaxBackoff: time.Hour})
	in := newInbox(t)
	openConsumer(t, c, topic, earliest(wire.Shared), in)
	old.CloseConsumers(topic, next.URL())
	in.awaitAll("next")
	if n := lookups.Load(); n != 1 {
		t.Errorf("%d lookups", n)
	}
	c = newClient(t, Options{ServiceURL: old.URL()})
	in = newInbox(t)
	openConsumer(t, c, topic, earliest(wire.Shared), in)
	k := old.Subscribers(topic, "s")[0]
	k.Conn.Send(&wire.TopicMigrated{ResourceID: k.ID, ResourceType: wire.ConsumerResource, BrokerServiceURL: green.URL()})
	old.CloseConsumers(topic, "")
	in.awaitAll("green")
}

// TestSealed does with what cannot be decrypted what the owner says.
func TestSealed(t *testing.T) {
	keys := []wire.EncryptionKeys{{Key: "k", Value: []byte("v")}}
	for action, want := range map[SealedAction][]string{SealedLeave: {"last"}, SealedDiscard: {"last"}, SealedDeliver: {"sealed", "last"}} {
		b := fakebroker.Start(t)
		b.Publish(topic, wire.Metadata{EncryptionKeys: keys, NumMessagesInBatch: 3, IsBatch: true}, []byte("sealed"))
		publishText(b, topic, "last")
		c := newClient(t, Options{ServiceURL: b.URL()})
		o := earliest(wire.Shared)
		o.Sealed, o.Window = action, 1
		in := newInbox(t)
		x := openConsumer(t, c, topic, o, in)
		if got := in.awaitAll("last"); !slices.Equal(got, want) {
			t.Errorf("%d: %q", action, got)
		}
		closeConsumer(t, x)
		if left := b.Unacked(topic, "s"); (len(left) == 1) != (action == SealedLeave) {
			t.Errorf("%d: %d are not acknowledged", action, left)
		}
	}
	b := fakebroker.Start(t)
	b.Publish(topic, wire.Metadata{EncryptionKeys: keys, UncompressedSize: 6}, []byte("tfdsfu"))
	c := newClient(t, Options{ServiceURL: b.URL()})
	o := earliest(wire.Shared)
	o.Decrypt = func(m *wire.Metadata, payload []byte) ([]byte, error) {
		out := bytes.Clone(payload)
		for i := range out {
			out[i]--
		}
		return out, nil
	}
	in := newInbox(t)
	openConsumer(t, c, topic, o, in)
	in.awaitAll("secret")
}
