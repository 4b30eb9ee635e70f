package pulsar

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/backoff"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// member is a consumer's place on one concrete topic: a topic without
// partitions, or one partition. It has one consumer of the client library at a
// time, its link, and a new one after a lost connection.
type member struct {
	c         *consumer
	topic     string // concrete
	base      string // without the partition
	partition int32
	keep      bool // the topic is persistent: there is something to acknowledge

	// What follows belongs to the forwarder.
	live  *link     // nil while there is no connection
	owed  []entryID // acknowledged while there was none
	again []entryID // to be asked for again, likewise
	from  origin    // of the messages that arrive

	// A cursor that is not durable is gone with its connection, and the library
	// cannot say where a new one begins. On ordered subscriptions it begins at the first message
	// then, and those up to position are left out until a later one comes.
	position codec.MessageID
	resuming bool

	// fresh is a topic or a partition that was found later: it is subscribed from
	// its first message on. Constant once the member is joined.
	fresh bool

	// current is the newest link: what requests go to. nil: there is none.
	current atomic.Pointer[link]
}

// origin tells the messages of the consumers of one member apart. What a lost
// one had received may come out of its queue when the broker has sent it again already.
type origin struct {
	up    pulsar.Consumer // where the last message came from
	id    uint64          // its number; 0: unknown
	least uint64          // the messages of those with a lower number are not taken
}

// stale reports that a message comes from a consumer that is lost.
func (s *origin) stale(cm *pulsar.ConsumerMessage) bool {
	if cm.Consumer != s.up || s.id == 0 { // what could not be decrypted does not tell
		s.up, s.id = cm.Consumer, receivedBy(cm.ID())
	}
	return s.id != 0 && s.id < s.least
}

// begin notes the lowest number that counts from now on.
func (s *origin) begin(least uint64) {
	s.least = least
	s.up = nil // it would keep all that the library has of a lost one
}

// subscribe gets a consumer of the client library. earliest makes a new
// subscription begin at the first message whatever the spec says.
func (m *member) subscribe(ctx context.Context, earliest bool) (*link, error) {
	what := "subscribe " + m.c.spec.Subscription + " to " + m.topic
	leave, err := m.c.pace.enter(ctx, what)
	if err != nil {
		return nil, err
	}
	defer leave()
	l := &link{member: m}
	o := m.c.options()
	o.Topic = m.topic
	// Up to the size of the queue; see [fetchAhead]. What a topic does not keep, its
	// broker drops where it may not send it at once.
	o.EnableAutoScaledReceiverQueueSize = m.keep
	if earliest {
		o.SubscriptionInitialPosition = pulsar.SubscriptionPositionEarliest
	}
	// The library asks for a backoff policy when, and only when, it is about to
	// reconnect; without a try allowed it then leaves things as they are.
	o.MaxReconnectToBroker = new(uint)
	o.BackOffPolicyFunc = func() backoff.Policy {
		l.lose()
		return backoff.NewDefaultBackoff()
	}
	up, err := attempt(ctx, m.c.u, what,
		func() (pulsar.Consumer, error) { return m.c.u.client.Subscribe(o) },
		m.c.u.closeConsumer)
	if err != nil {
		return nil, err
	}
	l.up, l.id, l.direct, l.ahead = up, consumerID(up), newRedeliverer(up), newFetchAhead(up)
	forgetTriggers(m.c.u.client)
	m.c.u.links.add(l)
	m.current.Store(l)
	return l, nil
}

// close leaves the subscription. It waits for a request under way, unless the
// connection is lost: what is left is done in the background then.
func (m *member) close() {
	l := m.current.Swap(nil)
	switch {
	case l == nil:
	case l.lost.Load():
		m.c.u.always(l.close)
	default:
		l.close()
	}
}

// ended reports that the topic is terminated and all of it is acknowledged.
func (m *member) ended(ctx context.Context) bool {
	l := m.current.Load()
	if l != nil && m.c.u.heard.reachedEnd(l.id) {
		return true
	}
	return m.keep && m.c.u.readToEnd(ctx, m.topic, m.c.spec.Subscription)
}

// resumes reports that the member has to find its position again itself.
func (m *member) resumes() bool {
	return m.keep && m.c.spec.NonDurable && m.c.ordered()
}

// comesAgain reports that over the next connection the broker sends what was not acknowledged.
func (m *member) comesAgain() bool {
	return m.keep && (!m.c.spec.NonDurable || m.resumes())
}

// pin notes where a subscription at the end begins, in case its connection is
// lost before its first message.
func (m *member) pin(ctx context.Context) error {
	m.position = codec.MessageID{LedgerID: -1, EntryID: -1, BatchIndex: -1}
	if !m.resumes() || m.c.spec.Earliest {
		return nil
	}
	leave, err := m.c.pace.enter(ctx, "find the end of "+m.topic)
	if err != nil {
		return err
	}
	defer leave()
	last, err := m.c.u.lastPosition(ctx, m.topic)
	if err == nil && last.EntryID >= 0 {
		m.position = last
	}
	return err
}

// repeats reports that a message is from before the connection was lost.
func (m *member) repeats(id *codec.MessageID) bool {
	if !m.resumes() {
		return false
	}
	if m.resuming && m.position.LedgerID >= 0 && startsAfter(&m.position, false, id) {
		return true
	}
	m.resuming = false
	if m.position.LedgerID < 0 || !reached(&m.position, id) {
		m.position = *id
	}
	return false
}

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// reopen replaces a consumer whose connection is lost, for as long as it
// takes. It runs on a goroutine of its own and reports to the forwarder.
func (m *member) reopen(ctx context.Context) {
	m.close()
	wait := firstRetry
	for {
		l, err := m.subscribe(ctx, m.fresh || m.resumes())
		if err == nil {
			m.c.todo.push(command{kind: cmdReopened, member: m, link: l})
			return
		}
		if forGood(err) {
			m.c.todo.push(command{kind: cmdReopened, member: m, err: err})
			return
		}
		m.c.u.log.Debug("subscribe again", "topic", m.topic, "subscription", m.c.spec.Subscription, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// forGood reports errors that another try will not make better.
func forGood(err error) bool {
	for _, kind := range []error{
		bridge.ErrNotFound, bridge.ErrUnauthorized, bridge.ErrForbidden, bridge.ErrInvalid, bridge.ErrSchema, bridge.ErrFenced,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
