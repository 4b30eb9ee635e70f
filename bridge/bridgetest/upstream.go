// Package bridgetest has the surroundings of a room for its tests: an upstream of which
// the test sees everything, and a socket whose owner is the test.
package bridgetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// EmptyEnd is the last message of an empty topic.
var EmptyEnd = codec.MessageID{LedgerID: -1, EntryID: -1, Partition: -1, BatchIndex: -1}

// Upstream hands the test the upstream side of everything that is opened.
type Upstream struct {
	Mu        sync.Mutex // guards the rest
	Producers []*Producer
	Consumers []*Consumer
	Readers   []*Consumer
	Last      codec.MessageID // of every topic
	Gone      codec.Position  // readers get nothing up to there
	Split     int             // partitions of every topic; 0: none
	Asked     []string        // on whose behalf they were asked for
	OpenErr   error           // of all that is opened
}

// All are the consumers so far.
func (u *Upstream) All() []*Consumer {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	return slices.Clone(u.Consumers)
}

// CreateProducer implements [bridge.Upstream].
func (u *Upstream) CreateProducer(_ context.Context, spec bridge.ProducerSpec) (bridge.Producer, error) {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	if u.OpenErr != nil {
		return nil, u.OpenErr
	}
	p := &Producer{Spec: spec}
	u.Producers = append(u.Producers, p)
	return p, nil
}

// Subscribe implements [bridge.Upstream].
func (u *Upstream) Subscribe(_ context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error) {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	if u.OpenErr != nil {
		return nil, u.OpenErr
	}
	c := &Consumer{Spec: spec, Receiver: r}
	u.Consumers = append(u.Consumers, c)
	return c, nil
}

// OpenReader implements [bridge.Upstream].
func (u *Upstream) OpenReader(_ context.Context, spec bridge.ReaderSpec, r bridge.Receiver) (bridge.Reader, error) {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	if u.OpenErr != nil {
		return nil, u.OpenErr
	}
	c := &Consumer{Of: u, ReaderSpec: spec, Receiver: r}
	u.Readers = append(u.Readers, c)
	return c, nil
}

// Partitions implements [bridge.Upstream].
func (u *Upstream) Partitions(_ context.Context, topic, principal string) (int, error) {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	u.Asked = append(u.Asked, principal)
	if _, n := names.SplitPartition(topic); n >= 0 {
		return 0, nil
	}
	return u.Split, nil
}

// Ready implements [bridge.Upstream].
func (u *Upstream) Ready(context.Context) error { return nil }

// Close implements [bridge.Upstream].
func (u *Upstream) Close() {}

// Made are the producers so far.
func (u *Upstream) Made() []*Producer {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	return slices.Clone(u.Producers)
}

// Refuse makes everything fail that is opened from now on; nil: nothing.
func (u *Upstream) Refuse(err error) { u.Mu.Lock(); u.OpenErr = err; u.Mu.Unlock() }

// Reader is the i-th reader.
func (u *Upstream) Reader(i int) *Consumer {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	return u.Readers[i]
}

// Producer is what was created upstream; Send only notes what it gets.
type Producer struct {
	Spec bridge.ProducerSpec

	Mu     sync.Mutex // guards the rest
	Sent   []*bridge.Outgoing
	Done   []bridge.SendDone
	Broken error // what Check says
	closed bool
}

// Send implements [bridge.Producer].
func (p *Producer) Send(m *bridge.Outgoing, done bridge.SendDone) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	p.Sent = append(p.Sent, m)
	p.Done = append(p.Done, done)
}

// NewSender implements [bridge.Producer].
func (p *Producer) NewSender() bridge.Sender { return p }

// Check implements [bridge.Producer].
func (p *Producer) Check(context.Context) error {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return p.Broken
}

// Close implements [bridge.Producer].
func (p *Producer) Close() { p.Mu.Lock(); p.closed = true; p.Mu.Unlock() }

// IsClosed reports that Close was called.
func (p *Producer) IsClosed() bool { p.Mu.Lock(); defer p.Mu.Unlock(); return p.closed }

// Confirm answers the i-th publish.
func (p *Producer) Confirm(i int, err error) {
	p.Mu.Lock()
	done := p.Done[i]
	p.Mu.Unlock()
	done.Sent(codec.MessageID{LedgerID: 1, EntryID: int64(i), Partition: -1, BatchIndex: -1}, err)
}

// Payloads are those of what was sent, with spaces between.
func (p *Producer) Payloads() string {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	var all []string
	for _, m := range p.Sent {
		all = append(all, string(m.Payload))
	}
	return strings.Join(all, " ")
}

// Consumer is what was subscribed or opened to read upstream.
type Consumer struct {
	Spec       bridge.ConsumerSpec
	ReaderSpec bridge.ReaderSpec
	Receiver   bridge.Receiver
	Of         *Upstream // of a reader

	Mu       sync.Mutex // guards the rest
	permits  int
	Acks     []int64 // entries
	AckCalls int
	again    []int64
	closed   bool
	Down     bool // not connected

	relieved     func() // set while it says that it is congested
	congested    bool
	unsubscribed bool
}

// Permit implements [bridge.Consumer].
func (c *Consumer) Permit(n int) { c.Mu.Lock(); c.permits += n; c.Mu.Unlock() }

// Ack implements [bridge.Consumer].
func (c *Consumer) Ack(ids ...codec.MessageID) {
	c.Mu.Lock()
	c.AckCalls++
	for _, id := range ids {
		c.Acks = append(c.Acks, id.EntryID)
	}
	c.Mu.Unlock()
}

// Redeliver implements [bridge.Consumer].
func (c *Consumer) Redeliver(ids []codec.MessageID) {
	c.Mu.Lock()
	for _, id := range ids {
		c.again = append(c.again, id.EntryID)
	}
	c.Mu.Unlock()
}

// Unsubscribe implements [bridge.Consumer].
func (c *Consumer) Unsubscribe(context.Context) error {
	c.Mu.Lock()
	c.unsubscribed = true
	c.Mu.Unlock()
	return nil
}

// Connected implements [bridge.Consumer].
func (c *Consumer) Connected() bool { c.Mu.Lock(); defer c.Mu.Unlock(); return !c.Down }

// HasUnsubscribed reports that Unsubscribe was called.
func (c *Consumer) HasUnsubscribed() bool {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return c.unsubscribed
}

// LastPosition implements [bridge.Reader].
func (c *Consumer) LastPosition(context.Context) ([]codec.MessageID, error) {
	c.Of.Mu.Lock()
	defer c.Of.Mu.Unlock()
	return []codec.MessageID{c.Of.Last}, nil
}

// Passed implements [bridge.Reader].
func (c *Consumer) Passed(_ context.Context, at codec.Position) (bool, error) {
	c.Of.Mu.Lock()
	defer c.Of.Mu.Unlock()
	return c.Of.Gone.Covers(at), nil
}

// Congested implements [bridge.Consumer].
func (c *Consumer) Congested(relieved func()) bool {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if c.congested {
		c.relieved = relieved
	}
	return c.congested
}

// Congest makes it say that it is congested.
func (c *Consumer) Congest() { c.Mu.Lock(); c.congested = true; c.Mu.Unlock() }

// Relieve ends its being congested.
func (c *Consumer) Relieve() {
	c.Mu.Lock()
	relieved := c.relieved
	c.congested, c.relieved = false, nil
	c.Mu.Unlock()
	if relieved != nil {
		relieved()
	}
}

// EndOfTopic implements [bridge.Consumer].
func (c *Consumer) EndOfTopic(context.Context) (bool, error) { return true, nil }

// Close implements [bridge.Consumer].
func (c *Consumer) Close() { c.Mu.Lock(); c.closed = true; c.Mu.Unlock() }

// IsClosed reports that Close was called.
func (c *Consumer) IsClosed() bool { c.Mu.Lock(); defer c.Mu.Unlock(); return c.closed }

// Allowed is how many permits it has.
func (c *Consumer) Allowed() int { c.Mu.Lock(); defer c.Mu.Unlock(); return c.permits }

// Acked are the entries that were acknowledged.
func (c *Consumer) Acked() []int64 { c.Mu.Lock(); defer c.Mu.Unlock(); return slices.Clone(c.Acks) }

// Redelivered are the entries that were asked for again.
func (c *Consumer) Redelivered() []int64 {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return append([]int64(nil), c.again...)
}

// Deliver uses one permit; it fails the test if there is none.
func (c *Consumer) Deliver(t testing.TB, entry int64) {
	t.Helper()
	c.Mu.Lock()
	ok := c.permits > 0
	c.permits--
	c.Mu.Unlock()
	if !ok {
		t.Fatalf("message %d: the upstream has no permit", entry)
	}
	c.Receiver.Deliver(Message(entry))
}

// Message is one with such an entry number.
func Message(entry int64) *codec.Message {
	return &codec.Message{
		ID:      codec.MessageID{LedgerID: 1, EntryID: entry, Partition: -1, BatchIndex: -1},
		Payload: []byte("m"),
	}
}
