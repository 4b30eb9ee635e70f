package pulsar

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// freed is what Free was called with.
type freed struct {
	t    testing.TB
	mu   sync.Mutex
	all  map[string]int
	each chan string
}

func newFreed(t testing.TB) *freed {
	return &freed{t: t, all: map[string]int{}, each: make(chan string, 1000)}
}

// message is one whose payload begins with the text, and is overwritten once it may be.
func (f *freed) message(text string, size int) *Message {
	m := &Message{Payload: append([]byte(text), bytes.Repeat([]byte{'.'}, size)...)}
	m.Free = func(payload []byte) {
		if &payload[0] != &m.Payload[0] || len(payload) != len(m.Payload) {
			f.t.Error("freed is not the payload")
		}
		clear(payload)
		f.mu.Lock()
		f.all[text]++
		f.mu.Unlock()
		f.each <- text
	}
	return m
}

func (f *freed) count(text string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[text]
}

// Each payload is given back once, after its message is answered and has left, however it was published.
func TestPayloadsAreGivenBack(t *testing.T) {
	for name, o := range map[string]ProducerOptions{
		"one by one": {}, "in batches": {Batching: true, BatchMessages: 3}, "compressed": {Compression: wire.LZ4},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakebroker.Start(t)
			c := newClient(t, Options{ServiceURL: b.URL()})
			o.Topic = "persistent://public/default/t"
			p, _ := openProducer(t, c, o)
			f, l := newFreed(t), newLedger(t)
			for i := range 40 {
				size := []int{10, byReference, 60_000}[i%3]
				l.sendMessage(p, long(i, size), f.message(text(i), size))
			}
			l.wait()
			for range 40 {
				receive(t, "a payload", f.each)
			}
			for i := range 40 {
				if n := f.count(text(i)); n != 1 {
					t.Errorf("payload %d was given back %d times", i, n)
				}
			}
			if o.Compression == wire.NoCompression {
				l.check(b.Stored(o.Topic), true)
			}
			// What is not taken is given back, too.
			done := make(chan struct{})
			p.Close(func() { close(done) })
			receive(t, "the end", done)
			l.sendMessage(p, text(100), f.message(text(100), 60_000))
			receive(t, "a payload", f.each)
			if !errors.Is(l.err(text(100)), ErrClosed) {
				t.Error(l.err(text(100)))
			}
		})
	}
}

// A message may be answered while it is still on its way, as when its time is over: its payload is still read then.
func TestPayloadIsKeptWhileItIsOnItsWay(t *testing.T) {
	f := newFreed(t)
	m := f.message("x", byReference)
	m.read() // by the queue
	var o outbox
	for range 2 { // as after the broker has had the producer created again
		if !o.message(&wire.Send{}, &wire.Metadata{ProducerName: "p"}, m.Payload, m, 1<<20) {
			t.Fatal("too big")
		}
	}
	first := o.take(nil)
	m.unread() // answered
	o.message(&wire.Send{}, &wire.Metadata{ProducerName: "p"}, make([]byte, byReference), nil, 1<<20)
	second := o.take(nil)
	o.recycle(second)
	if f.count("x") != 0 {
		t.Fatal("given back before it was written")
	}
	o.recycle(first)
	if f.count("x") != 1 {
		t.Errorf("given back %d times", f.count("x"))
	}
}

// What is published again on a new connection is not given back before that is over.
func TestPayloadsOutliveConnections(t *testing.T) {
	b := fakebroker.Start(t)
	var mu sync.Mutex
	drops := 3
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := cmd.(*wire.Send); ok && drops > 0 {
			drops--
			return fakebroker.Drop
		}
		return fakebroker.Handle
	}
	b.Deduplicate = true
	c := newClient(t, Options{ServiceURL: b.URL()})
	p, _ := openProducer(t, c, ProducerOptions{Topic: "persistent://public/default/t", Name: "p", SendTimeout: time.Minute})
	f, l := newFreed(t), newLedger(t)
	for i := range 50 {
		l.sendMessage(p, long(i, 40_000), f.message(text(i), 40_000))
	}
	l.wait()
	l.check(b.Stored("persistent://public/default/t"), true)
	for i := range 50 {
		if n := f.count(text(i)); n > 1 {
			t.Errorf("payload %d was given back %d times", i, n)
		}
	}
}
