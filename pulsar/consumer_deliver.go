package pulsar

import (
	"errors"
	"log/slog"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// message takes a MESSAGE, on the goroutine of c.
func (x *Consumer) message(c *conn, cmd *wire.Message, entry []byte) {
	u := &c.unpack
	n, err := u.take(cmd, entry)
	x.mu.Lock()
	if x.on != c || x.id != cmd.ConsumerID || !x.connected || x.state != consumerOpen {
		x.mu.Unlock()
		return
	}
	x.doubted = 0
	x.wait.works(&x.client.o)
	size := len(entry)
	if err == nil {
		size = max(size, min(int(u.meta.UncompressedSize), x.o.maxMessageSize()))
	}
	x.flows.came(n, size)
	if x.seeking || cmd.HasConsumerEpoch && cmd.ConsumerEpoch < x.epoch && x.o.ordered() {
		x.refillLocked() // it comes again, if it is to
		x.mu.Unlock()
		return
	}
	u.gen = x.gen
	if err != nil {
		x.discardLocked(u, err)
		x.refillLocked()
		x.mu.Unlock()
		return
	}
	if x.busy || x.held != nil {
		x.missed = x.missed || x.busy
		x.holdLocked(u, false)
		x.refillLocked()
		x.mu.Unlock()
		return
	}
	x.busy = true
	x.stirLocked(c)
	x.mu.Unlock()
	rest := x.unpack(c, u)
	x.mu.Lock()
	if rest && u.gen == x.gen {
		x.holdLocked(u, true) // what came meanwhile is behind it
	}
	x.refillLocked()
	x.restLocked()
}

// stirLocked has rest called once the reader of c has done what it is at, on whose goroutine this is called.
func (x *Consumer) stirLocked(c *conn) {
	if x.resting != c.serial {
		x.resting = c.serial
		c.stirred = append(c.stirred, x)
	}
}

// rest tells the owner that the reader of c delivers nothing more for now. Where the consumer has another connection by now,
// that one's reader tells so, too.
func (x *Consumer) rest(c *conn) {
	x.mu.Lock()
	if x.resting == c.serial {
		x.resting = 0
	}
	x.mu.Unlock()
	if r, ok := x.handler.(Rester); ok {
		r.Rest(x)
	}
}

// resume has what is held handed out, as there are permits again. It reports false if it is not x's turn that this takes: it has
// nothing or no connection, or is at work and looks for permits anyway.
func (x *Consumer) resume() bool {
	x.mu.Lock()
	c := x.on
	if x.busy {
		x.missed = true // what is under way may be about to be held
		c = nil
	} else if !x.connected || x.held == nil {
		c = nil
	}
	x.mu.Unlock()
	return c != nil && c.post(x)
}

// handOut delivers what is held as far as there are permits, on the goroutine of c.
func (x *Consumer) handOut(c *conn) {
	defer x.permits.pass(x)
	x.mu.Lock()
	if x.on != c || !x.connected {
		x.mu.Unlock()
		return
	}
	if x.busy {
		x.missed = true
		x.mu.Unlock()
		return
	}
	x.busy = true
	x.stirLocked(c)
	for x.held != nil && x.on == c {
		u := x.held.entries[0]
		before := u.charged
		x.mu.Unlock()
		rest := x.unpack(c, u)
		x.mu.Lock()
		if u.gen != x.gen {
			continue // it is not held any more
		}
		x.held.messages -= before - u.charged
		if rest {
			break
		}
		x.releaseLocked()
	}
	x.refillLocked()
	x.restLocked()
}

// unpack delivers the messages of an entry. It reports true if there is one left and no permit. busy is ours.
func (x *Consumer) unpack(c *conn, u *unpacker) (rest bool) {
	if !u.opened {
		if done, err := x.unwrap(c, u); err != nil {
			x.mu.Lock()
			if u.gen == x.gen {
				x.discardLocked(u, err)
			}
			x.mu.Unlock()
			return false
		} else if done {
			return false
		}
	}
	for {
		x.mu.Lock()
		if u.gen != x.gen || u.index >= u.size {
			x.mu.Unlock()
			return false
		}
		if more := x.moreLocked(u); !x.permits.take(x, more) {
			x.mu.Unlock()
			return more
		}
		m, err := x.nextLocked(u)
		if err != nil {
			x.discardLocked(u, err)
		}
		x.mu.Unlock()
		if m == nil {
			x.permits.give()
			return false
		}
		x.handler.Deliver(x, m)
		if x.o.AckDelivered {
			x.ackDelivered(u.gen, &m.ID)
		}
	}
}

// moreLocked reports whether there may be a message left.
func (x *Consumer) moreLocked(u *unpacker) bool { return u.index < u.size && u.charged > 0 }

// nextLocked takes the next message out that is to be delivered; nil: there is none.
func (x *Consumer) nextLocked(u *unpacker) (*Received, error) {
	if !u.looked && x.keeps() && (x.acks != nil || len(u.left) > 0) {
		a, all := x.acksLocked(), false
		if u.meta.IsBatch && u.size > 1 && u.sealed == nil {
			u.batch, all = a.batches.came(u.at, u.size, u.left)
		} else {
			all = a.batches.cameAlone(u.at)
		}
		if all { // and the broker does not know it
			a.add(ack{at: u.at})
			x.listLocked()
			return nil, nil
		}
	}
	if u.looked = true; u.batch == nil && u.meta.IsBatch && x.acks != nil { // it may be acknowledged since, from an earlier delivery
		u.batch = x.acks.batches.all[u.at]
	}
	for {
		m, gone, err := u.next()
		if m == nil || err != nil {
			return nil, err
		}
		if u.index >= u.size && x.acks != nil && x.acks.rewound && u.at.after(x.acks.passed) {
			x.acks.passed = u.at
		}
		index, size := placeInBatch(&m.ID)
		if gone {
			if x.keeps() { // nobody will acknowledge it
				if b, _, complete := x.acksLocked().batches.acknowledge(u.at, m.ID.BatchIndex, u.size); complete && !b.queued {
					x.acks.add(ack{at: u.at})
					x.listLocked()
				}
			}
			continue
		}
		if index >= 0 && u.batch != nil && u.batch.isAcked(index) {
			continue
		}
		if x.place != nil && !x.place.admits(u.at, index) {
			if x.o.AckDelivered {
				x.ackUpToLocked(u.at, index, size)
				x.listLocked()
			}
			continue
		}
		m.ID.Partition = x.partition
		return m, nil
	}
}

// listLocked has what is to be said said once the reader is done, on its goroutine.
func (x *Consumer) listLocked() {
	if x.connected && !x.listed && x.on.soon(x) {
		x.listed = true
	}
}

// unwrap decrypts, decompresses and completes an entry. done says that there is nothing to deliver.
func (x *Consumer) unwrap(c *conn, u *unpacker) (done bool, err error) {
	u.opened = true
	if u.meta.HasMarkerType { // what brokers write for each other
		x.acknowledge(u)
		return true, nil
	}
	chunked := u.meta.NumChunksFromMsg > 1
	if u.decrypt(x.o); u.sealed != nil {
		switch x.o.Sealed {
		case SealedLeave:
			x.client.o.Log.Debug("a message cannot be decrypted, and stays", "topic", x.topic, "subscription", x.subscription, "error", u.sealed)
			return true, nil
		case SealedDiscard:
			x.client.o.Log.Debug("a message cannot be decrypted, and is discarded", "topic", x.topic, "subscription", x.subscription, "error", u.sealed)
			x.acknowledge(u)
			return true, nil
		}
		return false, nil
	}
	if chunked && x.o.SingleChunks {
		return false, nil // a part of what was compressed cannot be decompressed
	}
	if chunked {
		if whole, err := x.collect(u); err != nil || !whole {
			return true, err
		}
	}
	held := u != &c.unpack
	scratch := c.scratch
	if held {
		scratch = nil // another entry may be using it
	}
	scratch, err = u.decompress(x.o, scratch)
	if !held {
		c.scratch = scratch
	} else if err == nil {
		u.own = true
	}
	return false, err
}

// acknowledge acknowledges an entry that is not delivered.
func (x *Consumer) acknowledge(u *unpacker) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if u.gen == x.gen && x.keeps() {
		x.acksLocked().add(ack{at: u.at})
		x.listLocked()
	}
}

// discardLocked acknowledges an entry that nobody can read, and says why.
func (x *Consumer) discardLocked(u *unpacker, err error) {
	var f *fault
	if !errors.As(err, &f) || !x.connected {
		return
	}
	x.client.unreadable.Log(x.client.o.Log, slog.LevelError, "a message cannot be read, and is discarded",
		"topic", x.topic, "subscription", x.subscription, "ledger", u.at.ledger, "entry", u.at.entry, "error", f.err)
	if x.keeps() {
		x.on.tell(&wire.Ack{ // as many as there were permits, at most
			ConsumerID: x.id, MessageIDs: []wire.MessageID{{LedgerID: u.at.ledger, EntryID: u.at.entry}}, ValidationError: f.reason, HasValidationError: true,
		})
	}
}
