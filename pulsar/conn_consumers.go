package pulsar

import (
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// What a connection does for its consumers.

// cork makes the writer wait, unless there is a whole chunk for it, while the reader hands out what it has
// read: the messages that callbacks publish meanwhile leave together, and so do acknowledgements. It returns whose held messages are to be
// handed out.
func (c *conn) cork() (posted []*Consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = true
	posted, c.posted = c.posted, nil
	if c.poked {
		c.poked = false
		_ = c.nc.SetReadDeadline(time.Time{}) // the next read shows what is wrong with it
	}
	return posted
}

// uncork lets the writer go on. It reports that the reader has more to do before it reads.
func (c *conn) uncork() (more bool) {
	c.mu.Lock()
	for len(c.acking) > 0 {
		list := c.acking
		c.acking = nil
		c.mu.Unlock()
		for _, x := range list {
			x.speak(c)
		}
		c.mu.Lock()
	}
	c.corked = false
	c.wakeLocked()
	more = len(c.posted) > 0
	c.mu.Unlock()
	return more
}

// rest tells the consumers that were given something, and whose messages were answered, that the reader has no more for now.
func (c *conn) rest() {
	c.restAnswered()
	for i, x := range c.stirred {
		c.stirred[i] = nil
		x.rest(c)
	}
	c.stirred = c.stirred[:0]
}

// handleForConsumers does what a command asks for that concerns consumers.
func (c *conn) handleForConsumers(cmd wire.Command) {
	switch cmd := cmd.(type) {
	case *wire.AckResponse:
		if !cmd.HasRequestID {
			return
		}
		if cmd.HasError {
			c.answer(cmd.RequestID, nil, brokerError(cmd.Error, cmd.Message))
		} else {
			c.answer(cmd.RequestID, cmd, nil)
		}
	case *wire.GetLastMessageIDResponse:
		c.answer(cmd.RequestID, cmd, nil)
	case *wire.GetTopicsResponse:
		c.answer(cmd.RequestID, cmd, nil)
	case *wire.WatchTopicListSuccess:
		c.answer(cmd.RequestID, cmd, nil)
	case *wire.WatchTopicUpdate:
		if w := c.watches.find(cmd.WatcherID); w != nil {
			w.update(c, cmd)
		}
	case *wire.CloseConsumer:
		if x := c.consumers.find(cmd.ConsumerID); x != nil {
			c.consumers.remove(cmd.ConsumerID)
			url := pickURL(c.to.tls, cmd.AssignedBrokerServiceURL, cmd.AssignedBrokerServiceURLTLS)
			x.closedByBroker(c, cmd.ConsumerID, url)
		}
	case *wire.ReachedEndOfTopic:
		if x := c.consumers.find(cmd.ConsumerID); x != nil {
			x.event(c, cmd.ConsumerID, EndOfTopic)
		}
	case *wire.ActiveConsumerChange:
		if x := c.consumers.find(cmd.ConsumerID); x != nil {
			e := Inactive
			if cmd.IsActive {
				e = Active
			}
			x.event(c, cmd.ConsumerID, e)
		}
	}
}

// longAgo is a deadline that is over.
var longAgo = time.Unix(1, 0)

// post makes the reader call x.handOut: nobody else delivers anything. It does not wait for the
// broker to send something. It reports false if the connection is dead; one that dies meanwhile passes x's turn.
func (c *conn) post(x *Consumer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != connUp {
		return false
	}
	c.posted = append(c.posted, x)
	if !c.corked && !c.poked {
		c.poked = true
		_ = c.nc.SetReadDeadline(longAgo) // the next read shows what is wrong with it
	}
	return true
}

// soon reports that the reader is at work, and will call x.speak when it is done with what it has read.
func (c *conn) soon(x *Consumer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corked && c.state == connUp {
		c.acking = append(c.acking, x)
		return true
	}
	return false
}

// flow grants a consumer so many messages more. It is never lost while the connection lives; how many wait to be written is bounded,
// as they follow from messages that came.
func (c *conn) flow(id uint64, n int) {
	c.mu.Lock()
	if c.state == connUp {
		c.out.put(wire.AppendFlow(c.out.room(64), &wire.Flow{ConsumerID: id, MessagePermits: uint32(n)}))
		c.wakeLocked()
	}
	c.mu.Unlock()
}

// redeliver queues a request for redelivery. It reports false if there is no room: then x.speak will be called.
func (c *conn) redeliver(x *Consumer, cmd *wire.Redeliver) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connUp {
		if c.out.isFull() {
			c.parched = append(c.parched, x)
			return false
		}
		c.out.command(cmd)
		c.wakeLocked()
	}
	return true
}
