package pulsar

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// bySender publishes for a sender.
type bySender struct {
	Publisher
	s *Sender
}

func (b bySender) Send(m *Message, done Done) { b.s.Send(m, done) }

// TestSenders lets two senders share a batching producer. No batch has messages of both, and each one's are in order.
func TestSenders(t *testing.T) {
	b := fakebroker.Start(t)
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Batching: true, BatchDelay: time.Hour, BatchMessages: 5})
	one, other := bySender{p, p.NewSender()}, bySender{p, p.NewSender()}
	l := newLedger(t)
	for i := range 40 {
		from, name := one, "one"
		if i%6 < 3 {
			from, name = other, "other"
		}
		what := fmt.Sprintf("%s %03d", name, i)
		l.sendMessage(from, what, &Message{Payload: []byte(what), Properties: []KeyValue{{Key: "from", Value: name}}})
	}
	closed := make(chan struct{})
	p.Close(func() { close(closed) })
	receive(t, "the end", closed)
	l.wait()
	newest, batches := map[string]string{}, 0
	sizes := map[uint64]map[string]int{}
	for _, m := range b.Stored(topic) {
		name, _, _ := strings.Cut(m.Payload, " ")
		if m.Payload <= newest[name] {
			t.Errorf("%q is after %q", m.Payload, newest[name])
		}
		newest[name] = m.Payload
		if m.Metadata.IsBatch {
			batches++
			if sizes[m.Metadata.SequenceID] == nil {
				sizes[m.Metadata.SequenceID] = map[string]int{}
			}
			sizes[m.Metadata.SequenceID][name]++
		}
	}
	if len(b.Stored(topic)) != 40 || batches < 30 {
		t.Errorf("%d messages, %d of them in batches", len(b.Stored(topic)), batches)
	}
	for first, of := range sizes {
		if len(of) != 1 {
			t.Errorf("the batch that begins with %d has messages of both: %v", first, of)
		}
	}
}

// TestRefusedInTurn refuses messages at once while others in front of them are not answered: each is answered
// in its turn, and once, also when the connection is lost in between and the rest is sent again.
func TestRefusedInTurn(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost %t", lost), func(t *testing.T) {
			const n = 20
			bad := func(seq uint64) bool { return seq%5 == 2 || seq > 16 }
			b := fakebroker.Start(t)
			b.Deduplicate = true
			var mu sync.Mutex // guards the next
			var held []wire.Command
			first := true
			b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
				s, ok := cmd.(*wire.Send)
				if !ok {
					return fakebroker.Handle
				}
				mu.Lock()
				defer mu.Unlock()
				if bad(s.SequenceID) {
					c.Send(&wire.SendError{ProducerID: s.ProducerID, SequenceID: s.SequenceID, Error: wire.NotAllowedError, Message: "too big"})
				} else if r, err := c.Store(s); err != nil {
					t.Error(err)
				} else {
					held = append(held, r)
				}
				if s.SequenceID != n-1 && (!lost || first) {
					return fakebroker.Ignore
				}
				if lost && first {
					first = false
					return fakebroker.Drop
				}
				for _, r := range held {
					c.Send(r)
				}
				held = nil
				return fakebroker.Ignore
			}
			c := newClient(t, Options{ServiceURL: b.URL()})
			p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Name: "p"})
			answers := make(numbers, n)
			for i := range n {
				p.Send(&Message{Payload: []byte(text(i))}, answers.of(i))
			}
			for i := range n {
				a := receive(t, "an answer", answers)
				var e *Error
				if a.n != i || bad(uint64(i)) != errors.As(a.err, &e) || !bad(uint64(i)) && a.err != nil {
					t.Fatalf("answer %d is for %d: %v", i, a.n, a.err)
				}
			}
			if err := p.Ready(); err != nil {
				t.Error(err)
			}
		})
	}
}

// numbers takes numbered answers.
type numbers chan numbered

type numbered struct {
	n   int
	err error
}

type numberedDone struct {
	n  int
	to numbers
}

func (x numbers) of(n int) Done { return numberedDone{n, x} }

func (d numberedDone) Sent(_ MessageID, err error) { d.to <- numbered{d.n, err} }

// TestEndOfTopicInTurn ends a topic behind messages that are still being stored: those are confirmed, and what
// came later is refused.
func TestEndOfTopicInTurn(t *testing.T) {
	b := fakebroker.Start(t)
	var held []wire.Command
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		s, ok := cmd.(*wire.Send)
		if !ok {
			return fakebroker.Handle
		}
		if s.SequenceID < 2 {
			r, _ := c.Store(s)
			held = append(held, r)
			return fakebroker.Ignore
		}
		c.Send(&wire.SendError{ProducerID: s.ProducerID, SequenceID: s.SequenceID, Error: wire.TopicTerminatedError})
		for _, r := range held {
			c.Send(r)
		}
		held = nil
		return fakebroker.Ignore
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, w := openProducer(t, c, ProducerOptions{Topic: topic})
	answers := make(numbers, 3)
	for i := range 3 {
		p.Send(&Message{Payload: []byte(text(i))}, answers.of(i))
	}
	var e *Error
	for i := range 3 {
		if a := receive(t, "an answer", answers); a.n != i || (i == 2) != errors.As(a.err, &e) {
			t.Errorf("answer %d is for %d: %v", i, a.n, a.err)
		}
	}
	if err := receive(t, "the end", w.ended); !errors.As(err, &e) || e.Code != wire.TopicTerminatedError {
		t.Error(err)
	}
	if err := p.Ready(); !errors.As(err, &e) || e.Code != wire.TopicTerminatedError {
		t.Error(err)
	}
}

// TestReady knows when a producer has no place at the broker, and why.
func TestReady(t *testing.T) {
	for _, code := range []wire.ServerError{wire.ProducerBlockedQuotaExceededError, wire.ProducerBlockedQuotaExceededException} {
		t.Run(code.String(), func(t *testing.T) {
			b := fakebroker.Start(t)
			b.Partitions.Store(2)
			hold, tried := make(chan bool, 1), make(chan struct{}, 1)
			hold <- false
			b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
				p, ok := cmd.(*wire.Producer)
				held := <-hold
				hold <- held
				switch {
				case cmd.Type() == wire.TypeSend && held:
					return closeProducer(c, cmd.(*wire.Send).ProducerID)
				case !ok || !held:
					return fakebroker.Handle
				}
				c.Send(&wire.Error{RequestID: p.RequestID, Error: code, Message: "full"})
				select {
				case tried <- struct{}{}:
				default:
				}
				return fakebroker.Ignore
			}
			c := newClient(t, Options{ServiceURL: b.URL()})
			p := openPublisher(t, c, ProducerOptions{Topic: topic}, Routing{})
			if err := p.Ready(); err != nil {
				t.Fatal(err)
			}
			<-hold
			hold <- true
			answers := make(numbers, 1)
			p.Send(&Message{Payload: []byte("x")}, answers.of(0))
			receive(t, "an attempt", tried)
			var e *Error
			for deadline := time.Now().Add(patience); !errors.As(p.Ready(), &e) || e.Code != code; {
				if time.Now().After(deadline) {
					t.Fatalf("the producer on hold: %v", p.Ready())
				}
			}
			if code == wire.ProducerBlockedQuotaExceededException {
				if a := receive(t, "an answer", answers); !errors.As(a.err, &e) || e.Code != code {
					t.Error(a.err)
				}
				return
			}
			// It goes on when there is room, with what waited.
			<-hold
			hold <- false
			if a := receive(t, "an answer", answers); a.err != nil || p.Ready() != nil {
				t.Error(a.err, p.Ready())
			}
			closed := make(chan struct{})
			p.Close(func() { close(closed) })
			receive(t, "the end", closed)
			if p.Ready() == nil {
				t.Error("closed, and ready")
			}
		})
	}
}

// backwards is an Encrypter.
type backwards struct{}

func (backwards) Encrypt(b []byte) ([]byte, Encryption) {
	out := []byte("!")
	for i := len(b) - 1; i >= 0; i-- {
		out = append(out, b[i])
	}
	return out, Encryption{Keys: []wire.EncryptionKeys{{Key: "k", Value: []byte("v")}}, Param: []byte("p")}
}

// TestEncrypted encrypts messages and batches, and passes on what is encrypted already. The broker is told of it.
func TestEncrypted(t *testing.T) {
	b := fakebroker.Start(t)
	told := make(chan bool, 2)
	batch := make(chan []byte, 1)
	b.Script = func(c *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		switch cmd := cmd.(type) {
		case *wire.Producer:
			told <- cmd.Encrypted
		case *wire.Send:
			if cmd.NumMessages > 0 {
				batch <- append([]byte(nil), c.Entry.Payload...)
				c.Send(&wire.SendReceipt{ProducerID: cmd.ProducerID, SequenceID: cmd.SequenceID})
				return fakebroker.Ignore
			}
		}
		return fakebroker.Handle
	}
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: topic, Encrypter: backwards{}, Batching: true, BatchDelay: time.Hour, BatchMessages: 2, Compression: wire.LZ4})
	if !receive(t, "PRODUCER", told) {
		t.Error("the broker is not told")
	}
	l := newLedger(t)
	l.sendMessage(p, "empty", &Message{DeliverAfter: time.Second})
	sealed := &Sealed{Encryption: Encryption{Keys: []wire.EncryptionKeys{{Key: "theirs", Value: []byte("w")}}, Param: []byte("q")}, Compression: wire.ZSTD, Size: 77}
	l.sendMessage(p, "sealed", &Message{Payload: []byte("as it is"), Sealed: sealed})
	l.send(p, "a")
	l.send(p, "b")
	l.wait()
	stored := b.Stored(topic)
	if m := stored[0]; m.Payload != "!" || m.Metadata.Compression != wire.NoCompression || m.Metadata.UncompressedSize != 0 || m.Metadata.EncryptionKeys[0].Key != "k" || string(m.Metadata.EncryptionParam) != "p" {
		t.Errorf("empty: %q, %+v", m.Payload, m.Metadata)
	}
	if m := stored[1]; m.Payload != "as it is" || m.Metadata.Compression != wire.ZSTD || m.Metadata.UncompressedSize != 77 || !reflect.DeepEqual(m.Metadata.EncryptionKeys, sealed.Keys) || string(m.Metadata.EncryptionParam) != "q" {
		t.Errorf("sealed: %q, %+v", m.Payload, m.Metadata)
	}
	if b := receive(t, "a batch", batch); b[0] != '!' {
		t.Errorf("a batch: %q", b)
	}
	// What is empty is not compressed either where nothing is encrypted.
	p, _ = openProducer(t, c, ProducerOptions{Topic: topic, Compression: wire.ZLIB})
	l.sendMessage(p, "empty again", &Message{})
	l.wait()
	if m := b.Stored(topic)[2]; m.Payload != "" || m.Metadata.Compression != wire.NoCompression {
		t.Errorf("empty: %q, %+v", m.Payload, m.Metadata)
	}
}
