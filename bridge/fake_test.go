package bridge

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	names "github.com/pulsegate/pulsegate/topic"
)

// fakeUpstream hands the test the upstream side of everything the bridge opens.
type fakeUpstream struct {
	mu        sync.Mutex
	producers []*fakeProducer
	consumers []*fakeConsumer
	readers   []*fakeConsumer
	last      codec.MessageID
	split     int      // partitions of every topic; 0: none
	asked     []string // on whose behalf they were asked for
	openErr   error
}

// all are the consumers so far.
func (u *fakeUpstream) all() []*fakeConsumer {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.consumers)
}

func (u *fakeUpstream) CreateProducer(_ context.Context, spec ProducerSpec) (Producer, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.openErr != nil {
		return nil, u.openErr
	}
	p := &fakeProducer{spec: spec}
	u.producers = append(u.producers, p)
	return p, nil
}

func (u *fakeUpstream) Subscribe(_ context.Context, spec ConsumerSpec, r Receiver) (Consumer, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.openErr != nil {
		return nil, u.openErr
	}
	c := &fakeConsumer{spec: spec, r: r}
	u.consumers = append(u.consumers, c)
	return c, nil
}

func (u *fakeUpstream) OpenReader(_ context.Context, spec ReaderSpec, r Receiver) (Reader, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.openErr != nil {
		return nil, u.openErr
	}
	c := &fakeConsumer{u: u, reader: spec, r: r}
	u.readers = append(u.readers, c)
	return c, nil
}

func (u *fakeUpstream) Partitions(_ context.Context, topic, principal string) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, principal)
	if _, n := names.SplitPartition(topic); n >= 0 {
		return 0, nil
	}
	return u.split, nil
}

func (u *fakeUpstream) Ready(context.Context) error { return nil }
func (u *fakeUpstream) Close()                      {}

func (u *fakeUpstream) reader(i int) *fakeConsumer {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.readers[i]
}

type fakeProducer struct {
	spec ProducerSpec

	mu     sync.Mutex
	sent   []*Outgoing
	done   []SendDone
	broken error
	closed bool
}

func (p *fakeProducer) Send(m *Outgoing, done SendDone) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, m)
	p.done = append(p.done, done)
}

func (p *fakeProducer) NewSender() Sender { return p }

func (p *fakeProducer) Check(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

func (p *fakeProducer) Close() { p.mu.Lock(); p.closed = true; p.mu.Unlock() }

func (p *fakeProducer) isClosed() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.closed }

// confirm answers the i-th publish.
func (p *fakeProducer) confirm(i int, err error) {
	p.mu.Lock()
	done := p.done[i]
	p.mu.Unlock()
	done.Sent(codec.MessageID{LedgerID: 1, EntryID: int64(i), Partition: -1, BatchIndex: -1}, err)
}

func (p *fakeProducer) payloads() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, m := range p.sent {
		all = append(all, string(m.Payload))
	}
	return strings.Join(all, " ")
}

type fakeConsumer struct {
	spec   ConsumerSpec
	reader ReaderSpec
	r      Receiver
	u      *fakeUpstream // of a reader

	mu       sync.Mutex
	permits  int
	acks     []int64
	ackCalls int
	again    []int64
	closed   bool
	down     bool // not connected

	relieved     func() // set while it says that it is congested
	congested    bool
	unsubscribed bool
}

func (c *fakeConsumer) Permit(n int) { c.permit(n) }
func (c *fakeConsumer) permit(n int) { c.mu.Lock(); c.permits += n; c.mu.Unlock() }

func (c *fakeConsumer) Ack(ids ...codec.MessageID) {
	c.mu.Lock()
	c.ackCalls++
	for _, id := range ids {
		c.acks = append(c.acks, id.EntryID)
	}
	c.mu.Unlock()
}

func (c *fakeConsumer) Redeliver(ids []codec.MessageID) {
	c.mu.Lock()
	for _, id := range ids {
		c.again = append(c.again, id.EntryID)
	}
	c.mu.Unlock()
}

func (c *fakeConsumer) Unsubscribe(context.Context) error {
	c.mu.Lock()
	c.unsubscribed = true
	c.mu.Unlock()
	return nil
}
func (c *fakeConsumer) Connected() bool { c.mu.Lock(); defer c.mu.Unlock(); return !c.down }

func (c *fakeConsumer) hasUnsubscribed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsubscribed
}

func (c *fakeConsumer) LastPosition(context.Context) ([]codec.MessageID, error) {
	c.u.mu.Lock()
	defer c.u.mu.Unlock()
	return []codec.MessageID{c.u.last}, nil
}

func (c *fakeConsumer) Congested(relieved func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.congested {
		c.relieved = relieved
	}
	return c.congested
}

// relieve ends its being congested.
func (c *fakeConsumer) relieve() {
	c.mu.Lock()
	relieved := c.relieved
	c.congested, c.relieved = false, nil
	c.mu.Unlock()
	if relieved != nil {
		relieved()
	}
}

func (c *fakeConsumer) EndOfTopic(context.Context) (bool, error) { return true, nil }
func (c *fakeConsumer) Close()                                   { c.mu.Lock(); c.closed = true; c.mu.Unlock() }
func (c *fakeConsumer) isClosed() bool                           { c.mu.Lock(); defer c.mu.Unlock(); return c.closed }

func (c *fakeConsumer) allowed() int { c.mu.Lock(); defer c.mu.Unlock(); return c.permits }

func (c *fakeConsumer) acked() []int64 { c.mu.Lock(); defer c.mu.Unlock(); return slices.Clone(c.acks) }

func (c *fakeConsumer) redelivered() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int64(nil), c.again...)
}

// deliver uses one permit; it fails the test if there is none.
func (c *fakeConsumer) deliver(t *testing.T, entry int64) {
	t.Helper()
	c.mu.Lock()
	ok := c.permits > 0
	c.permits--
	c.mu.Unlock()
	if !ok {
		t.Fatalf("message %d: the upstream has no permit", entry)
	}
	c.r.Deliver(message(entry))
}

func message(entry int64) *codec.Message {
	return &codec.Message{
		ID:      codec.MessageID{LedgerID: 1, EntryID: entry, Partition: -1, BatchIndex: -1},
		Payload: []byte("m"),
	}
}

// fakeOutlet is a socket whose owner is the test: fill writes what the session has.
type fakeOutlet struct {
	s Session

	mu     sync.Mutex
	wakes  int
	resume int
	ended  string
	code   codec.Code // it ended with
	lines  []string
	frames []*ws.Frame
	room   int
}

func (o *fakeOutlet) Wake()   { o.mu.Lock(); o.wakes++; o.mu.Unlock() }
func (o *fakeOutlet) Resume() { o.mu.Lock(); o.resume++; o.mu.Unlock() }
func (o *fakeOutlet) End(code codec.Code, reason string) {
	o.mu.Lock()
	o.code, o.ended = code, reason
	o.mu.Unlock()
}
func (o *fakeOutlet) woken() int { o.mu.Lock(); defer o.mu.Unlock(); return o.wakes }

func (o *fakeOutlet) RemoteAddr() string { return "192.0.2.1:1" }
func (o *fakeOutlet) Room() bool         { return o.room > 0 }

func (o *fakeOutlet) Append(add func([]byte) []byte) {
	o.room--
	o.lines = append(o.lines, string(add(nil)))
}

func (o *fakeOutlet) Shared(f *ws.Frame) {
	o.room--
	o.frames = append(o.frames, f)
	o.lines = append(o.lines, string(f.Payload()))
}

// ack acknowledges an entry, nack refuses it.
func (o *fakeOutlet) ack(t *testing.T, entry int64) { t.Helper(); o.handle(t, `{`, message(entry).ID) }
func (o *fakeOutlet) nack(t *testing.T, entry int64) {
	t.Helper()
	o.handle(t, `{"type":"negativeAcknowledge",`, message(entry).ID)
}

// handle takes a frame of the client's that begins like that and names a message.
func (o *fakeOutlet) handle(t *testing.T, frame string, id codec.MessageID) {
	t.Helper()
	if err := o.s.Handle(append(id.AppendText([]byte(frame+`"messageId":"`)), `"}`...)); err != nil {
		t.Fatal(err)
	}
}

// fill lets the session write up to n frames and returns them.
func (o *fakeOutlet) fill(n int) []string {
	o.room, o.lines = n, nil
	o.s.Fill(o)
	return o.lines
}

// entries are the entry numbers of the message ids among frames.
func entries(t *testing.T, frames []string) []int64 {
	t.Helper()
	var all []int64
	for _, f := range frames {
		text := f[strings.Index(f, `"messageId":"`)+len(`"messageId":"`):]
		id, err := codec.ParseMessageID([]byte(text[:strings.IndexByte(text, '"')]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id.EntryID)
	}
	return all
}

// waitFor waits until cond holds; the test's own deadline ends it.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// newBridge makes a bridge whose sessions on a Shared subscription share one
// upstream consumer, unless o says how many there are.
func newBridge(t *testing.T, u *fakeUpstream, o Options) *Bridge {
	t.Helper()
	if o.SharedConsumers == 0 {
		o.SharedConsumers = 1
	}
	if o.Linger == 0 { // negative: not at all
		o.Linger = time.Second
	}
	b := New(u, o)
	t.Cleanup(b.Close)
	return b
}

type openedSession struct {
	s   Session
	err error
}

// attach opens a session and gives it to its outlet.
func attach(t *testing.T, open func(Outlet, Opened) func()) *fakeOutlet {
	t.Helper()
	o := &fakeOutlet{}
	ch := make(chan openedSession, 1)
	open(o, func(s Session, err error) { ch <- openedSession{s, err} })
	got := <-ch
	if got.err != nil {
		t.Fatal(got.err)
	}
	o.s = got.s
	t.Cleanup(got.s.Close)
	return o
}

func consume(t *testing.T, b *Bridge, spec ConsumerSpec, co ConsumeOptions) *fakeOutlet {
	t.Helper()
	return attach(t, func(o Outlet, done Opened) func() { return b.Consume(spec, co, o, done) })
}

func produce(t *testing.T, b *Bridge, spec ProducerSpec) *fakeOutlet {
	t.Helper()
	return attach(t, func(o Outlet, done Opened) func() { return b.Produce(spec, o, done) })
}

func read(t *testing.T, b *Bridge, spec ReaderSpec, ro ReadOptions) *fakeOutlet {
	t.Helper()
	return attach(t, func(o Outlet, done Opened) func() { return b.Read(spec, ro, o, done) })
}

// consumeOne opens a session with a window of 2 on an upstream consumer of its own.
func consumeOne(t *testing.T) (b *Bridge, o *fakeOutlet, up *fakeConsumer) {
	t.Helper()
	u := &fakeUpstream{}
	b = newBridge(t, u, Options{})
	o = consume(t, b, sharedSpec, minute)
	up = u.consumers[0]
	waitFor(t, "permits", func() bool { return up.allowed() == 2 })
	return b, o, up
}
