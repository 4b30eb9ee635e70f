package pulsar

import (
	"errors"
	"fmt"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// The steps of an attempt to have the consumer at a broker. Each looks whether the
// attempt is still the current one.

// connect begins an attempt.
func (x *Consumer) connect() {
	x.mu.Lock()
	if x.trying == nil || x.state >= consumerClosing {
		x.mu.Unlock()
		return
	}
	x.attempt++
	n := x.attempt
	assigned := x.trying.assigned
	x.trying.assigned = ""
	s := x.elsewhere
	x.mu.Unlock()
	x.client.connTo(s, assigned, x.topic, x.o.Principal, func(c *conn, err error) {
		if err != nil {
			x.failed(n, err)
			return
		}
		x.subscribe(n, c)
	})
}

// subscribe asks the broker for the consumer. Its id is a new one each time, so that
// nothing that is said about an earlier one is taken for this.
func (x *Consumer) subscribe(n uint32, c *conn) {
	id := x.client.consumerID.Add(1)
	x.mu.Lock()
	if x.attempt != n || x.state >= consumerClosing {
		x.mu.Unlock()
		return
	}
	x.on, x.id = c, id
	o := x.o
	cmd := &wire.Subscribe{
		Topic: x.topic, Subscription: x.subscription, SubType: o.Type, ConsumerID: id, ConsumerName: o.Name, PriorityLevel: o.PriorityLevel,
		NonDurable: o.NonDurable || x.unsure, Metadata: o.Properties, ReadCompacted: o.ReadCompacted, Schema: o.Schema, InitialPosition: o.InitialPosition,
		ReplicateSubscriptionState: o.ReplicateState, NoTopicCreation: o.NoTopicCreation, SubscriptionProperties: o.SubscriptionProperties,
		ConsumerEpoch: x.epoch, HasConsumerEpoch: o.ordered(),
	}
	if o.Type == wire.KeyShared {
		if cmd.KeySharedMeta = o.KeyShared; cmd.KeySharedMeta == nil {
			cmd.KeySharedMeta = &wire.KeySharedMeta{}
		}
	}
	switch {
	case x.place != nil:
		cmd.StartMessageID = x.place.start()
		cmd.StartMessageRollbackDurationSec = x.place.rollback(time.Now())
	case o.NonDurable && (o.Start != nil || !o.StartTime.IsZero()):
		p := newPlacing(o)
		cmd.StartMessageID, cmd.StartMessageRollbackDurationSec = p.start(), p.rollback(time.Now())
	}
	x.mu.Unlock()
	if err := c.consumers.add(id, x); err != nil {
		x.failed(n, err)
		return
	}
	c.request(func(request uint64) wire.Command {
		cmd.RequestID = request
		return cmd
	}, func(answer wire.Command, err error) {
		if _, ok := answer.(*wire.Success); err == nil && !ok {
			err = unexpected(answer)
		}
		x.subscribed(n, c, id, err)
	})
}

// subscribed takes the broker's answer.
func (x *Consumer) subscribed(n uint32, c *conn, id uint64, err error) {
	x.mu.Lock()
	if x.attempt != n || x.state >= consumerClosing {
		x.mu.Unlock()
		if err == nil {
			c.leave(id) // nobody wants it any more
		}
		return
	}
	if x.unsure {
		err = x.probedLocked(err)
	}
	if err != nil {
		x.mu.Unlock()
		if !errors.Is(err, ErrTooMany) { // else it was not asked
			c.leave(id) // also if the broker creates it after we stopped waiting
		}
		x.failed(n, err)
		return
	}
	if x.place != nil && x.place.latest {
		x.mu.Unlock()
		x.pin(n, c, id)
		return
	}
	x.establish(c)
}

// leave makes the broker forget a consumer.
func (c *conn) leave(id uint64) {
	c.consumers.remove(id)
	c.dismiss(func(request uint64) wire.Command {
		return &wire.CloseConsumer{ConsumerID: id, RequestID: request}
	}, func(wire.Command, error) {})
}

// pin asks where the end is that the subscription begins at: without that, it would begin at a later end if
// the connection was lost before the first message.
func (x *Consumer) pin(n uint32, c *conn, id uint64) {
	c.request(func(request uint64) wire.Command {
		return &wire.GetLastMessageID{ConsumerID: id, RequestID: request}
	}, func(answer wire.Command, err error) {
		last, ok := answer.(*wire.GetLastMessageIDResponse)
		if err == nil && !ok {
			err = unexpected(answer)
		}
		x.mu.Lock()
		if x.attempt != n || x.state >= consumerClosing {
			x.mu.Unlock()
			return // whoever ended the attempt has left
		}
		if err != nil {
			x.mu.Unlock()
			c.leave(id)
			x.failed(n, err)
			return
		}
		x.place.pin(&last.LastMessageID)
		x.establish(c)
	})
}

// establish makes the consumer connected. mu is held, and released. What is acknowledged goes first, then nothing
// of it comes again.
func (x *Consumer) establish(c *conn) {
	x.connected, x.trying, x.seeking = true, nil, false
	x.wait.up()
	x.flows.begin()
	if x.state == consumerOpening {
		x.state = consumerOpen
		x.tells = append(x.tells, func() { x.handler.Opened(x, nil) })
	} else {
		x.tellLocked(Connected)
		x.doubtLocked()
	}
	x.mu.Unlock()
	x.speak(c)
	x.mu.Lock()
	x.refillLocked()
	x.mu.Unlock()
	x.call()
}

// failed ends an attempt. The next follows, unless there is no hope.
func (x *Consumer) failed(n uint32, err error) {
	x.mu.Lock()
	if x.attempt != n || x.state == consumerDead {
		x.mu.Unlock()
		return
	}
	if x.state == consumerClosing {
		x.mu.Unlock()
		x.end(ErrClosed)
		return
	}
	x.partLocked()
	if err != errDoubt {
		x.doubted = 0
	}
	x.wait.down()
	first := x.wait.last == 0
	wait := x.wait.next(&x.client.o)
	if first && x.trying.assigned != "" {
		wait = 0 // there is a broker to go to
	}
	if x.state == consumerOpening && (isConsumerRefusal(err) || time.Now().Add(wait).After(x.trying.until)) || isConsumerFinal(err) {
		x.mu.Unlock()
		x.end(err)
		return
	}
	x.attempt++ // what else this one brings does not matter
	x.client.alarms.set(&x.trying.again, wait)
	x.mu.Unlock()
	x.client.o.Log.Debug("a consumer tries again", "topic", x.topic, "subscription", x.subscription, "in", wait, "error", err)
	x.call()
}

// partLocked takes leave of the connection: what came over it and is not delivered will come again.
func (x *Consumer) partLocked() {
	if x.on != nil {
		x.on.consumers.remove(x.id)
	}
	if x.connected {
		x.tellLocked(Disconnected)
	}
	if x.trying == nil {
		x.trying = &trying{}
		x.trying.again.ring = x.connect
	}
	x.on, x.connected, x.listed = nil, false, false
	x.voidLocked()
	x.acks.partLocked()
	if x.acks != nil && x.place != nil && x.o.AckDelivered {
		// It begins again, perhaps with chunks in front of what was delivered: those are not acknowledged. What comes once more is, then.
		x.acks.hasCum = false
	}
	x.countLocked()
}

// voidLocked drops what is held.
func (x *Consumer) voidLocked() {
	x.gen++
	x.held = nil
	if x.place != nil {
		x.place.interrupted(x.parts.oldest())
	}
	x.parts.clear(x.client)
	x.reserveLocked()
}

// isConsumerRefusal reports that a consumer cannot be created. What passes soon is tried again.
func isConsumerRefusal(err error) bool { return isRefusal(err) }

// isConsumerFinal reports that a consumer cannot be had again, however often it is tried.
func isConsumerFinal(err error) bool {
	c, ok := code(err)
	if !ok {
		return errors.Is(err, ErrClosed)
	}
	switch c {
	case wire.TopicNotFound, wire.SubscriptionNotFound, wire.AuthenticationError, wire.AuthorizationError, wire.IncompatibleSchema,
		wire.InvalidTopicName, wire.NotAllowedError, wire.UnsupportedVersionError:
		return true
	}
	return false
}

// lost says that the connection is dead.
func (x *Consumer) lost(c *conn, err error) {
	x.mu.Lock()
	n, mine := x.attempt, x.on == c
	x.mu.Unlock()
	if mine {
		x.failed(n, err)
	}
}

// closedByBroker takes a CLOSE_CONSUMER. assigned is the URL of the broker that has the topic
// now, if that is known.
func (x *Consumer) closedByBroker(c *conn, id uint64, assigned string) {
	x.mu.Lock()
	if x.on != c || x.id != id || x.state == consumerDead {
		x.mu.Unlock()
		return
	}
	n := x.attempt
	if c.to.proxyTo != "" {
		assigned = "" // that broker itself may be out of reach: the lookup says how to go there
	}
	if x.trying == nil {
		x.trying = &trying{}
		x.trying.again.ring = x.connect
	}
	x.trying.assigned = assigned
	x.mu.Unlock()
	x.failed(n, fmt.Errorf("%s has closed the consumer", c.to))
}

// migrated takes a TOPIC_MIGRATED: url is the other cluster's. CLOSE_CONSUMER follows.
func (x *Consumer) migrated(id uint64, url string) {
	s := x.client.otherCluster(x.topic, url)
	if s == nil {
		return
	}
	x.mu.Lock()
	if x.id == id {
		x.elsewhere = s
	}
	x.mu.Unlock()
}

// Close ends the consumer: what is not acknowledged goes back to the broker. Nothing is delivered from now on but what is being
// delivered. done, which may be nil, is called when the broker has let go and no method of the handler is being called.
func (x *Consumer) Close(done func()) {
	x.mu.Lock()
	if done != nil {
		e := x.endingLocked()
		e.closers = append(e.closers, done)
	}
	switch x.state {
	case consumerDead:
		if x.on == nil { // it has ended for good
			x.farewellLocked()
		}
		x.mu.Unlock()
		x.call()
		return
	case consumerClosing:
		x.mu.Unlock()
		return
	case consumerOpening:
		x.tells = append(x.tells, func() { x.handler.Opened(x, ErrClosed) })
	}
	x.state = consumerClosing
	x.voidLocked()
	x.acks.closeLocked(x.o)
	c := x.on
	over := !x.connected || x.acks.idle()
	x.mu.Unlock()
	if over {
		x.end(ErrClosed)
		return
	}
	x.speak(c) // which ends it when all is said and answered
}

// farewellLocked has those called that wait for the end.
func (x *Consumer) farewellLocked() {
	x.tells = append(x.tells, x.close.closers...)
	x.close.closers = nil
}

// end makes the consumer dead.
func (x *Consumer) end(err error) {
	x.mu.Lock()
	if x.state == consumerDead {
		x.mu.Unlock()
		return
	}
	x.acks = nil
	x.countLocked()
	was := x.state
	x.state = consumerDead
	x.endingLocked().err = err
	x.attempt++
	on, id, t := x.on, x.id, x.trying
	x.connected, x.trying = false, nil
	x.voidLocked()
	switch was {
	case consumerOpening:
		x.tells = append(x.tells, func() { x.handler.Opened(x, err) })
	case consumerOpen:
		x.tells = append(x.tells, func() { x.handler.Ended(x, err) })
	}
	x.mu.Unlock()

	if t != nil {
		x.client.alarms.clear(&t.again)
	}
	x.permits.forget(x)
	leave(x.client, x.client.consumers, x, x.o.Principal)
	finished := func(wire.Command, error) {
		x.mu.Lock()
		x.on = nil
		x.farewellLocked()
		x.mu.Unlock()
		x.call()
	}
	x.call()
	if on == nil {
		finished(nil, nil)
		return
	}
	on.consumers.remove(id)
	on.dismiss(func(request uint64) wire.Command {
		return &wire.CloseConsumer{ConsumerID: id, RequestID: request}
	}, finished)
}
