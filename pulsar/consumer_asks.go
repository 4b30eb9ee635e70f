package pulsar

import (
	"errors"
	"fmt"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// request asks the broker something about the consumer. done is called exactly once.
func (x *Consumer) request(build func(consumer, request uint64) wire.Command, done func(wire.Command, error)) {
	x.mu.Lock()
	c, id := x.on, x.id
	var err error
	switch {
	case x.state == consumerDead:
		err = x.close.err
	case x.state == consumerClosing:
		err = ErrClosed
	case !x.connected:
		err = ErrConnection
	}
	x.mu.Unlock()
	if err != nil {
		done(nil, err)
		return
	}
	c.request(func(request uint64) wire.Command { return build(id, request) }, done)
}

// LastMessageID asks for the topic's last message; EntryID -1: it has none. BatchIndex is that of the last message in a
// batch, or -1. A consumer that has no connection fails by [ErrConnection].
func (x *Consumer) LastMessageID(done func(id MessageID, err error)) {
	x.places(func(answer *wire.GetLastMessageIDResponse, err error) {
		if err != nil {
			done(MessageID{}, err)
			return
		}
		last := &answer.LastMessageID
		id := MessageID{LedgerID: int64(last.LedgerID), EntryID: int64(last.EntryID), Partition: x.partition, BatchIndex: -1}
		if last.HasBatchIndex && last.BatchIndex >= 0 && id.EntryID >= 0 {
			id.BatchIndex, id.BatchSize = last.BatchIndex, last.BatchSize
		}
		done(id, nil)
	})
}

// Acknowledged asks up to which message all is acknowledged on the subscription, that message included. What the broker has deleted or keeps back counts
// as acknowledged. LedgerID -1: the broker does not tell. A consumer that has no connection fails by [ErrConnection].
func (x *Consumer) Acknowledged(done func(id MessageID, err error)) {
	x.places(func(answer *wire.GetLastMessageIDResponse, err error) {
		id := EarliestMessageID
		if err == nil && answer.ConsumerMarkDeletePosition != nil {
			id.LedgerID, id.EntryID = int64(answer.ConsumerMarkDeletePosition.LedgerID), int64(answer.ConsumerMarkDeletePosition.EntryID)
			id.Partition = x.partition
		}
		done(id, err)
	})
}

// places asks where the topic ends, and where the subscription is.
func (x *Consumer) places(done func(*wire.GetLastMessageIDResponse, error)) {
	x.request(func(consumer, request uint64) wire.Command {
		return &wire.GetLastMessageID{ConsumerID: consumer, RequestID: request}
	}, func(cmd wire.Command, err error) {
		answer, ok := cmd.(*wire.GetLastMessageIDResponse)
		if err == nil && !ok {
			err = unexpected(cmd)
		}
		done(answer, err)
	})
}

// errDeleted ends a consumer whose subscription was deleted over a connection that broke.
var errDeleted = fmt.Errorf("%w: the subscription was deleted", ErrClosed)

// Unsubscribe deletes the subscription and ends the consumer, or leaves both as they are. With force
// the consumers that others have do not prevent it. It fails with [ErrConnection] if there is no connection or it breaks. Then the subscription may be
// deleted: it is not made again, and who asks again learns of it.
func (x *Consumer) Unsubscribe(force bool, done func(error)) {
	x.mu.Lock()
	before := x.unsure
	if x.connected && x.keeps() && !x.o.NonDurable {
		x.unsure = true
	}
	x.mu.Unlock()
	x.request(func(consumer, request uint64) wire.Command {
		return &wire.Unsubscribe{ConsumerID: consumer, RequestID: request, Force: force}
	}, func(_ wire.Command, err error) {
		if errors.Is(err, errDeleted) {
			x.Close(func() { done(nil) })
			return
		}
		if err != nil {
			if _, refused := code(err); refused {
				x.mu.Lock()
				x.unsure = before || x.unsure && !x.connected // an attempt may be finding out
				x.mu.Unlock()
			}
			done(err)
			return
		}
		x.mu.Lock()
		x.acks = nil // the broker would not answer
		x.countLocked()
		x.mu.Unlock()
		x.Close(func() { done(nil) })
	})
}

// probedLocked takes the answer to a SUBSCRIBE that does not make the subscription again which may be deleted: that of one that is not durable, and gone with
// its consumer. A broker refuses it while there is a durable one by that name; then the next attempt is as always.
func (x *Consumer) probedLocked(err error) error {
	if err == nil {
		return errDeleted
	}
	if c, _ := code(err); c == wire.NotAllowedError {
		x.unsure = false
		return errors.New("the subscription is still there")
	}
	return err
}

// Seek moves the subscription to a message: that is the next one that is delivered. All consumers of the subscription reconnect.
func (x *Consumer) Seek(id *MessageID, done func(error)) {
	to := *id
	x.seek(func(cmd *wire.Seek) {
		cmd.MessageID = &wire.MessageID{LedgerID: uint64(to.LedgerID), EntryID: uint64(to.EntryID)}
		if to.BatchIndex >= 0 {
			// The broker begins with the batch, and is told what of it is not wanted.
			cmd.MessageID.BatchIndex, cmd.MessageID.HasBatchIndex = to.BatchIndex, true
			if to.BatchSize > to.BatchIndex && to.BatchSize <= maxBatch {
				b := batchState{size: to.BatchSize, left: to.BatchSize}
				for i := range to.BatchIndex {
					b.set(i)
				}
				cmd.MessageID.AckSet, cmd.MessageID.BatchSize = b.ackSet(), to.BatchSize
			}
		}
	}, func(p *placing) {
		*p = placing{inclusive: true, resuming: true}
		p.set(&to)
		p.latest = to.LedgerID == LatestMessageID.LedgerID
	}, done)
}

// seek has the broker move the subscription. Until it has connected the consumer again, what comes is from before.
func (x *Consumer) seek(fill func(*wire.Seek), move func(*placing), done func(error)) {
	x.mu.Lock()
	if x.seeking || !x.connected || x.state != consumerOpen {
		x.mu.Unlock()
		done(fmt.Errorf("%w: the consumer is not connected, or is being moved", ErrConnection))
		return
	}
	c := x.on
	x.mu.Unlock()
	x.speak(c)
	x.mu.Lock()
	x.seeking = true
	x.voidLocked()
	x.acks = nil // what was acknowledged and not sent does not matter any more
	x.countLocked()
	x.terminated = false
	var before placing
	if x.place != nil {
		before = *x.place
		move(x.place)
	}
	x.mu.Unlock()
	x.request(func(consumer, request uint64) wire.Command {
		cmd := &wire.Seek{ConsumerID: consumer, RequestID: request}
		fill(cmd)
		return cmd
	}, func(_ wire.Command, err error) {
		x.mu.Lock()
		still := x.on == c && x.connected // the broker has not closed the consumer
		if err != nil && x.place != nil {
			*x.place = before
		}
		n := x.attempt
		x.mu.Unlock()
		if still { // what it has sent and we have dropped is to come again
			x.mu.Lock()
			id := x.id
			x.mu.Unlock()
			c.leave(id)
			x.failed(n, fmt.Errorf("%s has moved the subscription", c.to))
		}
		done(err)
	})
}
