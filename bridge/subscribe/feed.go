package subscribe

import (
	"context"
	"errors"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// feed is one upstream consumer of a subscription, and its receiver. A
// subscription has one, and opens more when its clients leave so many messages
// unacknowledged that a broker would stop sending to one consumer. They close with it.
type feed struct {
	sub *subscription
	up  bridge.Consumer // constant once the feed is in the ledger

	// The ledger's.
	granted int           // permits it holds
	out     int           // messages it delivered that are neither acknowledged nor given back
	came    time.Duration // when what it delivers arrived, see [latency.Arrival]
	run     int32         // messages since what they wake was woken
	gone    bool          // taken out of the ledger's feeds
}

// maxRun is how many messages an upstream may deliver before the sessions that they are for are woken: while it delivers the next
// ones these may be written, and what is written at once is much.
const maxRun = 64

// feedPause is how long no other feed is tried after one could not be opened.
const feedPause = 5 * time.Second

// Deliver implements [bridge.Receiver].
func (f *feed) Deliver(m *codec.Message) {
	var e effects
	f.sub.mu.Lock()
	f.came = f.sub.arrival.Now()
	f.sub.ledger.deliver(&e, f, m)
	f.sub.unlock(&e)
}

// DeliverMore implements [bridge.RunReceiver].
func (f *feed) DeliverMore(m *codec.Message) {
	var e effects
	f.sub.mu.Lock()
	f.came = f.sub.arrival.Now()
	f.sub.ledger.deliver(&e, f, m)
	f.sub.ledger.gather(&e, f)
	f.sub.unlock(&e)
}

// Rest implements [bridge.RunReceiver].
func (f *feed) Rest() {
	var e effects
	f.sub.mu.Lock()
	f.sub.ledger.wakeAll(&e, f)
	f.sub.unlock(&e)
}

// Lost implements [bridge.Receiver].
func (f *feed) Lost(err error) { f.sub.endAll(err) }

// relieved resumes the sessions that waited for the upstream consumer.
func (f *feed) relieved() {
	var e effects
	f.sub.mu.Lock()
	f.sub.ledger.unstallAll(&e)
	f.sub.unlock(&e)
}

// congested reports that an upstream consumer wants no more acknowledgements
// for now. mu is held.
func (sub *subscription) congested() bool {
	for _, f := range sub.ledger.feeds {
		if f.up.Congested(f.relieved) {
			return true
		}
	}
	return false
}

// slot waits for one of the slots of the creations under way. Who consumes many topics waits for none, and
// takes none from others for as long as all of them take: the upstream opens them a few
// at a time, see [bridge.Upstream.Subscribe].
func (cs *Consumers) slot(ctx context.Context, spec *bridge.ConsumerSpec) (release func(), err error) {
	if spec.Topic == "" {
		return func() {}, nil
	}
	return cs.pool.Slot(ctx, spec.Topic)
}

// openFeed subscribes upstream.
func (sub *subscription) openFeed(ctx context.Context) (*feed, error) {
	cs := sub.consumers
	spec := sub.spec.get()
	release, err := cs.slot(ctx, &spec)
	if err != nil {
		return nil, err
	}
	defer release()
	spec.Queue = cs.prefetch(spec.Queue)
	f := &feed{sub: sub}
	if f.up, err = cs.up.Subscribe(ctx, spec, f); err != nil {
		return nil, err
	}
	cs.upstream.Add(1)
	return f, nil
}

// close leaves the subscription. It may block.
func (f *feed) close() {
	f.up.Close()
	f.sub.consumers.upstream.Add(-1)
}

// openAnother adds a feed. Until one is there, or if none can be opened, messages
// flow as the ones there are acknowledged.
func (sub *subscription) openAnother() {
	cs := sub.consumers
	ctx, stop := cs.pool.Limited()
	defer stop()
	f, err := sub.openFeed(ctx)
	sub.mu.Lock()
	sub.growing = false
	if err != nil {
		sub.growAfter = clock() + feedPause
		sub.mu.Unlock()
		if cs.pool.Context().Err() == nil {
			cs.log.Warn("no further consumer for a subscription with very many unacknowledged messages",
				"topic", sub.spec.topicName(), "subscription", sub.spec.subscription, "error", err)
		}
		return
	}
	if sub.gone || sub.lost != nil {
		sub.mu.Unlock()
		f.close()
		return
	}
	var e effects
	sub.ledger.addFeed(&e, f)
	sub.unlock(&e)
}

// onlyFeed closes all feeds but the first: a broker deletes no subscription
// that others consume.
func (sub *subscription) onlyFeed() *feed {
	sub.mu.Lock()
	first, others := sub.ledger.onlyFeed()
	sub.mu.Unlock()
	for _, f := range others {
		f.close()
	}
	return first
}

// endOfTopic reports whether the topic is terminated and all of it acknowledged,
// as one of the feeds has heard.
func (sub *subscription) endOfTopic(ctx context.Context) (end bool, err error) {
	for _, f := range sub.feeds() {
		var e error
		if end, e = f.up.EndOfTopic(ctx); end {
			return true, nil
		}
		err = errors.Join(err, e)
	}
	return false, err
}
