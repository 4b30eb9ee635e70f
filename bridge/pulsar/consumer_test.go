package pulsar

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// A consumer over several topics names each message's topic as the session did, and finds by that whom an acknowledgement is for.
func TestConsumerOfTopics(t *testing.T) {
	b := fakebroker.Start(t)
	u := overFake(t, b, Options{})
	const base = "persistent://public/default/"
	topics := []string{base + "a", base + "b-partition-7"}
	for i, topic := range topics {
		b.Publish(topic, wire.Metadata{}, strconv.AppendInt(nil, int64(i), 10))
	}
	in := newInbox(t)
	sub, err := u.Subscribe(readContext(t), bridge.ConsumerSpec{
		Topics: topics[0] + "," + topics[1] + "," + topics[0], Subscription: "s", Type: bridge.Shared, Earliest: true, Queue: 10,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	if !sub.Connected() {
		t.Error("not connected")
	}
	sub.Permit(10)
	for _, m := range in.take(len(topics)) {
		i, _ := strconv.Atoi(string(m.Payload))
		if want := []int32{-1, 7}[i]; m.ID.Topic != topics[i] || m.ID.Partition != want {
			t.Errorf("message %d has the id %+v", i, m.ID)
		}
		sub.Redeliver([]codec.MessageID{m.ID})
	}
	for _, m := range in.take(len(topics)) {
		sub.Ack(m.ID)
	}
	sub.Close()
	for _, topic := range topics {
		if left := b.Unacked(topic, "s"); len(left) > 0 {
			t.Errorf("%d messages of %s are not acknowledged", len(left), topic)
		}
	}
}

// withDeadLetters subscribes s to a topic, whose messages may be delivered twice.
func withDeadLetters(t *testing.T, u *Upstream, topic string) (bridge.Consumer, *inbox) {
	t.Helper()
	in := newInbox(t)
	sub, err := u.Subscribe(readContext(t), bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Earliest: true, Queue: 10, MaxRedeliver: 1,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	return sub, in
}

// A message that was delivered as often as it may goes to the dead letter topic, and is acknowledged then.
func TestDeadLetter(t *testing.T) {
	b := fakebroker.Start(t)
	u := overFake(t, b, Options{})
	const topic = "persistent://public/default/t"
	b.Publish(topic, wire.Metadata{PartitionKey: "k", HasPartitionKey: true}, []byte("bad"))
	sub, in := withDeadLetters(t, u, topic)
	sub.Permit(2)
	for n := range uint32(2) {
		m := in.take(1)[0]
		if m.RedeliveryCount != n {
			t.Errorf("delivery %d has count %d", n, m.RedeliveryCount)
		}
		sub.Redeliver([]codec.MessageID{m.ID})
	}
	for deadline := time.Now().Add(20 * time.Second); len(b.Stored(topic+"-s-DLQ")) == 0 || len(b.Unacked(topic, "s")) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no dead letter")
		}
	}
	b.Publish(topic, wire.Metadata{}, []byte("good"))
	sub.Permit(1)
	if m := in.take(1)[0]; string(m.Payload) != "good" {
		t.Errorf("%q", m.Payload)
	}
	sub.Close()
}

// What is kept of messages on their last delivery is bounded by all that they take, not by their payloads alone.
func TestLastDeliveriesAreBounded(t *testing.T) {
	const messages, size = 8, 300_000
	b := fakebroker.Start(t)
	budget := memory.New(0)
	u := overFake(t, b, Options{Memory: budget})
	const topic = "persistent://public/default/t"
	for range messages {
		b.Publish(topic, wire.Metadata{Properties: []wire.KeyValue{{Key: "p", Value: strings.Repeat("x", size)}}}, nil)
	}
	sub, in := withDeadLetters(t, u, topic)
	sub.Permit(2 * messages)
	for _, m := range in.take(messages) {
		sub.Redeliver([]codec.MessageID{m.ID})
	}
	in.take(messages)
	if held := budget.Held(memory.DeadLetters); held < size || held > maxLastBytes {
		t.Errorf("%d bytes are counted, where %d may be kept of %d", held, maxLastBytes, messages*size)
	}
	letters := sub.(*consumer).letters
	letters.mu.Lock()
	kept := len(letters.last)
	letters.mu.Unlock()
	if kept*size > maxLastBytes {
		t.Errorf("%d messages are kept", kept)
	}
	sub.Close()
	if held := budget.Held(memory.DeadLetters); held != 0 {
		t.Errorf("%d bytes stay counted", held)
	}
}

// Consumers that are alike share their options, for as long as there are some.
func TestOptionsAreShared(t *testing.T) {
	u := &Upstream{}
	spec := bridge.ConsumerSpec{Topic: "a", Subscription: "s", Queue: 10, Type: bridge.KeyShared, PriorityLevel: 3}
	first := u.shared.get(u, &spec)
	spec.Topic, spec.Subscription = "b", "t"
	if second := u.shared.get(u, &spec); second != first {
		t.Error("those that are alike do not share")
	}
	spec.PriorityLevel = 4
	other := u.shared.get(u, &spec)
	if other == first || other.o.PriorityLevel != 4 || first.o.PriorityLevel != 3 {
		t.Error("those that differ share")
	}
	for _, s := range []*sharedOptions{first, first, other} {
		u.shared.release(s)
	}
	if n := len(u.shared.by); n > 0 {
		t.Errorf("%d are kept", n)
	}
}

// TestUnsubscribeAgain has a broker close the consumer, or lose the connection, when it is asked to delete a subscription: it is asked again.
func TestUnsubscribeAgain(t *testing.T) {
	for name, do := range map[string]func(c *fakebroker.Conn, cmd *wire.Unsubscribe) fakebroker.Verdict{
		"drops": func(*fakebroker.Conn, *wire.Unsubscribe) fakebroker.Verdict { return fakebroker.Drop },
		"has closed the consumer": func(c *fakebroker.Conn, cmd *wire.Unsubscribe) fakebroker.Verdict {
			c.Broker.CloseConsumers("persistent://public/default/t", "")
			c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.MetadataError, Message: "Consumer not found"})
			return fakebroker.Ignore
		},
	} {
		b := fakebroker.Start(t)
		var asked atomic.Int32
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			if cmd, ok := cmd.(*wire.Unsubscribe); ok && asked.Add(1) == 1 {
				return do(c, cmd)
			}
			return fakebroker.Handle
		}
		u := overFake(t, b, Options{})
		sub, err := u.Subscribe(readContext(t), bridge.ConsumerSpec{Topic: "persistent://public/default/t", Subscription: "s", Queue: 10}, newInbox(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := sub.Unsubscribe(readContext(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
}
