package pulsar

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	client "github.com/pulsegate/pulsegate/pulsar"
	names "github.com/pulsegate/pulsegate/topic"
)

// consumer is one subscription member of the bridge: a consumer of the client, or, where a topic has partitions or there are several
// topics, a group of them.
type consumer struct {
	u        *Upstream
	receiver bridge.Receiver
	runs     bridge.RunReceiver // what receiver is, too; nil: it is none
	one      *client.Consumer   // constant once Subscribe has returned
	several  *several           // nil: there is one
	permits  client.Permits
	options  *sharedOptions
	letters  *deadLetters // nil: none

	opened   func(error) // what Subscribe waits for; it belongs to who is told
	relieved atomic.Pointer[func()]
	closing  sync.Once
	durable  bool
}

// several is what a consumer has that is a group.
type several struct {
	group *client.Group // constant once Subscribe has returned
	topic string        // whose partitions they are; "": of several topics, and ids carry theirs
	lone  []string      // of several topics, those that are themselves named as a partition

	calling sync.Mutex // held while the receiver is called; guards over
	over    bool
}

// Subscribe implements [bridge.Upstream].
func (u *Upstream) Subscribe(ctx context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error) {
	topics, isGroup, err := u.selection(ctx, &spec)
	if err != nil {
		return nil, err
	}
	c := &consumer{u: u, receiver: r, durable: !spec.NonDurable, options: u.shared.get(u, &spec)}
	c.runs, _ = r.(bridge.RunReceiver)
	if spec.MaxRedeliver > 0 {
		c.letters = newDeadLetters(c, &spec)
	}
	if isGroup {
		c.several = &several{topic: spec.Topic}
	}
	if spec.Topic == "" {
		c.several.lone = slices.DeleteFunc(slices.Clone(topics.Topics), func(topic string) bool {
			_, n := names.SplitPartition(topic)
			return n == notPartitioned
		})
	}
	ctx, stop := u.within(ctx)
	defer stop()
	_, err = answered(ctx, "subscribe "+spec.Subscription+" to "+spec.Topic+spec.Topics+spec.TopicsPattern, func(done func(struct{}, error)) {
		c.opened = func(err error) {
			if errors.Is(err, client.ErrTooManyTopics) {
				err = spec.CheckTopics(spec.MaxTopics + 1)
			}
			done(struct{}{}, err)
		}
		if isGroup {
			c.several.group = u.cluster.OpenGroup(topics, spec.Subscription, &c.options.o, &c.permits, ofGroup{c})
		} else {
			c.one = u.cluster.NewConsumer(spec.Topic, spec.Subscription, &c.options.o, &c.permits, ofOne{c})
		}
	})
	if err == nil && !u.add(c) {
		err = errClosed
	}
	if err != nil {
		c.closing.Do(func() { c.leave(nil) })
		return nil, err
	}
	return c, nil
}

// selection is what a consumer is on. isGroup tells that it takes a group.
func (u *Upstream) selection(ctx context.Context, spec *bridge.ConsumerSpec) (topics client.Selection, isGroup bool, err error) {
	topics.Max = spec.MaxTopics
	switch {
	case spec.TopicsPattern != "":
		pattern, err := bridge.ParseTopicsPattern(spec.TopicsPattern)
		if err != nil {
			return topics, true, err
		}
		topics.Namespace, topics.Match = pattern.Namespace, pattern.Matches
		return topics, true, nil
	case spec.Topic == "":
		topics.Topics = spec.TopicNames()
		slices.Sort(topics.Topics)
		topics.Topics = slices.Compact(topics.Topics)
		return topics, true, spec.CheckTopics(len(topics.Topics))
	}
	n, err := u.Partitions(ctx, spec.Topic, spec.Principal)
	topics.Topics, topics.Max = []string{spec.Topic}, 0
	return topics, n > 0, err
}

// ofOne is the owner of a consumer.
type ofOne struct{ *consumer }

// Opened implements [client.Handler].
func (c ofOne) Opened(_ *client.Consumer, err error) { c.tellOpened(err) }

// Deliver implements [client.Handler].
func (c ofOne) Deliver(x *client.Consumer, m *client.Received) { c.deliver(x, m) }

// Rest implements [client.Rester].
func (c ofOne) Rest(*client.Consumer) { c.rest() }

// Tell implements [client.Handler].
func (c ofOne) Tell(x *client.Consumer, e client.Event) { c.tell(x, e) }

// Ended implements [client.Handler].
func (c ofOne) Ended(x *client.Consumer, err error) {
	c.receiver.Lost(wrap("the subscription to "+x.Topic(), err))
}

// ofGroup is the owner of a group, and calls the receiver for one of its consumers at a time.
type ofGroup struct{ *consumer }

// Opened implements [client.GroupHandler].
func (c ofGroup) Opened(_ *client.Group, err error) { c.tellOpened(err) }

// Deliver implements [client.GroupHandler].
func (c ofGroup) Deliver(x *client.Consumer, m *client.Received) {
	c.several.calling.Lock()
	defer c.several.calling.Unlock()
	c.deliver(x, m)
}

// Rest implements [client.Rester].
func (c ofGroup) Rest(*client.Consumer) { c.rest() }

// Tell implements [client.GroupHandler].
func (c ofGroup) Tell(x *client.Consumer, e client.Event) { c.tell(x, e) }

// Ended implements [client.GroupHandler]. What the receiver does may have brought the end about, so it is told by another goroutine.
func (c ofGroup) Ended(_ *client.Group, err error) {
	c.u.background(func() {
		c.several.calling.Lock()
		defer c.several.calling.Unlock()
		if !c.several.over {
			c.receiver.Lost(wrap("a subscription to several topics or partitions", err))
		}
	})
}

func (c *consumer) tellOpened(err error) {
	opened := c.opened
	c.opened = nil
	opened(err)
}

func (c *consumer) deliver(x *client.Consumer, m *client.Received) {
	topic := ""
	if c.ofTopics() {
		topic = c.base(x)
	}
	message := fromReceived(m, topic)
	switch {
	case c.letters != nil && c.letters.take(x, message):
	case c.runs != nil:
		c.runs.DeliverMore(message)
	default:
		c.receiver.Deliver(message)
	}
}

func (c *consumer) rest() {
	if c.runs != nil {
		c.runs.Rest()
	}
}

func (c *consumer) tell(x *client.Consumer, e client.Event) {
	switch {
	case e == client.Relieved:
		c.relieve()
	case e == client.Disconnected && c.letters != nil:
		c.letters.lost(x)
	}
}

// ofTopics reports that there are several topics, and not one with partitions.
func (c *consumer) ofTopics() bool { return c.several != nil && c.several.topic == "" }

// base is the topic that x is on, or a partition of.
func (c *consumer) base(x *client.Consumer) string {
	switch {
	case c.several == nil:
		return x.Topic()
	case c.several.topic != "":
		return c.several.topic
	}
	if slices.Contains(c.several.lone, x.Topic()) {
		return x.Topic()
	}
	base, _ := names.SplitPartition(x.Topic())
	return base
}

// part finds the consumer that an id belongs to, nil if there is none. A topic without partitions takes ids of any
// partition: native clients number it 0.
func (c *consumer) part(id *codec.MessageID) *client.Consumer {
	if c.one != nil {
		return c.one
	}
	topic := c.several.topic
	if topic == "" {
		topic = id.Topic
	}
	if x := c.several.group.Part(topic, id.Partition); x != nil {
		return x
	}
	return c.several.group.Part(topic, notPartitioned)
}

// parts lists the consumers there are now.
func (c *consumer) parts() []*client.Consumer {
	if c.one != nil {
		return []*client.Consumer{c.one}
	}
	return c.several.group.Consumers()
}

// Permit implements [bridge.Consumer].
func (c *consumer) Permit(n int) { c.permits.Permit(n) }

// Ack implements [bridge.Consumer].
func (c *consumer) Ack(ids ...codec.MessageID) {
	if c.letters != nil {
		for i := range ids {
			c.letters.drop(&ids[i])
		}
	}
	var room [ackRun]client.MessageID
	for len(ids) > 0 {
		x := c.part(&ids[0])
		run := append(room[:0], toID(&ids[0]))
		for ids = ids[1:]; len(ids) > 0 && len(run) < ackRun && c.part(&ids[0]) == x; ids = ids[1:] {
			run = append(run, toID(&ids[0]))
		}
		if x != nil {
			x.Ack(run...)
		}
	}
}

// ackRun is how many acknowledgements a consumer of the client is told of at once.
const ackRun = 32

// Redeliver implements [bridge.Consumer].
func (c *consumer) Redeliver(ids []codec.MessageID) {
	if c.letters != nil {
		ids = c.letters.bury(ids)
	}
	if c.one != nil {
		to := make([]client.MessageID, len(ids))
		for i := range ids {
			to[i] = toID(&ids[i])
		}
		c.one.Redeliver(to)
		return
	}
	by := map[*client.Consumer][]client.MessageID{}
	for i := range ids {
		if x := c.part(&ids[i]); x != nil {
			by[x] = append(by[x], toID(&ids[i]))
		}
	}
	for x, to := range by {
		x.Redeliver(to)
	}
}

// Congested implements [bridge.Consumer].
func (c *consumer) Congested(relieved func()) bool {
	if !c.permits.Congested() {
		return false
	}
	c.relieved.Store(&relieved)
	return c.permits.Congested() // else it is over, and has been told before
}

// relieve calls whoever waits for the end of a congestion.
func (c *consumer) relieve() {
	if f := c.relieved.Swap(nil); f != nil {
		(*f)()
	}
}

// Connected implements [bridge.Consumer].
func (c *consumer) Connected() bool {
	for _, x := range c.parts() {
		if !x.Connected() {
			return false
		}
	}
	return true
}

// EndOfTopic implements [bridge.Consumer].
func (c *consumer) EndOfTopic(ctx context.Context) (bool, error) {
	if c.ofTopics() {
		return false, nil // a topic may come at any time
	}
	for _, x := range c.parts() {
		if !x.AtEnd() && !(c.durable && names.Persistent(x.Topic()) && c.u.readToEnd(ctx, x.Topic(), x.Subscription())) {
			return false, nil
		}
	}
	return true, nil
}

// Unsubscribe implements [bridge.Consumer]. It fails with [bridge.ErrSubscriptions] while others are connected.
func (c *consumer) Unsubscribe(ctx context.Context) error {
	ctx, stop := c.u.within(ctx)
	defer stop()
	parts := c.parts()
	errs := make([]error, len(parts))
	var asking sync.WaitGroup
	for i, x := range parts {
		if !c.durable {
			break // it is gone with its last consumer
		}
		asking.Go(func() {
			_, errs[i] = answeredAgain(ctx, "unsubscribe from "+x.Topic(), func(done func(struct{}, error)) {
				x.Unsubscribe(false, func(err error) {
					if unknownConsumer(err) {
						err = client.ErrConnection
					}
					done(struct{}{}, err)
				})
			})
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	c.Close()
	return nil
}

// Close implements [bridge.Consumer].
func (c *consumer) Close() {
	c.closing.Do(func() {
		left := make(chan struct{})
		c.leave(func() { close(left) })
		wait := time.NewTimer(closeTimeout)
		defer wait.Stop()
		select {
		case <-left:
		case <-wait.C: // the broker does not answer; the client tries for a little longer
		}
	})
}

// leave closes all there is. done, which may be nil, is called when the brokers have let go.
func (c *consumer) leave(done func()) {
	if g := c.several; g != nil {
		g.calling.Lock()
		g.over = true
		g.calling.Unlock()
		g.group.Close(done)
	} else {
		c.one.Close(done)
	}
	if c.letters != nil {
		c.letters.close()
	}
	c.u.remove(c)
	c.u.shared.release(c.options)
	c.relieve()
}
