package bridge

import (
	"context"

	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// tailFor returns the topic's tail with one more session counted, creating it
// if there is none. It is to be waited for with await.
func (b *Bridge) tailFor(key tailKey) *tail {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tails[key]
	if t == nil {
		t = &tail{b: b, key: key, opened: make(chan struct{}), members: map[*place]struct{}{}}
		t.last.what, t.last.ask = "the end of "+key.topic, t.lastPosition
		b.tails[key] = t
		b.work.Add(1)
		go t.create()
	}
	t.lease.take()
	return t
}

// await returns when the tail's upstream reader is open, or why it is not.
func (t *tail) await(ctx context.Context) error {
	select {
	case <-t.opened:
		return t.err
	case <-ctx.Done():
		return openError(ctx, "opening a reader of "+t.key.topic)
	}
}

// create opens the tail, on a goroutine of its own.
func (t *tail) create() {
	b := t.b
	defer b.work.Done()
	ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
	defer stop()
	t.err = t.open(ctx)
	if t.up == nil {
		t.unpool()
		close(t.opened)
		return
	}
	b.stats.upstreamReaders.Add(1)
	t.count(1)
	close(t.opened)
	t.mu.Lock()
	t.live = true
	grant := t.topUp()
	t.mu.Unlock()
	t.up.Permit(grant)
}

// lastPosition asks for the end of the topic. The tail is open.
func (t *tail) lastPosition(ctx context.Context) (codec.MessageID, error) {
	ids, err := t.up.LastPosition(ctx)
	if err == nil && len(ids) != 1 {
		err = &Error{Kind: ErrUnavailable, Detail: "the topic " + t.key.topic + " has been made anew"}
	}
	if err != nil {
		return codec.MessageID{}, err
	}
	return ids[0], nil
}

// open opens the upstream reader. It sets up, unless it fails or the topic is
// partitioned: then there are tails for its partitions.
func (t *tail) open(ctx context.Context) error {
	b := t.b
	partitioned, _ := names.SplitPartition(t.key.topic)
	release, err := b.slot(ctx, partitioned)
	if err != nil {
		return err
	}
	defer release()
	spec := ReaderSpec{Topic: t.key.topic, Start: StartLatest, Queue: tailPermits, CryptoFailure: t.key.crypto}
	atEnd := t.backlog == nil && t.ordered()
	if t.backlog != nil {
		spec = t.backlog.start
	}
	if atEnd {
		if t.partitions, err = b.up.Partitions(ctx, t.key.topic); err != nil || t.partitions > 0 {
			return err
		}
	}
	if t.up, err = b.up.OpenReader(ctx, spec, t); err != nil || !atEnd {
		return err
	}
	// What was published before the reader was open is not in the ring.
	if t.origin, err = t.lastPosition(ctx); err != nil {
		t.up.Close()
		t.up = nil
	}
	return err
}
