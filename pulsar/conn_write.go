package pulsar

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// How a connection writes: what is queued, and by whose turn.

// readyLocked reports that the writer has something to do.
func (c *conn) readyLocked() bool { return c.out.bytes > 0 && !c.corked || c.out.bytes >= chunkSize }

func (c *conn) wakeLocked() {
	if c.asleep && c.readyLocked() {
		c.asleep = false
		c.work.Signal()
	}
}

// write writes what gathers in the outbox until the connection is dead.
func (c *conn) write(nc net.Conn) {
	var parts []part
	var all net.Buffers
	for {
		c.mu.Lock()
		c.out.recycle(parts)
		for c.state == connUp && !c.readyLocked() {
			c.asleep = true
			c.work.Wait()
		}
		if c.state == connDead {
			c.mu.Unlock()
			return
		}
		parts = c.out.take(parts)
		thirsty, parched := c.thirsty, c.parched
		c.thirsty, c.parched = nil, nil
		c.mu.Unlock()
		c.quench(thirsty)
		for _, x := range parched {
			x.speak(c)
		}
		all = all[:0]
		for _, p := range parts {
			all = append(all, p.b)
		}
		err := c.put(nc, all)
		clear(all)
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// quench gives producers that have waited for room what there is. Those that get none are the
// first of the next round: else who has very much to send would take it all each time.
func (c *conn) quench(thirsty []*Producer) {
	for i, p := range thirsty {
		if c.putBack(thirsty[i:]) {
			return
		}
		p.room(c)
	}
}

// putBack reports that there is no room, and notes that rest wait for it before all others.
func (c *conn) putBack(rest []*Producer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != connUp || !c.out.isFull() {
		return false
	}
	c.thirsty = append(rest, c.thirsty...)
	return true
}

// put writes all. A broker that takes nothing for two keep-alives is as dead as one that says
// nothing; one that takes it slowly, as it does when it holds a topic to a rate, is not.
func (c *conn) put(nc net.Conn, all net.Buffers) error {
	_, secure := nc.(*tls.Conn)
	for len(all) > 0 {
		if err := nc.SetWriteDeadline(time.Now().Add(2 * c.client.o.KeepAlive)); err != nil {
			return err
		}
		if secure { // what a time-out cuts off cannot be gone on with, so that each part has its own
			part := all[0][:min(len(all[0]), chunkSize)]
			if _, err := nc.Write(part); err != nil {
				return err
			}
			if all[0] = all[0][len(part):]; len(all[0]) == 0 {
				all = all[1:]
			}
			continue
		}
		n, err := all.WriteTo(nc) // which cuts it down to what is left
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}

// sent is what became of a message that was to be written.
type sent uint8

const (
	sentQueued sent = iota
	sentLater       // there is no room: Producer.room will be called
	sentTooBig
	sentNever // the connection is dead
)

// send queues a message of p, or a batch. of is as for [outbox.message].
func (c *conn) send(p *Producer, s *wire.Send, m *wire.Metadata, payload []byte, of *Message) sent {
	if len(payload) > c.maxMessage {
		return sentTooBig
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state != connUp:
		return sentNever
	case c.out.isFull():
		c.thirsty = append(c.thirsty, p)
		return sentLater
	case !c.out.message(s, m, payload, of, c.maxMessage+wire.FramePadding):
		return sentTooBig
	}
	c.wakeLocked()
	return sentQueued
}
