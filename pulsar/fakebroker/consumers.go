package fakebroker

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// entry is what was stored by one SEND.
type entry struct {
	id      uint64
	meta    wire.Metadata
	payload []byte
}

func (e *entry) size() int {
	if e.meta.IsBatch {
		return int(e.meta.NumMessagesInBatch)
	}
	return 1
}

// Consumer is one that a client has. The broker guards it.
type Consumer struct {
	Conn    *Conn
	ID      uint64
	Permits int // as the broker counts
	Sub     wire.Subscribe

	sub   *subscription
	epoch uint64
}

// subscription is where a subscription is.
type subscription struct {
	key, topic string
	sub        wire.Subscribe // of the first consumer
	consumers  []*Consumer    // in turn
	state      map[uint64]*entryState
	ended      bool // the consumers were told the end
}

// entryState is what of an entry a subscription knows.
type entryState struct {
	acked  bool
	left   []int64 // ack set; nil: nothing of the batch is acknowledged
	holder *Consumer
	times  uint32
}

func (s *subscription) at(id uint64) *entryState {
	e := s.state[id]
	if e == nil {
		e = &entryState{}
		s.state[id] = e
	}
	return e
}

// Terminate ends a topic.
func (b *Broker) Terminate(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[topic] = true
	b.dispatch(topic)
}

// Unacked lists the entries of a subscription that are not acknowledged.
func (b *Broker) Unacked(topic, name string) (list []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[topic+" "+name]
	for _, e := range b.logs[topic] {
		if s == nil || !s.at(e.id).acked {
			list = append(list, e.id)
		}
	}
	return list
}

// Subscribers lists the consumers of a subscription.
func (b *Broker) Subscribers(topic, name string) (list []*Consumer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.subs[topic+" "+name]; s != nil {
		for _, k := range s.consumers {
			c := *k
			list = append(list, &c)
		}
	}
	return list
}

// Consumers counts the consumers of all subscriptions.
func (b *Broker) Consumers() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		n += len(s.consumers)
	}
	return n
}

// CloseConsumers closes all consumers of a topic, as an unload does.
func (b *Broker) CloseConsumers(topic, assigned string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		if s.topic == topic {
			b.closeAll(s, assigned)
		}
	}
}

func (b *Broker) closeAll(s *subscription, assigned string) {
	for _, k := range slices.Clone(s.consumers) {
		k.Conn.leave(k.ID)
		k.Conn.Send(&wire.CloseConsumer{ConsumerID: k.ID, AssignedBrokerServiceURL: assigned})
	}
}

// handleConsumer does what a good broker does.
func (c *Conn) handleConsumer(cmd wire.Command) {
	b := c.Broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.gone {
		return
	}
	switch cmd := cmd.(type) {
	case *wire.Subscribe:
		c.Send(c.subscribe(cmd))
	case *wire.Flow:
		if k := c.Consumers[cmd.ConsumerID]; k != nil {
			k.Permits += int(cmd.MessagePermits)
			b.dispatch(k.sub.topic)
		}
	case *wire.Ack:
		if k := c.Consumers[cmd.ConsumerID]; k != nil { // else there is no answer
			b.ack(k.sub, cmd)
			if cmd.HasRequestID {
				c.Send(&wire.AckResponse{ConsumerID: k.ID, RequestID: cmd.RequestID, HasRequestID: true})
			}
			b.dispatch(k.sub.topic)
		}
	case *wire.Redeliver:
		if k := c.Consumers[cmd.ConsumerID]; k != nil {
			k.epoch = max(k.epoch, cmd.ConsumerEpoch)
			ids := cmd.MessageIDs
			for id, e := range k.sub.state {
				if e.holder == k && (len(ids) == 0 || slices.ContainsFunc(ids, func(m wire.MessageID) bool { return m.EntryID == id })) {
					e.holder = nil
					e.times++
				}
			}
			b.dispatch(k.sub.topic)
		}
	case *wire.CloseConsumer:
		c.leave(cmd.ConsumerID)
		c.Send(&wire.Success{RequestID: cmd.RequestID})
	case *wire.Unsubscribe:
		if k := c.Consumers[cmd.ConsumerID]; k != nil {
			delete(b.subs, k.sub.key)
			delete(c.Consumers, cmd.ConsumerID)
			c.Send(&wire.Success{RequestID: cmd.RequestID})
		}
	case *wire.GetLastMessageID:
		if k := c.Consumers[cmd.ConsumerID]; k != nil {
			id := wire.MessageID{LedgerID: 1, EntryID: ^uint64(0)}
			if log := b.logs[k.sub.topic]; len(log) > 0 {
				last := &log[len(log)-1]
				id.EntryID = last.id
				if last.meta.IsBatch {
					id.BatchIndex, id.HasBatchIndex = int32(last.size()-1), true
				}
			}
			c.Send(&wire.GetLastMessageIDResponse{RequestID: cmd.RequestID, LastMessageID: id, ConsumerMarkDeletePosition: b.markDelete(k.sub)})
		}
	case *wire.Seek:
		if k := c.Consumers[cmd.ConsumerID]; k != nil {
			b.closeAll(k.sub, "")
			for i := range b.logs[k.sub.topic] {
				e := &b.logs[k.sub.topic][i]
				before := cmd.HasMessagePublishTime && e.meta.PublishTime < cmd.MessagePublishTime ||
					cmd.MessageID != nil && (int64(cmd.MessageID.LedgerID) > 1 || int64(cmd.MessageID.LedgerID) == 1 && e.id < cmd.MessageID.EntryID)
				*k.sub.at(e.id) = entryState{acked: before}
				if id := cmd.MessageID; id != nil && id.EntryID == e.id && len(id.AckSet) > 0 && b.AckBatchIndexes {
					k.sub.at(e.id).left = id.AckSet
				}
			}
			c.Send(&wire.Success{RequestID: cmd.RequestID})
		}
	default:
		c.handleTopics(cmd)
	}
}

func (c *Conn) subscribe(cmd *wire.Subscribe) wire.Command {
	b := c.Broker
	key := cmd.Topic + " " + cmd.Subscription
	s := b.subs[key]
	if s == nil {
		s = &subscription{key: key, topic: cmd.Topic, sub: *cmd, state: map[uint64]*entryState{}}
		b.subs[key] = s
		for _, e := range b.logs[cmd.Topic] {
			acked := cmd.InitialPosition == wire.Latest
			if id := cmd.StartMessageID; id != nil {
				acked = int64(id.LedgerID) > 1 || int64(id.LedgerID) == 1 && e.id < id.EntryID
			}
			s.at(e.id).acked = acked
		}
	}
	if s.sub.NonDurable != cmd.NonDurable {
		return &wire.Error{RequestID: cmd.RequestID, Error: wire.NotAllowedError}
	}
	if s.sub.SubType != cmd.SubType || cmd.SubType == wire.Exclusive && len(s.consumers) > 0 {
		return &wire.Error{RequestID: cmd.RequestID, Error: wire.ConsumerBusy}
	}
	k := &Consumer{Conn: c, ID: cmd.ConsumerID, Sub: *cmd, sub: s, epoch: cmd.ConsumerEpoch}
	s.consumers = append(s.consumers, k)
	s.ended = false
	c.Consumers[cmd.ConsumerID] = k
	return &wire.Success{RequestID: cmd.RequestID}
}

// leave forgets a consumer; what it has goes to others. mu is held.
func (c *Conn) leave(id uint64) {
	b := c.Broker
	k := c.Consumers[id]
	if k == nil {
		return
	}
	delete(c.Consumers, id)
	s := k.sub
	s.consumers = slices.DeleteFunc(s.consumers, func(x *Consumer) bool { return x == k })
	for _, e := range s.state {
		if e.holder == k {
			e.holder = nil
			e.times++
		}
	}
	if len(s.consumers) == 0 && s.sub.NonDurable {
		delete(b.subs, s.key)
	}
	b.dispatch(s.topic)
}

// markDelete is up to where all is acknowledged. mu is held.
func (b *Broker) markDelete(s *subscription) *wire.MessageID {
	id := wire.MessageID{LedgerID: 1, EntryID: uint64(len(b.stored[s.topic])) - 1}
	for i := range b.logs[s.topic] {
		if e := &b.logs[s.topic][i]; !s.at(e.id).acked {
			id.EntryID = e.id - 1
			break
		}
	}
	return &id
}

func (b *Broker) ack(s *subscription, cmd *wire.Ack) {
	for _, id := range cmd.MessageIDs {
		if cmd.AckType == wire.Cumulative {
			for _, e := range b.logs[s.topic] {
				if int64(e.id) < int64(id.EntryID) || e.id == id.EntryID && len(id.AckSet) == 0 {
					s.at(e.id).acked = true
				}
			}
		}
		e := s.at(id.EntryID)
		switch {
		case len(id.AckSet) == 0:
			e.acked = e.acked || cmd.AckType == wire.Individual
		case b.AckBatchIndexes:
			if e.left == nil {
				e.left = slices.Clone(id.AckSet)
			}
			for i := range e.left {
				e.left[i] &= id.AckSet[i]
			}
		}
	}
}

// dispatch sends what may be sent. mu is held.
func (b *Broker) dispatch(topic string) {
	for _, s := range b.subs {
		if s.topic != topic || len(s.consumers) == 0 {
			continue
		}
		all := true
		for i := range b.logs[topic] {
			e := &b.logs[topic][i]
			st := s.at(e.id)
			all = all && st.acked
			if st.acked || st.holder != nil {
				continue
			}
			k := s.consumers[0]
			if s.sub.SubType == wire.Shared || s.sub.SubType == wire.KeyShared {
				for range s.consumers {
					k = s.consumers[0]
					if k.Permits > 0 {
						break
					}
					s.consumers = append(s.consumers[1:], k)
				}
			}
			if k.Permits <= 0 {
				all = false
				break
			}
			st.holder = k
			b.send(k, e, st)
		}
		if all && b.ended[topic] && !s.ended {
			s.ended = true
			for _, k := range s.consumers {
				k.Conn.Send(&wire.ReachedEndOfTopic{ConsumerID: k.ID})
			}
		}
	}
}

func (b *Broker) send(k *Consumer, e *entry, st *entryState) {
	charge := e.size()
	if st.left != nil {
		charge = 0
		for _, w := range st.left {
			charge += bits.OnesCount64(uint64(w))
		}
	}
	k.Permits -= charge
	m := &wire.Message{
		ConsumerID: k.ID, MessageID: wire.MessageID{LedgerID: 1, EntryID: e.id}, RedeliveryCount: st.times, AckSet: st.left,
		ConsumerEpoch: k.epoch, HasConsumerEpoch: k.Sub.HasConsumerEpoch,
	}
	verdict := Handle
	if b.Outgoing != nil {
		verdict = b.Outgoing(k, m)
	}
	switch verdict {
	case Handle:
		k.Conn.Raw(wire.AppendMessage(nil, m, nil, &e.meta, e.payload))
	case Drop:
		_ = k.Conn.nc.Close() // its reader does the rest
	}
}

// Trim deletes all entries of a topic, as retention does.
func (b *Broker) Trim(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logs[topic] = nil
}

// Publish stores an entry as a producer would.
func (b *Broker) Publish(topic string, meta wire.Metadata, payload []byte) (id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	meta.ProducerName = "fake"
	id = uint64(len(b.stored[topic]))
	e := entry{id, meta, payload}
	for i := range e.size() {
		b.stored[topic] = append(b.stored[topic], Message{"fake", meta.SequenceID, fmt.Sprint(id, i), meta})
	}
	b.logs[topic] = append(b.logs[topic], e)
	b.dispatch(topic)
	return id
}
