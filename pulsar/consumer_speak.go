package pulsar

import (
	"slices"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// spur has what is to be said said, at once or with what else the reader's callbacks bring. mu is held, and released.
func (x *Consumer) spur() {
	x.countLocked()
	c := x.on
	if !x.connected || x.listed || x.acks.parched || len(x.acks.flying) > 0 && len(x.acks.again) == 0 && !x.acks.all {
		c = nil
	} else if c.soon(x) {
		x.listed, c = true, nil
	}
	x.mu.Unlock()
	if c != nil {
		x.speak(c)
	}
}

// speak tells the broker what there is to tell, unless it has not answered what it was told before. Requests for redelivery do not
// wait for that, and go behind the acknowledgements that came before them.
func (x *Consumer) speak(c *conn) {
	x.mu.Lock()
	if x.on != c {
		x.mu.Unlock()
		return
	}
	x.listed = false
	a := x.acks
	if a == nil || !x.connected {
		x.mu.Unlock()
		return
	}
	a.parched = false
	var flights []*flight
	if wants := len(a.again) > 0 || a.all; len(a.flying) == 0 || wants && len(a.flying) < maxFlights {
		flights = x.takeOffLocked()
	}
	id := x.id
	commands := make([]*wire.Ack, len(flights))
	for i, f := range flights {
		commands[i] = x.ackCommand(f)
	}
	x.mu.Unlock()
	for i, f := range flights {
		if c.version < wire.VersionAckResponse {
			// An old broker answers none: that it was sent is all there is to know. There are at most as many as it was asked for messages.
			c.tell(commands[i])
			x.acked(c, id, f, nil)
			continue
		}
		c.request(func(request uint64) wire.Command {
			commands[i].RequestID, commands[i].HasRequestID = request, true
			return commands[i]
		}, func(_ wire.Command, err error) { x.acked(c, id, f, err) })
	}
	x.mu.Lock()
	if x.on != c || x.acks != a || len(a.pending) > 0 || a.hasCum || !a.all && len(a.again) == 0 {
		x.mu.Unlock()
		return
	}
	over := x.askAgainLocked(c) && x.state == consumerClosing && a.idle() // it has no answer that would end the consumer
	x.countLocked()
	tells := len(x.tells) > 0
	x.mu.Unlock()
	if over {
		x.end(ErrClosed)
		return
	}
	if tells {
		x.call()
	}
}

// askAgainLocked asks for the redelivery of what is to come again. It reports false if there is no room for that.
func (x *Consumer) askAgainLocked(c *conn) bool {
	a := x.acks
	cmd := &wire.Redeliver{ConsumerID: x.id, ConsumerEpoch: x.epoch, HasConsumerEpoch: x.o.ordered()}
	if !a.all {
		cmd.MessageIDs = make([]wire.MessageID, len(a.again))
		for i, k := range a.again {
			cmd.MessageIDs[i] = wire.MessageID{LedgerID: k.ledger, EntryID: k.entry}
		}
	}
	if a.parched = !c.redeliver(x, cmd); a.parched {
		return false
	}
	all := a.all
	a.again, a.all = nil, false
	if all {
		x.refillLocked() // what was held is gone, and the broker may be out of permits to send it again; behind the request, which is about what it has sent
	}
	return true
}

// takeOffLocked makes flights of what is pending.
func (x *Consumer) takeOffLocked() (list []*flight) {
	a := x.acks
	if a.hasCum {
		list = append(list, &flight{acks: []ack{a.cumulative}, cumulative: true})
		a.hasCum = false
	}
	for len(a.pending) > 0 && len(list) < maxFlights {
		n := 0
		for n < len(a.pending) && n < maxAckIDs && !a.pending[n].alone {
			n++
		}
		n = max(n, 1)
		f := &flight{acks: slices.Clone(a.pending[:n])}
		for i := range f.acks {
			if b := f.acks[i].batch; b != nil {
				b.queued = false
			}
		}
		a.pending = a.pending[n:]
		list = append(list, f)
		a.unsent += n
	}
	if len(a.pending) == 0 {
		a.pending = nil
	}
	a.flying = append(a.flying, list...)
	return list
}

// ackCommand is the command of a flight, but for its request id.
func (x *Consumer) ackCommand(f *flight) *wire.Ack {
	cmd := &wire.Ack{ConsumerID: x.id}
	if f.cumulative {
		k := &f.acks[0]
		id := wire.MessageID{LedgerID: k.at.ledger, EntryID: k.at.entry}
		switch {
		case k.index < 0 || k.index+1 >= k.size: // all of the entry
		case x.o.AckBatchIndexes && k.size <= maxBatch:
			b := batchState{size: k.size, left: k.size}
			for i := range k.index + 1 {
				b.set(i)
			}
			id.AckSet, id.BatchSize = b.ackSet(), k.size
		default:
			id.EntryID-- // all in front of it
		}
		cmd.AckType, cmd.MessageIDs = wire.Cumulative, []wire.MessageID{id}
		return cmd
	}
	cmd.MessageIDs = make([]wire.MessageID, len(f.acks))
	for i, k := range f.acks {
		cmd.MessageIDs[i] = wire.MessageID{LedgerID: k.at.ledger, EntryID: k.at.entry}
		if k.batch != nil && k.batch.left > 0 {
			cmd.MessageIDs[i].AckSet, cmd.MessageIDs[i].BatchSize = k.batch.ackSet(), k.batch.size
		}
	}
	return cmd
}

// acked takes the broker's answer to an ACK. What it refuses is sent once more, each entry alone: one that it cannot acknowledge is not to
// keep it from others. If it does not answer, the consumer is made anew, and all is sent again.
func (x *Consumer) acked(c *conn, id uint64, f *flight, err error) {
	x.mu.Lock()
	a := x.acks
	at := -1
	if x.on == c && x.id == id && a != nil {
		at = slices.Index(a.flying, f)
	}
	if at < 0 { // it went back to what is pending
		x.mu.Unlock()
		return
	}
	if _, refused := code(err); err != nil && !refused {
		n := x.attempt
		x.mu.Unlock()
		c.leave(id)
		x.failed(n, err)
		return
	}
	a.flying = slices.Delete(a.flying, at, at+1)
	if !f.cumulative {
		a.unsent -= len(f.acks)
	}
	if err != nil && !f.cumulative {
		for i := range f.acks {
			if len(f.acks) > 1 || !f.acks[i].alone {
				f.acks[i].alone = true
				a.add(f.acks[i])
			}
		}
	}
	x.countLocked()
	over := x.state == consumerClosing && a.idle()
	tells := len(x.tells) > 0
	x.mu.Unlock()
	if err != nil {
		x.client.o.Log.Debug("acknowledgements are refused", "topic", x.topic, "subscription", x.subscription, "entries", len(f.acks), "error", err)
	}
	if over {
		x.end(ErrClosed)
		return
	}
	if tells {
		x.call()
	}
	x.speak(c)
}
