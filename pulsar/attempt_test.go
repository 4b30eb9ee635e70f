package pulsar

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

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
		p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: batching, BatchMessages: 3, BatchDelay: time.Hour})
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

// TestPartitionIsGone ends a producer whose topic is deleted, or made anew with fewer partitions. It stays, and tries again, when
// the broker does not allow something else.
func TestPartitionIsGone(t *testing.T) {
	for text, gone := range map[string]bool{
		"Partition metadata not found for the partitioned topic: " + topic + "-partition-1":    true,
		"Illegal topic partition name " + topic + "-partition-1 with max allowed 1 partitions": true,
		"Topics are not allowed here today":                                                    false,
	} {
		b := fakebroker.Start(t)
		producers := 0
		b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
			switch cmd := cmd.(type) {
			case *wire.Producer:
				if producers++; producers == 2 {
					c.Send(&wire.Error{RequestID: cmd.RequestID, Error: wire.NotAllowedError, Message: text})
					return fakebroker.Ignore
				}
			case *wire.Send:
				if producers == 1 {
					return closeProducer(c, cmd.ProducerID)
				}
			}
			return fakebroker.Handle
		}
		c := newClient(t, Options{ServiceURL: b.URL()})
		p, w := openProducer(t, c, ProducerOptions{Topic: topic + "-partition-1"})
		l := newLedger(t)
		l.send(p, "x")
		l.wait()
		var e *Error
		if !gone {
			if err := l.err("x"); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err := receive(t, "the end", w.ended); !errors.As(err, &e) || e.Code != wire.TopicNotFound || e.Message != text {
			t.Errorf("%s: ended by %v", text, err)
		}
		if err := l.err("x"); !errors.As(err, &e) || e.Code != wire.TopicNotFound {
			t.Errorf("%s: answered %v", text, err)
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

// TestCloseWhileOpening closes a producer whose topic is being looked up: the broker is not asked for it any more.
func TestCloseWhileOpening(t *testing.T) {
	b := fakebroker.Start(t)
	looked := make(chan func(), 1)
	var created atomic.Int32
	first := true
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Lookup:
			if first {
				first = false
				looked <- func() { _ = c.Handle(cmd) }
				return fakebroker.Ignore
			}
		case *wire.Producer:
			created.Add(1)
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	w := newWatcher()
	p := c.NewProducer(ProducerOptions{Topic: topic}, producerOwner{w})
	answer := receive(t, "LOOKUP", looked)
	closed := make(chan struct{})
	p.Close(func() { close(closed) })
	receive(t, "the end", closed)
	if err := receive(t, "an answer", w.opened); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	answer()
	openProducer(t, c, ProducerOptions{Topic: topic}) // on the same connection, so after it
	if n := created.Load(); n != 1 {
		t.Errorf("%d producers were asked for", n)
	}
	l := newLedger(t)
	l.send(p, "too late")
	if err := l.err("too late"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestClosedAgainAndAgain has a broker that closes each producer and consumer as soon as it has created it, and says that it should be
// asked for it: it is asked once without a pause.
func TestClosedAgainAndAgain(t *testing.T) {
	b := fakebroker.Start(t)
	var created atomic.Int32
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Producer:
			created.Add(1)
			c.Send(&wire.ProducerSuccess{RequestID: cmd.RequestID, ProducerName: "p"})
			c.Send(&wire.CloseProducer{ProducerID: cmd.ProducerID, AssignedBrokerServiceURL: b.URL()})
			return fakebroker.Ignore
		case *wire.Subscribe:
			created.Add(1)
			c.Send(&wire.Success{RequestID: cmd.RequestID})
			c.Send(&wire.CloseConsumer{ConsumerID: cmd.ConsumerID, AssignedBrokerServiceURL: b.URL()})
			return fakebroker.Ignore
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), MinBackoff: time.Hour, MaxBackoff: time.Hour})
	rests := func(x *alarm) bool {
		c.alarms.mu.Lock()
		defer c.alarms.mu.Unlock()
		return x.index > 0 && time.Until(x.when) > time.Minute
	}
	check := func(what string) {
		t.Helper()
		if n := created.Swap(0); n != 2 {
			t.Errorf("a %s was created %d times", what, n)
		}
	}
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	eventually(t, "a pause", func() bool { return rests(&p.again) })
	check("producer")
	x := openWithout(t, c, topic, earliest(wire.Shared), newInbox(t))
	eventually(t, "a pause", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.trying != nil && rests(&x.trying.again)
	})
	check("consumer")
}

// TestCloseBesideTheUnanswered closes a consumer and a producer while as many requests as there may be are unanswered: the broker lets go of both.
func TestCloseBesideTheUnanswered(t *testing.T) {
	b := fakebroker.Start(t)
	var left atomic.Int32
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd.Type() {
		case wire.TypeGetLastMessageID:
			return fakebroker.Ignore
		case wire.TypeCloseProducer:
			left.Add(1)
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL(), OperationTimeout: 2 * patience})
	x, y := openConsumer(t, c, topic, earliest(wire.Shared), newInbox(t)), openConsumer(t, c, topic, earliest(wire.Shared), newInbox(t))
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic})
	refused := make(chan error, 1)
	for range maxRequests + 1 {
		x.LastMessageID(func(_ MessageID, err error) {
			if errors.Is(err, ErrTooMany) {
				refused <- err
			}
		})
	}
	receive(t, "the refusal of one too many", refused)
	y.on.leave(y.id) // as after an acknowledgement that there was no room for
	closed := make(chan struct{})
	x.Close(nil)
	p.Close(func() { close(closed) })
	receive(t, "the end of the producer", closed)
	eventually(t, "an end of the consumers", func() bool { return len(b.Subscribers(topic, "s")) == 0 })
	if left.Load() != 1 {
		t.Error("the broker has the producer still")
	}
}
