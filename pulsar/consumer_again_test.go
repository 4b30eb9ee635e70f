package pulsar

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestAckAfterRedeliver acknowledges what was asked for again and has been sent before the broker learns that: it does not come any
// more, also when it waits here for a permit already.
func TestAckAfterRedeliver(t *testing.T) {
	for _, kind := range []wire.SubType{wire.Exclusive, wire.Shared} {
		for _, batch := range []bool{false, true} {
			b := fakebroker.Start(t)
			n := 0
			publish := func(list ...string) {
				if batch {
					publishBatch(b, topic, list...)
				} else {
					for _, s := range list {
						publishText(b, topic, s)
					}
				}
				n += len(list)
			}
			publish(texts(0, 3)...)
			publish(texts(3, 3)...)
			c := newClient(t, Options{ServiceURL: b.URL()})
			in := newInbox(t)
			in.ack = false
			x := openWithout(t, c, topic, earliest(kind), in)
			in.permits.Permit(6)
			in.awaitAll(texts(0, 6)...)
			ids := in.received()
			x.Redeliver(ids)
			// What is acknowledged before the broker is asked does not come, and is remembered in vain until batchAcks is full.
			eventually(t, "that the broker is asked", func() bool {
				x.mu.Lock()
				defer x.mu.Unlock()
				return !x.acks.all && len(x.acks.again) == 0
			})
			for _, i := range []int{1, 3, 4, 5} { // an entry, or all of one
				x.Ack(ids[i])
			}
			publish("end")
			in.permits.Permit(100)
			in.awaitAll("end")
			in.await("the rest", func() bool { return len(in.texts) >= 9 })
			rest := in.all()[6:]
			slices.Sort(rest) // of a Shared one
			if want := []string{"end", text(0), text(2)}; !slices.Equal(rest, want) {
				t.Errorf("type %d, batch %v: %q came", kind, batch, rest)
			}
			// What is asked for now comes, and what is acknowledged now is known to be.
			x.Redeliver(ids[:1])
			in.await("it again", func() bool { return slices.Contains(in.texts[9:], text(0)) })
			x.Ack(in.received()[6:9]...)
			if kind == wire.Exclusive && !batch {
				eventually(t, "the end of what is remembered", func() bool {
					x.mu.Lock()
					defer x.mu.Unlock()
					return len(x.acks.batches.all) == 0
				})
			}
			closeConsumer(t, x)
			if left := b.Unacked(topic, "s"); len(left) > 0 {
				t.Errorf("type %d, batch %v: %d are not acknowledged", kind, batch, len(left))
			}
		}
	}
}

// TestWhatComesAgainIsBounded remembers of nonsense only so much.
func TestWhatComesAgainIsBounded(t *testing.T) {
	b := fakebroker.Start(t)
	publishText(b, topic, "x")
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	in.ack = false
	x := openConsumer(t, c, topic, earliest(wire.Exclusive), in)
	in.awaitAll("x")
	x.RedeliverAll()
	for i := range 3 * maxBatches / 2 {
		x.Ack(MessageID{LedgerID: 1 << 40, EntryID: int64(i), BatchIndex: -1})
	}
	x.mu.Lock()
	n := len(x.acks.batches.all)
	x.mu.Unlock()
	if n > maxBatches {
		t.Errorf("%d entries are remembered", n)
	}
	closeConsumer(t, x)
}

// TestCongested has a broker that answers no acknowledgement for a while. Two consumers share their permits, and are relieved together.
func TestCongested(t *testing.T) {
	b := fakebroker.Start(t)
	type unanswered struct {
		c   *fakebroker.Conn
		ack *wire.Ack
	}
	var mu sync.Mutex // guards what follows
	var kept []unanswered
	deaf := true
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if ack, ok := cmd.(*wire.Ack); ok && deaf {
			kept = append(kept, unanswered{c, ack})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	y := c.NewConsumer(topic+"-other", "s", earliest(wire.Shared), &in.permits, in)
	if err := receive(t, "the other", in.opened); err != nil {
		t.Fatal(err)
	}
	for i := range congestedFrom / 2 {
		if in.permits.Congested() {
			t.Fatalf("congested by %d", 2*i)
		}
		x.Ack(MessageID{LedgerID: 1, EntryID: int64(i), BatchIndex: -1})
		y.Ack(MessageID{LedgerID: 1, EntryID: int64(i), BatchIndex: -1})
	}
	if !in.permits.Congested() {
		t.Fatal("not congested")
	}
	mu.Lock()
	deaf = false
	for _, u := range kept {
		u.c.Send(&wire.AckResponse{ConsumerID: u.ack.ConsumerID, RequestID: u.ack.RequestID, HasRequestID: true})
	}
	mu.Unlock()
	in.await("the relief", func() bool { return slices.Contains(in.events, Relieved) })
	if in.permits.Congested() {
		t.Error("still congested")
	}
	closeConsumer(t, x)
	closeConsumer(t, y)
	if n := in.permits.waiting.Load(); n != 0 {
		t.Errorf("%d are counted when all are closed", n)
	}
}

// TestCongestionEndsWithItsConsumer has one that is closed for good while very many acknowledgements wait.
func TestCongestionEndsWithItsConsumer(t *testing.T) {
	b := fakebroker.Start(t)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeAck {
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	for i := range congestedFrom {
		x.Ack(MessageID{LedgerID: 1, EntryID: int64(i), BatchIndex: -1})
	}
	if !in.permits.Congested() {
		t.Fatal("not congested")
	}
	x.end(ErrTimeout)
	in.await("the relief", func() bool { return slices.Contains(in.events, Relieved) })
	if n := in.permits.waiting.Load(); n != 0 {
		t.Errorf("%d are counted", n)
	}
}

// TestVolatileWindow grants at once all that may wait where the broker drops what it may not send.
func TestVolatileWindow(t *testing.T) {
	b := fakebroker.Start(t)
	flows := make(chan uint32, 10)
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if f, ok := cmd.(*wire.Flow); ok {
			flows <- f.MessagePermits
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	for name, want := range map[string]uint32{topic: firstWindow, "non-persistent://a/b/c": 50} {
		in := newInbox(t)
		o := earliest(wire.Shared)
		o.Window = 50
		openWithout(t, c, name, o, in)
		if got := receive(t, "permits", flows); got != want {
			t.Errorf("%s: %d permits", name, got)
		}
	}
}

// TestRedeliverWhileHeld asks for all again while as many messages as may wait do: the broker has no permits left, and gets those that this frees.
func TestRedeliverWhileHeld(t *testing.T) {
	for _, kind := range []wire.SubType{wire.Exclusive, wire.Failover} {
		b := fakebroker.Start(t)
		for _, s := range texts(0, 20) {
			publishText(b, topic, s)
		}
		c := newClient(t, Options{ServiceURL: b.URL()})
		in := newInbox(t)
		in.ack = false
		o := earliest(kind)
		o.Window = 4
		x := openWithout(t, c, topic, o, in)
		in.permits.Permit(2)
		in.awaitAll(texts(0, 2)...)
		eventually(t, "a full window", func() bool {
			x.mu.Lock()
			defer x.mu.Unlock()
			held, _ := x.held.size()
			return held == 4 && x.flows.out <= 0 && !x.busy
		})
		x.Redeliver(in.received()[1:2])
		x.Ack(in.received()[0])
		in.permits.Permit(20)
		in.awaitAll(texts(0, 20)...)
		if got := in.all()[2:]; !slices.Equal(got, texts(0, 20)) && !slices.Equal(got, texts(1, 19)) {
			t.Errorf("type %d: %q", kind, got)
		}
		closeConsumer(t, x)
	}
}

// TestCloseBehindRedeliver closes a consumer that has nothing to say but a request for redelivery, which the reader would have said once Deliver returns.
// The broker learns of both; but not with Key_Shared, where it would lose the order.
func TestCloseBehindRedeliver(t *testing.T) {
	for _, kind := range []wire.SubType{wire.Exclusive, wire.Shared, wire.KeyShared} {
		b := fakebroker.Start(t)
		said := make(chan wire.Type, 10)
		b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			if at := cmd.Type(); at == wire.TypeRedeliver || at == wire.TypeCloseConsumer {
				said <- at
			}
			return fakebroker.Handle
		}
		publishText(b, topic, "x")
		c := newClient(t, Options{ServiceURL: b.URL()})
		in := newInbox(t)
		in.ack = false
		inside, released, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
		in.take = func(x *Consumer, m *Received) {
			x.Redeliver([]MessageID{m.ID})
			go x.Close(func() { close(closed) })
			close(inside)
			<-released
		}
		x := openConsumer(t, c, topic, earliest(kind), in)
		receive(t, "the message", inside)
		eventually(t, "that Close has said what there was to say", func() bool {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.state >= consumerClosing && x.acks.idle()
		})
		close(released)
		receive(t, "the end of the consumer", closed)
		want := []wire.Type{wire.TypeRedeliver, wire.TypeCloseConsumer}
		if kind == wire.KeyShared {
			want = want[1:]
		}
		var got []wire.Type
		for len(said) > 0 {
			got = append(got, <-said)
		}
		if !slices.Equal(got, want) {
			t.Errorf("type %v: the broker is told %v", kind, got)
		}
		if n := b.Consumers(); n != 0 {
			t.Errorf("%d consumers are left", n)
		}
	}
}

// TestCongestionEndsWithAClose closes a consumer while very many acknowledgements wait, which are answered then: the end of them is told, as others may
// share its permits.
func TestCongestionEndsWithAClose(t *testing.T) {
	b := fakebroker.Start(t)
	released := make(chan struct{})
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if cmd.Type() == wire.TypeAck {
			<-released
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	for i := range congestedFrom {
		x.Ack(MessageID{LedgerID: 1, EntryID: int64(i), BatchIndex: -1})
	}
	if !in.permits.Congested() {
		t.Fatal("not congested")
	}
	closed := make(chan struct{})
	x.Close(func() { close(closed) })
	close(released)
	in.await("the relief", func() bool { return slices.Contains(in.events, Relieved) })
	receive(t, "the end of the consumer", closed)
}

// TestNoRoomToAskAgain has very much wait for a broker while a consumer asks for messages again, one by one. It waits once, and not each
// time with all that waits already, and what it asked for goes out together, as does what it acknowledged meanwhile.
func TestNoRoomToAskAgain(t *testing.T) {
	const messages = 1000
	b := fakebroker.Start(t)
	var asked, acked atomic.Int32
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Redeliver:
			asked.Add(int32(len(cmd.MessageIDs)))
		case *wire.Ack:
			acked.Add(int32(len(cmd.MessageIDs)))
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	x := openConsumer(t, c, topic, earliest(wire.Shared), newInbox(t))
	x.mu.Lock()
	k := x.on
	x.mu.Unlock()
	eventually(t, "a connection at rest", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.asleep || k.corked || k.out.bytes > 0 {
			return false
		}
		k.out.bytes = outboxRoom // which the writer, asleep, does not know of
		return true
	})
	for i := range int64(messages) {
		x.Redeliver([]MessageID{{LedgerID: 1, EntryID: i, BatchIndex: -1}})
		x.Ack(MessageID{LedgerID: 1, EntryID: messages + i, BatchIndex: -1})
	}
	k.mu.Lock()
	if n := len(k.parched); n != 1 {
		t.Errorf("the consumer waits %d times", n)
	}
	k.wakeLocked()
	k.mu.Unlock()
	eventually(t, "all that was asked for", func() bool { return asked.Load() == messages && acked.Load() == messages })
}
