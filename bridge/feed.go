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
	up  Consumer // constant once the feed is in sub.feeds

	// Guarded by sub.mu.
	granted int // permits it holds
	out     int // messages it delivered that are neither acknowledged nor given back
}

// feedPause is how long no other feed is tried after one could not be opened.
const feedPause = 5 * time.Second

// Deliver implements [Receiver].
func (f *feed) Deliver(m *codec.Message) { f.sub.deliver(f, m) }

// Lost implements [Receiver].
func (f *feed) Lost(err error) { f.sub.endAll(err) }

// relieved resumes the sessions that waited for the upstream consumer.
func (f *feed) relieved() {
	f.sub.mu.Lock()
	defer f.sub.mu.Unlock()
	for s := range f.sub.sessions {
		s.unstall()
	}
}

// congested reports that an upstream consumer wants no more acknowledgements
// for now. Called with mu held.
func (sub *subscription) congested() bool {
	for _, f := range sub.feeds {
		if f.up.Congested(f.relieved) {
			return true
		}
	}
	return false
}

// capacity is how many more permits the feed may hold. Called with sub.mu held.
func (f *feed) capacity() int {
	if f.sub.own {
		return maxPermits // the session is the consumer, with what it asks for
	}
	return f.sub.b.opts.UnackedPerConsumer - f.out - f.granted
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
	sub.feeds = append(sub.feeds, f)
	permits := sub.settle()
	sub.mu.Unlock()
	permits.give()
}

// permits are what feeds are to be granted once sub.mu is released.
type permits struct {
	feed  *feed
	n     int
	more  []permits
	grown *subscription // is to open another feed
}

// add counts n permits for f. Called with sub.mu held.
func (p *permits) add(f *feed, n int) {
	f.granted += n
	f.sub.granted += n
	if p.n == 0 || p.feed == f {
		p.feed, p.n = f, p.n+n
		return
	}
	for i := range p.more {
		if p.more[i].feed == f {
			p.more[i].n += n
			return
		}
	}
	p.more = append(p.more, permits{feed: f, n: n})
}

// give grants them. It is called without sub.mu.
func (p *permits) give() {
	if p.n > 0 {
		p.feed.up.Permit(p.n)
	}
	for i := range p.more {
		p.more[i].give()
	}
	if p.grown != nil && !p.grown.b.start(p.grown.openAnother) {
		p.grown.mu.Lock()
		p.grown.growing = false
		p.grown.mu.Unlock()
	}
}

// topUp returns the permits to be granted so that the feeds hold one for every
// place that no waiting message will take. While there is such a place each feed
// holds one at least, even if that is too many by a few: what an upstream has
// prefetched for a feed comes through no other. Called with mu held.
func (sub *subscription) topUp() (p permits) {
	places := sub.free - len(sub.waiting)
	if places <= 0 {
		return p
	}
	want := places - sub.granted
	for _, f := range sub.feeds {
		if f.granted == 0 && f.capacity() > 0 {
			p.add(f, 1)
			want--
		}
	}
	for want > 0 {
		f := sub.leastGranted()
		if f == nil {
			break
		}
		n := min(want, f.capacity(), want/len(sub.feeds)+1)
		p.add(f, n)
		want -= n
	}
	if want > 0 && sub.busy() && !sub.own && !sub.growing && !sub.gone && sub.lost == nil && !time.Now().Before(sub.growAfter) {
		sub.growing = true
		p.grown = sub
	}
	return p
}

// leastGranted is the feed with the fewest permits that may hold more, nil if
// none may. Called with mu held.
func (sub *subscription) leastGranted() (least *feed) {
	for _, f := range sub.feeds {
		if f.capacity() > 0 && (least == nil || f.granted < least.granted) {
			least = f
		}
	}
	return least
}

// busy reports that all feeds have half of what they may have out: another is
// to be there in time. Called with mu held.
func (sub *subscription) busy() bool {
	for _, f := range sub.feeds {
		if f.out < sub.b.opts.UnackedPerConsumer/2 {
			return false
		}
	}
	return true
}

// returned is a message to be asked for again.
type returned struct {
	feed *feed // that delivered it
	id   codec.MessageID
}

// redeliver asks for messages again. It is called without sub.mu.
func redeliver(list []returned) {
	for len(list) > 0 {
		f := list[0].feed
		var ids []codec.MessageID
		var others []returned
		for i := range list {
			if list[i].feed == f {
				ids = append(ids, list[i].id)
			} else {
				others = append(others, list[i])
			}
		}
		f.up.Redeliver(ids)
		list = others
	}
}

// ackers are the feeds to be told that a message is acknowledged: the one that
// delivered it. A batch counts as a whole, and each feed that delivered a copy of it
// must know of all its messages; so all are told of those, and of what nobody
// holds. Called with mu held; the result may be used without.
func (sub *subscription) ackers(d *delivery, id *codec.MessageID) []*feed {
	if d == nil || id.BatchSize > 1 || len(sub.feeds) == 1 {
		return sub.feeds
	}
	for i, f := range sub.feeds {
		if f == d.feed {
			return sub.feeds[i : i+1]
		}
	}
	return sub.feeds // it closed; what it delivered went back to the broker
}

// onlyFeed closes all feeds but the first: a broker deletes no subscription
// that others consume.
func (sub *subscription) onlyFeed() *feed {
	sub.mu.Lock()
	first, others := sub.feeds[0], sub.feeds[1:]
	sub.feeds = sub.feeds[:1:1]
	for _, f := range others {
		sub.granted -= f.granted
		f.granted = 0
	}
	sub.mu.Unlock()
	for _, f := range others {
		f.close()
	}
	return first
}

// endOfTopic reports whether the topic is terminated and all of it acknowledged,
// as one of the feeds has heard.
func (sub *subscription) endOfTopic(ctx context.Context) (end bool, err error) {
	sub.mu.Lock()
	feeds := sub.feeds
	sub.mu.Unlock()
	for _, f := range feeds {
		var e error
		if end, e = f.up.EndOfTopic(ctx); end {
			return true, nil
		}
		err = errors.Join(err, e)
	}
	return false, err
}
