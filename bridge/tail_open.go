package bridge

import (
	"context"
	"strings"

	"github.com/pulsegate/pulsegate/codec"
)

// tailFor returns the topic's tail with one more session counted, creating it
// if there is none. It is to be waited for with await.
func (b *Bridge) tailFor(key tailKey) *tail {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tails[key]
	if t == nil {
		t = &tail{b: b, key: key, opened: make(chan struct{}), members: map[*place]struct{}{}}
		t.last.ask = func(ctx context.Context) ([]codec.MessageID, error) { return b.up.LastPosition(ctx, key.topic) }
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

// open opens the upstream reader. It sets up, unless it fails or the topic is
// partitioned: then there are tails for its partitions.
func (t *tail) open(ctx context.Context) error {
	b := t.b
	topic, _, _ := strings.Cut(t.key.topic, PartitionSuffix)
	release, err := b.slot(ctx, topic)
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
		if t.origin, err = b.up.LastPosition(ctx, t.key.topic); err != nil || t.partitioned() {
			return err
		}
	}
	up, err := b.up.OpenReader(ctx, spec, t)
	if err == nil && atEnd {
		// Once more: what was published before the reader was open is not in the ring.
		if t.origin, err = b.up.LastPosition(ctx, t.key.topic); err != nil {
			up.Close()
		}
	}
	if err == nil {
		t.up = up
	}
	return err
}
