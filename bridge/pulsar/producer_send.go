package pulsar

import (
	"context"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// Send implements [bridge.Sender].
func (p *producer) Send(m *bridge.Outgoing, done bridge.SendDone) { p.own.Send(m, done) }

// NewSender implements [bridge.Producer].
func (p *producer) NewSender() bridge.Sender { return p.newSender() }

// send hands m to the library, which does not block.
func (p *producer) send(from *sender, m *bridge.Outgoing, done bridge.SendDone) {
	s := &publish{p: p, done: done, since: p.u.clock.Load()}
	if err := p.enlist(s); err != nil {
		done.Sent(codec.MessageID{}, err)
		return
	}
	out, err := p.message(m)
	if err != nil {
		p.delist(s)
		done.Sent(codec.MessageID{}, err)
		return
	}
	if err := p.hand(from, m, out, s); err != nil && p.delist(s) {
		p.failed(s, err)
	}
}

// hand gives a message to the library. An error that the library has at once is
// returned; whoever hears of it may send again.
func (p *producer) hand(from *sender, m *bridge.Outgoing, out *pulsar.ProducerMessage, s *publish) error {
	p.handing.Lock()
	defer p.handing.Unlock()
	// The library closes its queue while others may be writing to it.
	defer func() {
		if recover() != nil {
			p.fail(&bridge.Error{Kind: bridge.ErrClosed, Detail: "publish to " + p.spec.Topic + ": the producer has ended"})
		}
	}()
	if p.spec.HasInitialSequenceID {
		p.nextID++
		id := p.nextID
		out.SequenceID = &id
	}
	p.next = from.partition(m)
	at := int32(p.next)
	if p.batching() && batchable(out) {
		if p.last[at] != from {
			out.DeliverAfter = beginsBatch
		}
		p.last[at] = from
	}
	p.up.SendAsync(context.Background(), out, s.confirmed)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.handed = true
	if s.failed != nil {
		delete(p.last, at) // it may have been the one to begin a batch
	}
	return s.failed
}

// batchable reports that the library batches a message.
func batchable(m *pulsar.ProducerMessage) bool {
	return m.DeliverAt.UnixNano() < 0 && !m.DisableReplication && m.ReplicationClusters == nil
}

// message makes m the client library's.
func (p *producer) message(m *bridge.Outgoing) (*pulsar.ProducerMessage, error) {
	out := &pulsar.ProducerMessage{
		Payload:    m.Payload,
		Key:        m.Key,
		Properties: m.Properties,
		DeliverAt:  deliverAt(m),
	}
	var err error
	if out.EventTime, err = eventTime(m.EventTime); err != nil {
		return nil, err
	}
	if p.spec.ClientEncryption != "" {
		if out.Payload, err = envelope(m); err != nil {
			return nil, err
		}
	}
	if m.DisableReplication {
		out.DisableReplication = true
	} else if len(m.ReplicationClusters) > 0 {
		out.ReplicationClusters = m.ReplicationClusters
	}
	return out, nil
}

// confirmed takes the library's answer, on one of its goroutines.
func (s *publish) confirmed(id pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
	p := s.p
	if err != nil && p.early(s, err) {
		return
	}
	if err == nil && id.BatchIdx()+1 >= id.BatchSize() {
		// What was refused behind this entry is answered once this is.
		defer p.settle(id.PartitionIdx())
	}
	if !p.delist(s) {
		return
	}
	if err == nil && id.LedgerID() == refusedLedger {
		s.done.Sent(codec.MessageID{}, p.refusal(id.PartitionIdx()))
		return
	}
	if err == nil {
		partition := p.partition
		if p.partitioned {
			partition = id.PartitionIdx()
		}
		s.done.Sent(fromClient(id, partition, ""), nil)
		return
	}
	p.failed(s, err)
}

// early takes an error that the library has before the message is handed over.
func (p *producer) early(s *publish, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.handed {
		return false
	}
	s.failed = err
	return true
}

// failed answers a publish with an error of the library.
func (p *producer) failed(s *publish, err error) {
	wrapped := wrap("publish to "+p.spec.Topic, err)
	s.done.Sent(codec.MessageID{}, wrapped)
	if isDead(err) && !p.partitioned {
		p.fail(wrapped)
	}
}

// settle answers what was refused behind an entry that is answered.
func (p *producer) settle(partition int32) {
	if p.u.parts.owing.Load() == 0 {
		return
	}
	if r := p.u.parts.at(p, partition); r != nil {
		r.settle()
	}
}
