package pulsar

import (
	"context"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// progress is how far a consumer or reader has come in each partition.
type progress struct {
	mu        sync.Mutex
	delivered map[int32]codec.MessageID // the furthest
	acked     map[int32]codec.MessageID // the furthest; a client may have made it up
}

func (p *progress) noteDelivered(partition int32, id *codec.MessageID) {
	p.note(&p.delivered, partition, id)
}
func (p *progress) noteAcked(partition int32, id *codec.MessageID) { p.note(&p.acked, partition, id) }

func (p *progress) note(in *map[int32]codec.MessageID, partition int32, id *codec.MessageID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := (*in)[partition]
	if ok && reached(&at, id) {
		return
	}
	if *in == nil {
		*in = map[int32]codec.MessageID{}
	}
	(*in)[partition] = *id
}

// reached reports that a partition's last message was delivered, or that
// exactly that was acknowledged.
func (p *progress) reached(last *codec.MessageID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.delivered[last.Partition]; ok && reached(&at, last) {
		return true
	}
	at, ok := p.acked[last.Partition]
	return ok && entryOf(&at) == entryOf(last) && reached(&at, last)
}

// endOfTopic reports whether all partitions of a topic are terminated and
// seen to their ends. subscription is "" for a reader.
func (u *Upstream) endOfTopic(ctx context.Context, topic, subscription string, seen *progress) (bool, error) {
	if !persistent(topic) {
		return false, nil
	}
	topics, err := u.partitions(ctx, topic)
	if err != nil {
		return false, err
	}
	for _, t := range topics {
		// What is published between the look at the end and the termination
		// would be missed; so it is looked at before, as it costs less, and after.
		if there, err := u.atEnd(ctx, t, subscription, seen); err != nil || !there {
			return false, err
		}
		if terminated, err := u.terminated(ctx, t); err != nil || !terminated {
			return false, err
		}
		if there, err := u.atEnd(ctx, t, subscription, seen); err != nil || !there {
			return false, err
		}
	}
	return true, nil
}

// atEnd reports whether the last message of a concrete topic was seen.
func (u *Upstream) atEnd(ctx context.Context, topic, subscription string, seen *progress) (bool, error) {
	id, err := u.last.of(ctx, topic)
	if err != nil {
		return false, err
	}
	_, partition := partitionOf(topic)
	last := lastOfTopic(id, partition)
	if last.EntryID < 0 || seen.reached(&last) {
		return true, nil
	}
	// All may have been acknowledged before this consumer came.
	return u.admin.acknowledgedAll(ctx, topic, subscription)
}

// keepTermination is how long it is remembered that a topic is terminated,
// which only its deletion changes.
const keepTermination = 10 * time.Second

// terminations remembers which topics are terminated, so that a client that
// asks again and again costs the broker little.
type terminations struct {
	mu    sync.Mutex
	known map[string]time.Time // when it was found out
}

func (t *terminations) has(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.known[topic]
	return ok && time.Since(at) < keepTermination
}

func (t *terminations) add(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]time.Time{}
	}
	t.known[topic] = time.Now()
}

func (t *terminations) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic, at := range t.known {
		if now.Sub(at) > keepTermination {
			delete(t.known, topic)
		}
	}
}

// terminated reports whether nothing can be published to a concrete topic any
// more. The protocol has no question for it, but a broker refuses a producer.
func (u *Upstream) terminated(ctx context.Context, topic string) (bool, error) {
	if u.ended.has(topic) {
		return true, nil
	}
	terminated, err := u.refusesProducers(ctx, topic)
	if terminated {
		u.ended.add(topic)
	}
	return terminated, err
}

func (u *Upstream) refusesProducers(ctx context.Context, topic string) (bool, error) {
	p, err := attempt(ctx, u, "create a producer on "+topic,
		func() (pulsar.Producer, error) {
			return u.client.CreateProducer(pulsar.ProducerOptions{
				Topic: topic, DisableBatching: true, MaxPendingMessages: 1, PartitionsAutoDiscoveryInterval: never,
			})
		},
		func(p pulsar.Producer) { p.Close() })
	if err == nil {
		p.Close()
		return false, nil
	}
	switch kindOf(err) {
	case bridge.ErrTerminated:
		return true, nil
	case bridge.ErrBusy, bridge.ErrFenced, bridge.ErrBacklogQuota, bridge.ErrSchema:
		return false, nil // refused for a reason that only a living topic has
	}
	return false, err
}
