package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// feed is one upstream consumer of a subscription, and its receiver. A
// subscription has one, and opens more when its clients leave so many messages
// unacknowledged that a broker would stop sending to one consumer. They close with it.
type feed struct {
	sub *subscription
	up  Consumer // constant once the feed is in the ledger

	// The ledger's.
	granted int           // permits it holds
	out     int           // messages it delivered that are neither acknowledged nor given back
	gone    bool          // taken out of the ledger's feeds
	came    time.Duration // when what it delivers arrived, see [arrival]
}

// feedPause is how long no other feed is tried after one could not be opened.
const feedPause = 5 * time.Second

// Deliver implements [Receiver].
func (f *feed) Deliver(m *codec.Message) {
	var e effects
	f.sub.mu.Lock()
	f.came = f.sub.arrival.now()
	f.sub.ledger.deliver(&e, f, m)
	f.sub.unlock(&e)
}

// Lost implements [Receiver].
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

// openFeed subscribes upstream.
func (sub *subscription) openFeed(ctx context.Context) (*feed, error) {
	b := sub.b
	release, err := b.slotFor(ctx, &sub.spec)
	if err != nil {
		return nil, err
	}
	defer release()
	spec := sub.spec
	spec.Queue = b.prefetch(spec.Queue)
	f := &feed{sub: sub}
	if f.up, err = b.up.Subscribe(ctx, spec, f); err != nil {
		return nil, err
	}
	b.stats.upstreamConsumers.Add(1)
	return f, nil
}

// close leaves the subscription. It may block.
func (f *feed) close() {
	f.up.Close()
	f.sub.b.stats.upstreamConsumers.Add(-1)
}

// openAnother adds a feed. Until one is there, or if none can be opened, messages
// flow as the ones there are acknowledged.
func (sub *subscription) openAnother() {
	b := sub.b
	ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
	defer stop()
	f, err := sub.openFeed(ctx)
	sub.mu.Lock()
	sub.growing = false
	if err != nil {
		sub.growAfter = time.Now().Add(feedPause)
		sub.mu.Unlock()
		if b.ctx.Err() == nil {
			b.opts.Logger.Warn("no further consumer for a subscription with very many unacknowledged messages",
				"topic", sub.spec.topicName(), "subscription", sub.spec.Subscription, "error", err)
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
