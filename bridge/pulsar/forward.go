package pulsar

import (
	"errors"
	"reflect"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// forward is the forwarder.
func (c *consumer) forward() {
	var used []command
	for {
		var in <-chan pulsar.ConsumerMessage
		if c.permits > 0 && (c.letters == nil || !c.letters.full()) {
			in = c.in
		}
		select {
		case cm := <-in:
			c.receive(cm)
		case <-c.todo.wake:
			used = c.obey(used)
		case <-c.ctx.Done():
			c.todo.end()
			c.obey(used) // what was acknowledged before is still sent
			return
		}
	}
}

// obey does what the commands ask for.
func (c *consumer) obey(used []command) []command {
	permits, list := c.todo.take(used)
	c.permits += permits
	for i := range list {
		cmd := &list[i]
		switch cmd.kind {
		case cmdAck:
			c.acknowledge(&cmd.id)
			c.unsettled.add(-1)
		case cmdRedeliver:
			c.redeliver(&cmd.id)
			c.unsettled.add(-1)
		case cmdLost:
			c.memberLost(cmd.member, cmd.link)
		case cmdReopened:
			c.memberReopened(cmd.member, cmd.link, cmd.err)
		case cmdAckFailed:
			m := cmd.member
			if c.members[m.topic] != m {
				break // it was left meanwhile
			}
			c.ackFailed(m, cmd.entries)
			if m.live != nil && m.live != cmd.link {
				c.sendOwed(m) // it has a new connection meanwhile
			}
		case cmdAckSent:
			for _, e := range cmd.entries {
				c.entries.sent(e)
			}
		case cmdBuried:
			c.buried(&cmd.id, cmd.err)
		case cmdDiscover:
			c.search()
		case cmdFound:
			c.found(cmd.members)
		}
	}
	return list
}

// receive takes one message from the client library. Those that are
// acknowledged already, or go to the dead letter topic, take no permit.
func (c *consumer) receive(cm pulsar.ConsumerMessage) {
	m := c.members[cm.Topic()]
	if m == nil || m.from.stale(&cm) && m.comesAgain() {
		return
	}
	if m.live != nil {
		m.live.ahead.note(len(cm.Payload()))
	}
	if e, l := cm.GetEncryptionContext(), m.current.Load(); e != nil && e.BatchSize > 1 && l != nil && l.up == cm.Consumer {
		// It took a permit for each message of the batch, and came as one.
		flow(onlyPartition(reflect.ValueOf(l.up)), e.BatchSize-1)
	}
	native := cm.ID()
	topic := ""
	if c.multi {
		topic = m.base
	}
	id := fromClient(native, m.partition, topic)
	if !m.keep {
		if message := fromClientMessage(cm.Message, id); !c.sealed(message) {
			c.deliver(m, message)
		}
		return
	}
	if native.BatchIdx() >= 0 || cm.GetEncryptionContext() != nil {
		native = nil // else it is in chunks, more than one entry
	}
	index, size := batchPlace(&id)
	e := entryOf(&id)
	if m.repeats(&id) {
		c.send(m, e, native, false)
		return
	}
	if index >= 0 {
		if bits := c.u.heard.takePartly(m.from.id, e); bits != nil {
			c.entries.elsewhere(e, size, bits)
		}
	}
	switch c.entries.received(e, index, size, native) {
	case skip:
		return
	case skipAndAck:
		c.send(m, e, native, true)
		return
	}
	message := fromClientMessage(cm.Message, id)
	if c.sealed(message) {
		if c.spec.CryptoFailure == bridge.CryptoDiscard {
			c.send(m, e, native, false)
		}
		return // with FAIL it stays for a consumer that has the key
	}
	if c.letters != nil && c.letters.take(m, message) {
		return
	}
	c.deliver(m, message)
}

// sealed reports a message that could not be decrypted and may not be
// delivered as it is.
func (c *consumer) sealed(message *codec.Message) bool {
	return message.Encryption != nil && c.spec.CryptoFailure != bridge.CryptoConsume
}

func (c *consumer) deliver(m *member, message *codec.Message) {
	c.permits--
	c.receiver.Deliver(message)
}

// memberAt finds the member that an id belongs to, nil if there is none. A
// topic without partitions takes ids of any partition: native clients number it 0.
func (c *consumer) memberAt(id *codec.MessageID) *member {
	at := place{"", id.Partition}
	if c.multi {
		at.topic = id.Topic
	}
	if m := c.places[at]; m != nil {
		return m
	}
	at.partition = notPartitioned
	if m := c.places[at]; m != nil {
		return m
	}
	if !c.multi && len(c.places) == 1 {
		for _, m := range c.places {
			if m.topic == m.base { // the topic is itself named as a partition
				return m
			}
		}
	}
	return nil
}

func (c *consumer) acknowledge(id *codec.MessageID) {
	m := c.memberAt(id)
	if m == nil || !m.keep {
		return
	}
	if c.letters != nil {
		c.letters.drop(id)
	}
	index, size := batchPlace(id)
	e := entryOf(id)
	if complete, native := c.entries.acknowledged(e, index, size); complete {
		if c.rewound {
			c.entries.repeated(e)
		}
		c.send(m, e, native, false)
	}
}

// send tells the broker that an entry is acknowledged, now or when there is a
// connection again. again says that it could not be told before.
func (c *consumer) send(m *member, e entryID, native pulsar.MessageID, again bool) {
	if m.live == nil {
		c.ackFailed(m, []entryID{e})
		return
	}
	id := native
	if id == nil {
		id = libraryID(e)
	}
	c.acks.add(m, id, e, again)
}

// ackFailed keeps what the broker does not know.
func (c *consumer) ackFailed(m *member, entries []entryID) {
	for _, e := range entries {
		c.entries.unsent(e)
	}
	m.owed = append(m.owed, entries...)
	c.unsettled.add(len(entries))
	if n := len(m.owed) - maxOwed; n > maxOwed/8 { // seldom, as it copies all
		m.owed = append(m.owed[:0:0], m.owed[n:]...)
		c.unsettled.add(-n)
	}
}

// maxOwed bounds the acknowledgements of a member that wait for a connection,
// but for an eighth more: those of all messages that a broker leaves unacknowledged, and
// those that make a consumer congested. The oldest are forgotten first; what they were for
// comes again.
const maxOwed = 80_000

func (c *consumer) redeliver(id *codec.MessageID) {
	m := c.memberAt(id)
	if m == nil || !m.keep {
		return
	}
	if c.letters != nil && c.letters.bury(id) {
		return
	}
	e := entryOf(id)
	native := c.entries.native(e)
	c.entries.released(e)
	if m.live == nil {
		// With the connection everything went back to the broker, but what comes
		// over the next one before that is reported may be this already.
		if len(m.again) < maxAhead {
			m.again = append(m.again, e)
		}
		return
	}
	c.askAgain(m, e, native)
}

// askAgain asks the broker for an entry of a member that has a connection.
func (c *consumer) askAgain(m *member, e entryID, native pulsar.MessageID) {
	c.rewound = c.ordered()
	switch direct := m.live.direct; {
	case direct != nil && native == nil:
		c.acks.redeliver(m, m.live, e)
	case direct != nil:
		for _, e := range direct.entriesOf(native) {
			c.acks.redeliver(m, m.live, e)
		}
	case native == nil:
		m.live.up.NackID(libraryID(e))
	default:
		m.live.up.NackID(native)
	}
}

func (c *consumer) memberLost(m *member, l *link) {
	if m.live != l {
		return // known, or about a consumer that is not reported yet
	}
	m.live, m.resuming = nil, true
	m.from.begin(l.id + 1)
	c.rewound = false
	c.entries.releasedAll()
	if c.letters != nil {
		c.letters.lost(m)
	}
	c.reopen(m)
}

func (c *consumer) reopen(m *member) {
	if c.ctx.Err() == nil {
		c.work.Go(func() { m.reopen(c.ctx) })
	}
}

func (c *consumer) memberReopened(m *member, l *link, err error) {
	if err != nil && c.pattern != nil {
		// The next search tries again.
		if !errors.Is(err, bridge.ErrNotFound) {
			c.u.log.Warn("leave a topic of a pattern", "topic", m.topic, "subscription", c.spec.Subscription, "error", err)
		}
		c.leave(m)
		return
	}
	if err != nil {
		if !c.lost && c.ctx.Err() == nil {
			c.lost = true
			c.receiver.Lost(err)
		}
		return
	}
	if l.lost.Load() {
		m.resuming = true // what came over it may have ended that
		m.from.begin(l.id + 1)
		c.reopen(m)
		return
	}
	c.connected(m, l)
}

// connected makes l what a member talks through, and says what could not be said before.
func (c *consumer) connected(m *member, l *link) {
	m.live = l
	m.from.begin(l.id)
	again := m.again
	m.again = nil
	c.sendOwed(m)
	for _, e := range again {
		c.askAgain(m, e, nil)
	}
}

// sendOwed tells the broker of what it could not be told of before.
func (c *consumer) sendOwed(m *member) {
	owed := m.owed
	m.owed = nil
	c.unsettled.add(-len(owed))
	for _, e := range owed {
		c.send(m, e, nil, true)
	}
}
