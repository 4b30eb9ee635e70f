package pulsar

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// place names a partition of a topic of this consumer.
type place struct {
	topic     string // "" unless the consumer is on several topics
	partition int32
}

// consumer is one subscription member of the bridge: one [member] for each
// concrete topic, and one goroutine, the forwarder, which owns all state and is the only one
// that calls the receiver. All others hand it commands.
//
// Messages flow client library → in → forwarder → receiver. The forwarder takes
// one from in only while it holds a permit, so what is under way is bounded by
// spec.Queue for each member: in's places and the library's receiver queue.
type consumer struct {
	u        *Upstream
	spec     bridge.ConsumerSpec
	receiver bridge.Receiver
	multi    bool // over several topics: ids carry theirs
	todo     *commands

	unsettled congestion
	in        chan pulsar.ConsumerMessage
	acks      *acker
	pattern   *bridge.TopicsPattern // nil: none
	pace      pace

	ctx     context.Context // ends the forwarder and what it started
	stop    context.CancelFunc
	work    sync.WaitGroup // the forwarder, and members being reopened
	closing sync.Once
	closed  chan struct{}

	listed sync.Mutex // guards list
	list   []*member  // all members

	// What follows belongs to the forwarder.
	permits int
	members map[string]*member // by concrete topic
	places  map[place]*member
	entries entryTracker
	letters *deadLetters // nil: none
	lost    bool
	// rewound: the broker was asked for messages again on an ordered
	// subscription, and answers with all that is not acknowledged. Of what the library has in
	// its queue it sends a second copy, so acknowledged entries are remembered from then on.
	rewound   bool
	bases     map[string]bool // partitioned topics, without the partition
	searching bool            // for new topics or partitions
	full      bool            // some that were found are not consumed
}

// inPlaces is the size of consumer.in, which is part of the queue. What is put
// there counts as taken, so that more is fetched.
func inPlaces(queue int) int { return min(queue/leastInPlaces, 1) }

// leastInPlaces is the queue from which on one of its places is in consumer.in.
const leastInPlaces = 4

// Subscribe implements [bridge.Upstream].
func (u *Upstream) Subscribe(ctx context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error) {
	c := &consumer{
		u: u, spec: spec, receiver: r, multi: spec.Topic == "", todo: newCommands(),
		in:     make(chan pulsar.ConsumerMessage, inPlaces(spec.Queue)),
		closed: make(chan struct{}), pace: u.newPace(spec.Topic == ""),
		members: map[string]*member{}, places: map[place]*member{}, bases: map[string]bool{},
	}
	c.acks = newAcker(c)
	c.ctx, c.stop = context.WithCancel(context.Background())
	if spec.MaxRedeliver > 0 {
		c.letters = newDeadLetters(c)
	}
	if err := c.open(ctx); err != nil {
		c.stop()
		c.closeMembers()
		return nil, err
	}
	if !u.add(c) {
		c.stop()
		c.closeMembers()
		return nil, errClosed
	}
	c.work.Go(c.forward)
	return c, nil
}

// open subscribes to all that the spec names, or gives up when one cannot be.
func (c *consumer) open(ctx context.Context) (openErr error) {
	found, err := c.named(ctx)
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	gone := make([]bool, len(found)) // deleted since it was listed
	var opening sync.WaitGroup
	var failed sync.Once // the first counts; others may fail because of it
	for i, m := range found {
		c.join(m)
		opening.Go(func() {
			err := m.pin(ctx)
			if err == nil {
				m.live, err = m.subscribe(ctx, false)
			}
			if gone[i] = c.pattern != nil && errors.Is(err, bridge.ErrNotFound); !gone[i] && err != nil {
				failed.Do(func() { openErr = err })
				giveUp()
			}
		})
	}
	opening.Wait()
	for i, m := range found {
		if gone[i] {
			c.leave(m)
		}
	}
	return openErr
}

// named makes the members for all that the spec names.
func (c *consumer) named(ctx context.Context) (found []*member, err error) {
	if c.spec.TopicsPattern != "" {
		if c.pattern, err = bridge.ParseTopicsPattern(c.spec.TopicsPattern); err != nil {
			return nil, err
		}
		if found, err = c.matching(ctx, nil); err == nil {
			err = c.spec.CheckTopics(len(found))
		}
		return found, err
	}
	topics := c.spec.TopicNames()
	if err := c.spec.CheckTopics(len(topics)); err != nil {
		return nil, err // before any of them is made
	}
	for _, topic := range topics {
		members, err := c.membersOf(ctx, topic, c.u.partitions)
		if err != nil {
			return nil, err
		}
		found = append(found, members...)
		if err := c.spec.CheckTopics(len(found)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// membersOf makes a member for a topic, or for each of its partitions.
func (c *consumer) membersOf(ctx context.Context, topic string, list func(context.Context, string) ([]string, error)) ([]*member, error) {
	concrete, err := list(ctx, topic)
	if err != nil {
		return nil, err
	}
	members := make([]*member, 0, len(concrete))
	for _, t := range concrete {
		members = append(members, c.newMember(t, topic))
	}
	return members, nil
}

func (c *consumer) newMember(concrete, topic string) *member {
	_, partition := names.SplitPartition(concrete)
	return &member{c: c, topic: concrete, base: topic, partition: partition, keep: names.Persistent(concrete)}
}

func (c *consumer) join(m *member) {
	c.members[m.topic] = m
	c.places[c.placeOf(m)] = m
	c.listed.Lock()
	c.list = append(c.list, m)
	c.listed.Unlock()
	if m.topic != m.base && c.pattern == nil {
		c.bases[m.base] = true
	}
}

// leave undoes join.
func (c *consumer) leave(m *member) {
	c.unsettled.add(-len(m.owed))
	m.owed = nil
	if c.letters != nil {
		c.letters.lost(m)
	}
	delete(c.members, m.topic)
	delete(c.places, c.placeOf(m))
	c.listed.Lock()
	c.list = slices.DeleteFunc(c.list, func(other *member) bool { return other == m })
	c.listed.Unlock()
}

func (c *consumer) placeOf(m *member) place {
	if c.multi {
		return place{m.base, m.partition}
	}
	return place{"", m.partition}
}

// options are those of every consumer of the client library. They switch off
// what costs memory, timers or goroutines and is done here.
func (c *consumer) options() pulsar.ConsumerOptions {
	o := pulsar.ConsumerOptions{
		SubscriptionName:    c.spec.Subscription,
		Type:                subscriptionTypes[c.spec.Type],
		Name:                c.spec.Name,
		Properties:          levelProperties(c.spec.PriorityLevel),
		ReceiverQueueSize:   max(c.spec.Queue-cap(c.in), 1),
		MessageChannel:      c.in,
		AutoDiscoveryPeriod: never,
		// As Java does. The library keeps places for them.
		MaxPendingChunkedMessage: 10,
		// For where there is no redeliverer: the library looks every third of the
		// delay for what is due.
		NackRedeliveryDelay: max(c.spec.RedeliveryTick, time.Millisecond) * 3 / 4,
		NackPrecisionBit:    new(int64),
		// With responses, a list of acknowledgements is one request, and its
		// failure is known; without grouping there is no timer.
		AckWithResponse:    true,
		AckGroupingOptions: &pulsar.AckGroupingOptions{MaxSize: 1},
		// What cannot be decrypted comes as it is, and the forwarder does with it what
		// the spec says: with FAIL the library forgets the permits that it took. See [flow].
		Decryption: c.u.decryption(bridge.CryptoConsume),
	}
	if c.spec.Earliest {
		o.SubscriptionInitialPosition = pulsar.SubscriptionPositionEarliest
	}
	if c.spec.NonDurable {
		o.SubscriptionMode = pulsar.NonDurable
	}
	return o
}

var subscriptionTypes = map[bridge.SubscriptionType]pulsar.SubscriptionType{
	bridge.Exclusive: pulsar.Exclusive, bridge.Shared: pulsar.Shared,
	bridge.Failover: pulsar.Failover, bridge.KeyShared: pulsar.KeyShared,
}

// Permit implements [bridge.Consumer].
func (c *consumer) Permit(n int) {
	if n > 0 {
		c.todo.permit(n)
	}
}

// Ack implements [bridge.Consumer].
func (c *consumer) Ack(id codec.MessageID) {
	c.unsettled.add(1)
	c.todo.push(command{kind: cmdAck, id: id})
}

// Redeliver implements [bridge.Consumer].
func (c *consumer) Redeliver(ids []codec.MessageID) {
	c.unsettled.add(len(ids))
	c.todo.pushAll(cmdRedeliver, ids)
}

// Connected implements [bridge.Consumer].
func (c *consumer) Connected() bool {
	c.listed.Lock()
	defer c.listed.Unlock()
	for _, m := range c.list {
		if l := m.current.Load(); l == nil || l.lost.Load() {
			return false
		}
	}
	return true
}

// EndOfTopic implements [bridge.Consumer].
func (c *consumer) EndOfTopic(ctx context.Context) (bool, error) {
	if c.multi {
		return false, nil // a topic may come at any time
	}
	for _, m := range c.concrete() {
		if !m.ended(ctx) {
			return false, nil
		}
	}
	return true, nil
}

// Close implements [bridge.Consumer].
func (c *consumer) Close() {
	c.closing.Do(func() {
		defer close(c.closed)
		c.stop()
		c.work.Wait()
		c.acks.drain()
		c.closeMembers()
		if c.letters != nil {
			c.letters.close()
		}
		c.u.remove(c)
		c.unsettled.relieve()
	})
	<-c.closed
}

// closeMembers closes what is open. Nothing else may use the members any more.
func (c *consumer) closeMembers() {
	var closing sync.WaitGroup
	for _, m := range c.concrete() {
		closing.Go(m.close)
	}
	closing.Wait()
}

// discover makes the forwarder look for new topics or partitions, if there can be any.
func (c *consumer) discover() {
	if c.pattern != nil {
		c.todo.push(command{kind: cmdDiscover})
		return
	}
	for _, m := range c.concrete() {
		if m.topic != m.base {
			c.todo.push(command{kind: cmdDiscover})
			return
		}
	}
}

// ordered reports that the broker gives all messages to one consumer in order.
func (c *consumer) ordered() bool {
	return c.spec.Type == bridge.Exclusive || c.spec.Type == bridge.Failover
}

// concrete lists the members known now.
func (c *consumer) concrete() []*member {
	c.listed.Lock()
	defer c.listed.Unlock()
	return slices.Clone(c.list)
}
