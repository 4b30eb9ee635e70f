package pulsar

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
	names "github.com/pulsegate/pulsegate/topic"
)

// producer is a [client.Publisher] for the bridge, and its owner.
type producer struct {
	u         *Upstream
	topic     string
	sealed    []wire.EncryptionKeys // of a client that encrypts by itself; nil: of none
	partition int32                 // of a topic that is itself one partition
	closing   time.Duration         // how long Close waits
	up        client.Publisher      // set once it is opened, as is the next
	own       bridge.Sender
	ended     atomic.Bool // nothing can be published any more

	opened chan error // holds one

	mu   sync.Mutex // guards left
	left bool       // nobody waits for it to be opened

	closeOnce sync.Once
	closed    chan struct{}
}

// CreateProducer implements [bridge.Upstream].
func (u *Upstream) CreateProducer(ctx context.Context, spec bridge.ProducerSpec) (bridge.Producer, error) {
	o := client.ProducerOptions{
		Topic: spec.Topic, Principal: spec.Principal, Name: spec.Name, InitialSequenceID: spec.InitialSequenceID, HasInitialSequenceID: spec.HasInitialSequenceID,
		SendTimeout: spec.SendTimeout, MaxPending: spec.MaxPending,
		Batching: spec.Batching, BatchMessages: spec.BatchingMaxPending, BatchDelay: spec.BatchingMaxDelay,
		Compression: compressions[spec.Compression],
	}
	p := &producer{u: u, topic: spec.Topic, opened: make(chan error, 1), closed: make(chan struct{}), closing: spec.SendTimeout}
	if p.closing <= 0 || p.closing > flushTimeout {
		p.closing = flushTimeout
	}
	_, p.partition = names.SplitPartition(spec.Topic)
	if err := u.encryption(&spec, p, &o); err != nil {
		return nil, err
	}
	what := "create a producer on " + spec.Topic
	unreachable, stop := u.dial.watch(ctx)
	defer stop()
	u.cluster.OpenPublisher(o, client.Routing{
		RoundRobin: spec.Routing == bridge.RoundRobinPartition, Murmur3: spec.HashingScheme == bridge.Murmur3,
	}, p)
	var err error
	select {
	case err = <-p.opened:
		err = wrap(what, err)
	case err = <-unreachable:
		err = p.leave(&bridge.Error{Kind: bridge.ErrUnavailable, Detail: what + ": " + err.Error()})
	case <-ctx.Done():
		err = p.leave(gaveUp(ctx, what))
	case <-u.ctx.Done():
		err = p.leave(errClosed)
	}
	if err != nil {
		return nil, err
	}
	p.own = p.NewSender()
	if !u.add(p) {
		p.up.Close(nil)
		return nil, errClosed
	}
	return p, nil
}

// leave gives up waiting for the producer. It returns why, or nil if the producer was
// opened meanwhile.
func (p *producer) leave(why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case err := <-p.opened:
		return wrap("create a producer on "+p.topic, err)
	default:
		p.left = true
		return why
	}
}

// Opened implements [client.PublisherOwner].
func (p *producer) Opened(up client.Publisher, err error) {
	p.mu.Lock()
	left := p.left
	if !left {
		p.up = up
		p.opened <- err
	}
	p.mu.Unlock()
	if left && err == nil {
		up.Close(nil)
	}
}

// Ended implements [client.PublisherOwner].
func (p *producer) Ended(error) { p.ended.Store(true) }

// hasEnded reports that nothing can be published any more.
func (p *producer) hasEnded() bool { return p.ended.Load() }

// compressions are those of Pulsar's protocol.
var compressions = map[bridge.Compression]wire.CompressionType{
	bridge.NoCompression: wire.NoCompression, bridge.LZ4: wire.LZ4, bridge.ZLib: wire.ZLIB, bridge.ZSTD: wire.ZSTD, bridge.Snappy: wire.SNAPPY,
}

// Check implements [bridge.Producer].
func (p *producer) Check(context.Context) error {
	return wrap("the producer of "+p.topic, p.up.Ready())
}

// flushTimeout bounds how long a producer without a send timeout is closing.
const flushTimeout = 30 * time.Second

// Close implements [bridge.Producer].
func (p *producer) Close() {
	p.closeOnce.Do(func() {
		defer close(p.closed)
		over := make(chan struct{})
		p.up.Close(func() { close(over) })
		// All is answered within the first; the rest is for the broker to say goodbye.
		wait := time.NewTimer(p.closing + closeTimeout)
		defer wait.Stop()
		select {
		case <-over:
		case <-wait.C:
		}
		p.u.remove(p)
	})
	<-p.closed
}

// Send implements [bridge.Sender].
func (p *producer) Send(m *bridge.Outgoing, done bridge.SendDone) { p.own.Send(m, done) }

// NewSender implements [bridge.Producer].
func (p *producer) NewSender() bridge.Sender { return &sender{p, p.up.NewSender()} }

// sender is a [bridge.Sender].
type sender struct {
	p  *producer
	to *client.Sender
}

// Send implements [bridge.Sender].
func (s *sender) Send(m *bridge.Outgoing, done bridge.SendDone) {
	x := &publish{p: s.p, done: done}
	if err := s.p.fill(&x.message, m); err != nil {
		done.Sent(codec.MessageID{}, err)
		return
	}
	s.to.Send(&x.message, x)
}

// publish is one message on its way, and takes its outcome.
type publish struct {
	p       *producer
	done    bridge.SendDone
	message client.Message
}

// Sent implements [client.Done].
func (x *publish) Sent(id client.MessageID, err error) { x.done.Sent(x.outcome(id, err)) }

// SentMore implements [client.RunDone].
func (x *publish) SentMore(id client.MessageID, err error) {
	if run, ok := x.done.(bridge.RunSendDone); ok {
		run.SentMore(x.outcome(id, err))
	} else {
		x.done.Sent(x.outcome(id, err))
	}
}

// Rest implements [client.RunDone].
func (x *publish) Rest() {
	if run, ok := x.done.(bridge.RunSendDone); ok {
		run.Rest()
	}
}

// outcome is what the bridge is told.
func (x *publish) outcome(id client.MessageID, err error) (codec.MessageID, error) {
	if err != nil {
		return codec.MessageID{}, wrap("publish to "+x.p.topic, err)
	}
	out := codec.MessageID{
		LedgerID: id.LedgerID, EntryID: id.EntryID, Partition: id.Partition, BatchIndex: id.BatchIndex, BatchSize: id.BatchSize,
	}
	if out.Partition < 0 {
		out.Partition = x.p.partition
	}
	return out, nil
}

// fill makes m a message of the client.
func (p *producer) fill(out *client.Message, m *bridge.Outgoing) (err error) {
	out.Payload, out.Free = m.Payload, m.Recycler()
	out.Key, out.HasKey = m.Key, m.HasKey
	if len(m.Properties) > 0 {
		out.Properties = make([]client.KeyValue, 0, len(m.Properties))
		for name, value := range m.Properties {
			out.Properties = append(out.Properties, client.KeyValue{Key: name, Value: value})
		}
	}
	out.EventTime = m.EventTime
	if out.DeliverAfter = m.DeliverAfter; m.DeliverAfter <= 0 {
		out.DeliverAt = m.DeliverAt
	}
	out.DisableReplication, out.ReplicateTo = m.DisableReplication, m.ReplicationClusters
	if p.sealed != nil {
		out.Sealed, err = p.seal(m)
	}
	return err
}
