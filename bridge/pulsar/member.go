package pulsar

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/backoff"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// member is a consumer's place on one concrete topic: a topic without
// partitions, or one partition. It has one consumer of the client library at a time, and a
// new one after a lost connection.
type member struct {
	c         *consumer
	topic     string // concrete
	base      string // without the partition
	partition int32
	// own is the partition as the client library counts it.
	own  int32
	keep bool // the topic is persistent: there is something to acknowledge
	// managed members were found by the library, which reconnects them.
	managed bool

	// What follows belongs to the forwarder.
	live  *link     // nil while there is no connection
	owed  []entryID // acknowledged while there was none
	again []entryID // to be asked for again, likewise

	// A cursor that is not durable is gone with its connection, and the library
	// cannot say where a new one begins. On ordered subscriptions it begins at the first message
	// then, and those up to position are left out until a later one comes.
	position codec.MessageID
	resuming bool

	// fresh is a new partition: it is subscribed from its first message on.
	// Constant once the member is joined.
	fresh bool

	mu sync.Mutex // held while a request runs on up, and to replace it
	up pulsar.Consumer
}

// link is one consumer of the client library.
type link struct {
	up     pulsar.Consumer
	direct *redeliverer // nil: redeliveries go through NackID
	lost   atomic.Bool
}

var errNoConnection = errors.New("no connection to the broker")

// acknowledge tells the broker, and returns when that has answered.
func (m *member) acknowledge(ids []pulsar.MessageID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == nil {
		return errNoConnection
	}
	return m.up.AckIDList(ids)
}

// redeliver asks the broker for entries again, unless l is not the consumer
// any more: with its connection they went back to the broker.
func (m *member) redeliver(l *link, entries []entryID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up == l.up {
		l.direct.redeliver(entries)
	}
}

// subscribe gets a consumer of the client library. earliest makes a new
// subscription begin at the first message whatever the spec says.
func (m *member) subscribe(ctx context.Context, earliest bool) (*link, error) {
	l := &link{}
	o := m.c.options()
	o.Topic = m.topic
	if earliest {
		o.SubscriptionInitialPosition = pulsar.SubscriptionPositionEarliest
	}
	// The library asks for a backoff policy when, and only when, it is about to
	// reconnect; without a try allowed it then leaves things as they are.
	o.MaxReconnectToBroker = new(uint)
	o.BackOffPolicyFunc = func() backoff.Policy {
		l.lost.Store(true)
		m.c.todo.push(command{kind: cmdLost, member: m, link: l})
		return backoff.NewDefaultBackoff()
	}
	up, err := attempt(ctx, m.c.u, "subscribe "+m.c.spec.Subscription+" to "+m.topic,
		func() (pulsar.Consumer, error) { return m.c.u.client.Subscribe(o) },
		func(up pulsar.Consumer) { up.Close() })
	if err != nil {
		return nil, err
	}
	l.up, l.direct = up, newRedeliverer(up)
	m.mu.Lock()
	m.up = up
	m.mu.Unlock()
	return l, nil
}

// close leaves the subscription. It waits for a request under way.
func (m *member) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up != nil {
		m.up.Close()
		m.up = nil
	}
}

// resumes reports that the member has to find its position again itself.
func (m *member) resumes() bool {
	return m.keep && m.c.spec.NonDurable && m.c.ordered()
}

// pin notes where a subscription at the end begins, in case its connection is
// lost before its first message.
func (m *member) pin(ctx context.Context) error {
	m.position = codec.MessageID{LedgerID: -1, EntryID: -1, BatchIndex: -1}
	if !m.resumes() || m.c.spec.Earliest {
		return nil
	}
	id, err := m.c.u.last.of(ctx, m.topic)
	if err != nil {
		return err
	}
	if last := lastOfTopic(id, m.partition); last.EntryID >= 0 {
		m.position = last
	}
	return nil
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
