package pulsar

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// inbox is a Handler that keeps what it is told.
type inbox struct {
	t       testing.TB
	ack     bool // acknowledges what is delivered
	opened  chan error
	ended   chan error
	permits Permits
	take    func(x *Consumer, m *Received) // what else is done with a message; nil: nothing

	mu      sync.Mutex // guards what follows
	inside  bool       // a method is being called
	texts   []string
	ids     []MessageID
	counts  []uint32 // redelivery counts
	events  []Event
	changed chan struct{} // closed at the next change
}

func newInbox(t testing.TB) *inbox {
	return &inbox{t: t, ack: true, opened: make(chan error, 1), ended: make(chan error, 1), changed: make(chan struct{})}
}

// enter looks that methods are called one at a time.
func (b *inbox) enter() {
	b.mu.Lock()
	if b.inside {
		b.t.Error("two methods of a handler are called at the same time")
	}
	b.inside = true
	b.mu.Unlock()
}

func (b *inbox) leave() {
	b.mu.Lock()
	b.inside = false
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
}

func (b *inbox) Opened(_ *Consumer, err error) {
	b.enter()
	b.opened <- err
	b.leave()
}

func (b *inbox) Ended(_ *Consumer, err error) {
	b.enter()
	b.ended <- err
	b.leave()
}

func (b *inbox) Tell(_ *Consumer, e Event) {
	b.enter()
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	b.leave()
}

// Deliver counts a message last, so that who sees it here knows that all is done with it.
func (b *inbox) Deliver(x *Consumer, m *Received) {
	b.enter()
	if b.ack {
		x.Ack(m.ID)
	}
	if b.take != nil {
		b.take(x, m)
	}
	b.mu.Lock()
	b.texts = append(b.texts, string(m.Payload))
	b.ids = append(b.ids, m.ID)
	b.counts = append(b.counts, m.Redelivered)
	b.mu.Unlock()
	b.leave()
}

// await waits until what is true of the inbox.
func (b *inbox) await(what string, is func() bool) {
	b.t.Helper()
	over := time.After(patience)
	for {
		b.mu.Lock()
		ok, changed := is(), b.changed
		b.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-over:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("%s does not come; %d messages did: %.300q", what, len(b.texts), b.texts)
		}
	}
}

// awaitAll waits until each of the texts was delivered at least once, and returns all that was.
func (b *inbox) awaitAll(texts ...string) []string {
	b.t.Helper()
	b.await("all messages", func() bool {
		seen := map[string]bool{}
		for _, s := range b.texts {
			seen[s] = true
		}
		for _, s := range texts {
			if !seen[s] {
				return false
			}
		}
		return true
	})
	return b.all()
}

// received are the ids of all that was delivered.
func (b *inbox) received() []MessageID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ids)
}

// told are the events so far.
func (b *inbox) told() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events)
}

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.texts)
}

// texts makes n texts.
func texts(from, n int) (list []string) {
	for i := range n {
		list = append(list, text(from+i))
	}
	return list
}

// publishBatch publishes a batch of texts.
func publishBatch(b *fakebroker.Broker, topic string, list ...string) uint64 {
	var payload []byte
	for _, s := range list {
		payload = wire.AppendSingle(payload, &wire.SingleMetadata{}, []byte(s))
	}
	return b.Publish(topic, wire.Metadata{NumMessagesInBatch: int32(len(list)), IsBatch: true, UncompressedSize: uint32(len(payload))}, payload)
}

func publishText(b *fakebroker.Broker, topic, text string) uint64 {
	return b.Publish(topic, wire.Metadata{UncompressedSize: uint32(len(text))}, []byte(text))
}

// earliest are options of a subscription from the first message on.
func earliest(t wire.SubType) *ConsumerOptions {
	return &ConsumerOptions{Type: t, InitialPosition: wire.Earliest}
}

// openConsumer opens a consumer, which has to succeed, with very many permits.
func openConsumer(t testing.TB, c *Client, topic string, o *ConsumerOptions, b *inbox) *Consumer {
	t.Helper()
	b.permits.Permit(1 << 30)
	return openWithout(t, c, topic, o, b)
}

func openWithout(t testing.TB, c *Client, topic string, o *ConsumerOptions, b *inbox) *Consumer {
	t.Helper()
	x := c.NewConsumer(topic, "s", o, &b.permits, b)
	if err := receive(t, "the consumer", b.opened); err != nil {
		t.Fatal(err)
	}
	return x
}

// closeConsumer closes a consumer and waits until it is.
func closeConsumer(t testing.TB, x *Consumer) {
	t.Helper()
	closed := make(chan struct{})
	x.Close(func() { close(closed) })
	receive(t, "the end of the consumer", closed)
}

// eventually waits for what nobody tells of.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}
