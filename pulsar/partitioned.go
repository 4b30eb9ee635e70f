package pulsar

import (
	"slices"
	"sync"
	"time"

	names "github.com/pulsegate/pulsegate/topic"
)

// partitionDiscovery is how often a partitioned topic is asked for new partitions.
const partitionDiscovery = time.Minute

// Publisher is a [Producer], or one on all partitions of a topic. Its methods may be called
// from any goroutine and do not block.
type Publisher interface {
	// NewSender returns one more way to publish. It needs no closing.
	NewSender() *Sender
	// Send publishes m, for a sender of the publisher's own. done may be called before Send returns.
	Send(m *Message, done Done)
	// Ready tells why a message that is sent now might not go to the broker at once: there
	// is a producer that has ended, or has no place at a broker at the moment, as far as that was noticed.
	Ready() error
	// Close publishes what was sent, bounded by the send timeout, and ends the
	// publisher. done, which may be nil, is called when every message is answered and the
	// broker has let go.
	Close(done func())
}

// PublisherOwner is told what becomes of a [Publisher].
type PublisherOwner interface {
	// Opened is called once; p is nil if there is an error.
	Opened(p Publisher, err error)
	// Ended is called at most once, after Opened without an error: nothing can be
	// published any more, although nobody called Close.
	Ended(err error)
}

// OpenPublisher opens a producer on a topic or, if it is partitioned, on each of its
// partitions, and on those that are added later.
func (c *Client) OpenPublisher(o ProducerOptions, r Routing, owner PublisherOwner) {
	c.Partitions(o.Topic, o.Principal, func(n int, err error) {
		if err != nil {
			owner.Opened(nil, err)
			return
		}
		if n == 0 {
			c.NewProducer(o, &single{owner})
			return
		}
		p := &partitioned{client: c, o: o, owner: owner, router: newRouter(r, &o)}
		p.more.ring = p.discover
		p.grow(n)
	})
}

// single passes on what becomes of a topic's only producer.
type single struct{ owner PublisherOwner }

// Opened implements [Owner].
func (s *single) Opened(p *Producer, err error) {
	if err != nil {
		s.owner.Opened(nil, err)
		return
	}
	s.owner.Opened(p, nil)
}

// Ended implements [Owner].
func (s *single) Ended(_ *Producer, err error) { s.owner.Ended(err) }

// partitioned is a producer for each partition. It is their Owner.
type partitioned struct {
	client *Client
	o      ProducerOptions
	owner  PublisherOwner
	router router
	own    *Sender // set before it is opened
	more   alarm   // asks for new partitions

	mu       sync.Mutex  // guards what follows; taken with no other lock held
	parts    []*Producer // all that were made
	usable   []*Producer // those that messages go to, replaced as a whole
	waiting  int         // of parts: neither opened nor refused
	refused  error       // by one of them
	ended    int
	answered bool // the owner was told
	closed   bool
}

// grow makes producers until there are n.
func (p *partitioned) grow(n int) {
	p.mu.Lock()
	first := len(p.parts)
	if p.closed || n <= first {
		p.mu.Unlock()
		return
	}
	p.waiting += n - first
	p.parts = append(p.parts, make([]*Producer, n-first)...)
	p.mu.Unlock()
	for i := first; i < n; i++ {
		o := p.o
		o.Topic = names.PartitionName(o.Topic, i)
		p.client.newProducer(o, int32(i), p)
	}
}

// Opened implements [Owner].
func (p *partitioned) Opened(x *Producer, err error) {
	p.mu.Lock()
	if err == nil && p.parts[x.partition] == nil {
		p.parts[x.partition] = x
	}
	if err != nil && p.refused == nil {
		p.refused = err
	}
	p.waiting--
	if p.waiting > 0 {
		p.mu.Unlock()
		return
	}
	// All are opened or refused.
	tell := !p.answered
	p.answered = true
	err, p.refused = p.refused, nil
	var unwanted []*Producer
	switch {
	case err == nil && !p.closed:
		p.usable = slices.Clone(p.parts)
		if tell {
			p.own = newSender(p, len(p.usable))
		}
	case tell || p.closed:
		unwanted, p.parts, p.closed = p.parts, nil, true
	default: // partitions were added and one is refused: all new ones are tried again later
		unwanted = p.parts[len(p.usable):]
		p.parts = p.parts[:len(p.usable):len(p.usable)]
	}
	closed := p.closed
	p.mu.Unlock()
	for _, x := range unwanted {
		if x != nil {
			x.Close(nil)
		}
	}
	if tell && err != nil {
		p.owner.Opened(nil, err)
		return
	}
	if !closed {
		p.client.alarms.set(&p.more, partitionDiscovery)
	}
	if tell {
		p.owner.Opened(p, nil)
	}
}

// Ended implements [Owner].
func (p *partitioned) Ended(_ *Producer, err error) {
	p.mu.Lock()
	p.ended++
	last := p.ended == len(p.parts) && !p.closed
	p.closed = p.closed || last
	p.mu.Unlock()
	if last {
		p.client.alarms.clear(&p.more)
		p.owner.Ended(err)
	}
}

// discover is the alarm that asks for new partitions.
func (p *partitioned) discover() {
	p.client.Partitions(p.o.Topic, p.o.Principal, func(n int, err error) {
		p.mu.Lock()
		again := !p.closed && (err != nil || n <= len(p.parts))
		p.mu.Unlock()
		if again {
			p.client.alarms.set(&p.more, partitionDiscovery)
			return
		}
		p.grow(n)
	})
}

// NewSender implements [Publisher].
func (p *partitioned) NewSender() *Sender { return newSender(p, len(p.inUse())) }

// Send implements [Publisher].
func (p *partitioned) Send(m *Message, done Done) { p.send(p.own, m, done) }

func (p *partitioned) send(from *Sender, m *Message, done Done) {
	usable := p.inUse()
	usable[p.router.pick(from, m, len(usable), time.Now())].send(from, m, done)
}

// Ready implements [Publisher].
func (p *partitioned) Ready() error {
	for _, x := range p.inUse() {
		if err := x.Ready(); err != nil {
			return err
		}
	}
	return nil
}

func (p *partitioned) inUse() []*Producer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usable
}

// Close implements [Publisher].
func (p *partitioned) Close(done func()) {
	p.mu.Lock()
	p.closed = true
	parts := slices.Clone(p.parts)
	p.mu.Unlock()
	p.client.alarms.clear(&p.more)
	parts = slices.DeleteFunc(parts, func(x *Producer) bool { return x == nil })
	left := len(parts)
	if left == 0 && done != nil {
		done()
	}
	var mu sync.Mutex // guards left
	for _, x := range parts {
		x.Close(func() {
			mu.Lock()
			left--
			last := left == 0
			mu.Unlock()
			if last && done != nil {
				done()
			}
		})
	}
}
