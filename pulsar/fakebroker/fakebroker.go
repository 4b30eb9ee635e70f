// Package fakebroker is a broker for tests that does what a script says: it can be late, wrong,
// unfair or gone at any point. It speaks the binary protocol and keeps what is published in memory.
//
// All state is the [Broker]'s, under its one lock. One goroutine accepts and one reads from each connection; Close ends them and waits for
// them, at the latest when the test ends.
package fakebroker

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// Verdict is what a script makes of a command.
type Verdict int

const (
	// Handle lets the broker do what a good one does.
	Handle Verdict = iota
	// Ignore lets it do nothing; the script may have answered by itself.
	Ignore
	// Drop closes the connection.
	Drop
)

// Message is one that was stored.
type Message struct {
	Producer string
	Sequence uint64
	Payload  string
	Metadata wire.Metadata // of its entry
}

// Broker is a broker. Its methods may be called from any goroutine.
type Broker struct {
	// Script is asked about each command before it is handled, on the goroutine of its connection. It is set before the
	// first connection; nil: everything is handled.
	Script func(c *Conn, cmd wire.Command) Verdict
	// MaxMessageSize is announced unless it is 0.
	MaxMessageSize int32
	// Version is that of the protocol that it speaks; 0: [wire.Version].
	Version int32
	// Partitions is what is said of every topic.
	Partitions atomic.Uint32
	// Deduplicate stores a sequence id of a producer's name once.
	Deduplicate bool
	// AckBatchIndexes has the broker know which messages of a batch are acknowledged.
	AckBatchIndexes bool
	// Outgoing is asked about each MESSAGE before it is sent: with Ignore it is not, although it is counted as sent, as the script may have sent something
	// else. It must not call methods of the broker.
	Outgoing func(k *Consumer, m *wire.Message) Verdict
	// Topics are what is said of every namespace. Once there are connections, CreateTopic and DeleteTopic change it.
	Topics []string
	// TopicWatchers are there.
	TopicWatchers bool

	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[*Conn]struct{}
	closed bool
	names  int
	last   map[string]int64 // by topic and producer, the newest sequence id
	stored map[string][]Message
	logs   map[string][]entry // by topic
	subs   map[string]*subscription
	ended  map[string]bool // topics

	watchers map[watcherKey]struct{}
}

// Start starts a broker, which ends with the test.
func Start(t testing.TB) *Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{listener: l, conns: map[*Conn]struct{}{}, last: map[string]int64{}, stored: map[string][]Message{}, logs: map[string][]entry{}, subs: map[string]*subscription{}, ended: map[string]bool{}, watchers: map[watcherKey]struct{}{}}
	b.wg.Go(b.accept)
	t.Cleanup(b.Close)
	return b
}

// URL is the broker's, for a client.
func (b *Broker) URL() string { return "pulsar://" + b.listener.Addr().String() }

// Close ends the broker and all its connections.
func (b *Broker) Close() {
	b.listener.Close()
	b.mu.Lock()
	b.closed = true
	conns := maps.Clone(b.conns)
	b.mu.Unlock()
	for c := range conns {
		c.Close()
	}
	b.wg.Wait()
}

// Stored is what was published to a topic, in order.
func (b *Broker) Stored(topic string) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Message(nil), b.stored[topic]...)
}

// Conns lists the connections that are open.
func (b *Broker) Conns() (list []*Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		list = append(list, c)
	}
	return list
}

func (b *Broker) accept() {
	for {
		nc, err := b.listener.Accept()
		if err != nil {
			return
		}
		c := &Conn{Broker: b, nc: nc.(*net.TCPConn), Topics: map[uint64]string{}, names: map[uint64]string{}, Consumers: map[uint64]*Consumer{}}
		b.mu.Lock()
		if b.closed {
			nc.Close()
		}
		b.conns[c] = struct{}{}
		b.mu.Unlock()
		b.wg.Go(func() {
			_ = c.read() // clients come and go
			c.Close()
		})
	}
}

// Conn is a client's connection. Its fields are for the script's goroutine.
type Conn struct {
	Broker  *Broker
	Connect wire.Connect      // what the client said first
	Topics  map[uint64]string // of its producers
	Entry   wire.Entry        // of the SEND that the script is asked about
	Deaf    bool              // nothing more is handled, nor is the script asked
	// Consumers are guarded by the broker, as gone is.
	Consumers map[uint64]*Consumer
	gone      bool // it has no consumers and watchers any more

	names map[uint64]string
	nc    *net.TCPConn

	mu sync.Mutex // held while writing
}

// Principal is on whose behalf the client has opened the connection. It may be called from any goroutine.
func (c *Conn) Principal() string {
	c.Broker.mu.Lock()
	defer c.Broker.mu.Unlock()
	return c.Connect.OriginalPrincipal
}

// Close closes the connection. What the client had here is gone before it can notice that and comes again.
func (c *Conn) Close() {
	b := c.Broker
	b.mu.Lock()
	delete(b.conns, c)
	c.gone = true
	for id := range c.Consumers {
		c.leave(id)
	}
	b.forgetWatchers(c)
	b.mu.Unlock()
	_ = c.nc.Close()
}

// CloseWrite says that nothing more comes, and goes on reading.
func (c *Conn) CloseWrite() { _ = c.nc.CloseWrite() }

// Send sends a command.
func (c *Conn) Send(cmd wire.Command) { c.Raw(wire.Append(nil, cmd)) }

// Raw sends any bytes. What cannot be sent is lost, as the client is gone.
func (c *Conn) Raw(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.nc.Write(b)
}

var errDropped = errors.New("dropped by the script")

func (c *Conn) read() error {
	buf := make([]byte, 64<<10)
	for {
		if _, err := io.ReadFull(c.nc, buf[:4]); err != nil {
			return err
		}
		_, n, err := wire.Next(buf[:4], 10<<20)
		if err != nil {
			return err
		}
		if n > len(buf) {
			buf = append(make([]byte, 0, n), buf[:4]...)[:n]
		}
		if _, err := io.ReadFull(c.nc, buf[4:n]); err != nil {
			return err
		}
		f, _, err := wire.Next(buf[:n], 10<<20)
		if err != nil {
			return err
		}
		cmd := wire.New(f.Type)
		if err := wire.Parse(f.Body, cmd); err != nil {
			return err
		}
		c.Entry = wire.Entry{}
		if len(f.Rest) > 0 {
			if c.Entry, err = wire.ParseEntry(f.Rest); err != nil {
				return err
			}
		}
		if c.Deaf {
			continue
		}
		verdict := Handle
		if c.Broker.Script != nil {
			verdict = c.Broker.Script(c, cmd)
		}
		switch verdict {
		case Drop:
			return errDropped
		case Handle:
			if err := c.Handle(cmd); err != nil {
				return err
			}
		}
	}
}

// Handle does what a good broker does.
func (c *Conn) Handle(cmd wire.Command) error {
	b := c.Broker
	switch cmd := cmd.(type) {
	case *wire.Connect:
		b.mu.Lock()
		c.Connect = *cmd
		b.mu.Unlock()
		c.Send(&wire.Connected{ServerVersion: "fake", ProtocolVersion: cmp.Or(b.Version, wire.Version), MaxMessageSize: b.MaxMessageSize, FeatureFlags: wire.FeatureFlags{SupportsTopicWatchers: b.TopicWatchers}})
	case *wire.Ping:
		c.Send(&wire.Pong{})
	case *wire.PartitionedMetadata:
		c.Send(&wire.PartitionedMetadataResponse{RequestID: cmd.RequestID, Partitions: b.Partitions.Load()})
	case *wire.Lookup:
		c.Send(&wire.LookupResponse{RequestID: cmd.RequestID, Response: wire.LookupConnect, BrokerServiceURL: b.URL()})
	case *wire.Producer:
		c.Send(c.create(cmd))
	case *wire.CloseProducer:
		delete(c.Topics, cmd.ProducerID)
		c.Send(&wire.Success{RequestID: cmd.RequestID})
	case *wire.Send:
		r, err := c.Store(cmd)
		if err != nil {
			return err
		}
		if r != nil {
			c.Send(r)
		}
	default:
		c.handleConsumer(cmd)
	}
	return nil
}

func (c *Conn) create(cmd *wire.Producer) *wire.ProducerSuccess {
	b := c.Broker
	b.mu.Lock()
	defer b.mu.Unlock()
	name := cmd.ProducerName
	if name == "" {
		b.names++
		name = fmt.Sprintf("fake-%d", b.names)
	}
	c.Topics[cmd.ProducerID], c.names[cmd.ProducerID] = cmd.Topic, name
	s := &wire.ProducerSuccess{RequestID: cmd.RequestID, ProducerName: name, LastSequenceID: -1, HasLastSequenceID: true}
	if cmd.Schema != nil {
		s.SchemaVersion = []byte{1}
	}
	if last, ok := b.last[cmd.Topic+" "+name]; ok && b.Deduplicate {
		s.LastSequenceID = last
	}
	return s
}

// Store stores what a SEND publishes and returns its receipt; nil for a producer that the connection does
// not have.
func (c *Conn) Store(cmd *wire.Send) (*wire.SendReceipt, error) {
	if err := c.Entry.Check(); err != nil {
		return nil, err
	}
	var m wire.Metadata
	if err := wire.ParseMetadata(bytes.Clone(c.Entry.Metadata), &m); err != nil {
		return nil, err
	}
	topic, ok := c.Topics[cmd.ProducerID]
	if !ok {
		return nil, nil
	}
	name := c.names[cmd.ProducerID]
	if m.ProducerName != name {
		return nil, fmt.Errorf("producer %q sends as %q", name, m.ProducerName)
	}
	b := c.Broker
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.stored[topic]
	r := &wire.SendReceipt{ProducerID: cmd.ProducerID, SequenceID: cmd.SequenceID, HighestSequenceID: cmd.HighestSequenceID, HasMessageID: true}
	last := max(int64(cmd.SequenceID), int64(cmd.HighestSequenceID))
	if newest, ok := b.last[topic+" "+name]; ok && b.Deduplicate && last <= newest {
		r.MessageID = wire.MessageID{LedgerID: ^uint64(0), EntryID: ^uint64(0)}
		return r, nil
	}
	b.last[topic+" "+name] = last
	r.MessageID = wire.MessageID{LedgerID: 1, EntryID: uint64(len(list))}
	if !m.IsBatch {
		list = append(list, Message{name, m.SequenceID, string(c.Entry.Payload), m})
	} else {
		rest := c.Entry.Payload
		for range m.NumMessagesInBatch {
			var s wire.SingleMetadata
			payload, after, err := wire.NextSingle(rest, &s)
			if err != nil {
				return nil, err
			}
			list, rest = append(list, Message{name, s.SequenceID, string(payload), m}), after
		}
	}
	b.stored[topic] = list
	b.logs[topic] = append(b.logs[topic], entry{r.MessageID.EntryID, m, bytes.Clone(c.Entry.Payload)})
	b.dispatch(topic)
	return r, nil
}
