package bridge

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/codec"
)

// entryQueue is how many publishes of all sessions together one upstream
// producer holds unless the client asked for another bound. It is the default
// queue of Pulsar's clients, so a shared producer never reports a full queue.
const entryQueue = 1000

// producerEntry is one upstream producer and the sessions that publish
// through it: the pool's unit.
//
// ready is closed once up or err is set; err is constant from then on, and up is
// replaced only by one that is renewed, see [renewal].
type producerEntry struct {
	b    *Bridge
	spec ProducerSpec

	ready chan struct{}
	up    atomic.Pointer[Producer]
	err   error

	lease  lease // guarded by b.mu
	pooled bool  // guarded by b.mu; false: not to be found any more

	turns   turns
	renewal renewal
}

func (e *producerEntry) upstream() Producer { return *e.up.Load() }

// checkTimeout bounds the look at a producer that another session may share.
const checkTimeout = 100 * time.Millisecond

// producerFor returns the entry for spec with one more session counted,
// creating it if there is none. It waits until the upstream has confirmed. An
// entry that cannot publish now is left to the sessions it has: the new one
// hears from the broker what is wrong.
func (b *Bridge) producerFor(ctx context.Context, spec ProducerSpec) (*producerEntry, error) {
	e, created, err := b.joinProducer(ctx, spec)
	if err != nil || created || e.publishes(ctx) {
		return e, err
	}
	e.unpool()
	e.release()
	e, _, err = b.joinProducer(ctx, spec)
	return e, err
}

// publishes reports that the entry's producer is of use.
func (e *producerEntry) publishes(ctx context.Context) bool {
	ctx, stop := context.WithTimeout(ctx, checkTimeout)
	defer stop()
	return !e.renewal.active() && e.upstream().Check(ctx) == nil
}

// joinProducer returns the pool's entry for spec, whatever its state, or a new one.
func (b *Bridge) joinProducer(ctx context.Context, spec ProducerSpec) (e *producerEntry, created bool, err error) {
	b.mu.Lock()
	e = b.producers[spec]
	if created = e == nil || spec.Own(); created {
		e = &producerEntry{b: b, spec: spec, ready: make(chan struct{}), pooled: !spec.Own()}
		queue := spec.MaxPending
		if queue <= 0 {
			queue = entryQueue
		}
		e.turns.init(queue, spec.Batching, &e.renewal)
		if e.pooled {
			b.producers[spec] = e
		}
		// The creation belongs to the entry, not to the session that asked
		// first: others may be waiting for it when that one is cancelled.
		b.work.Add(1)
		go e.create(b.leaving[spec.leaverKey()])
	}
	e.lease.take()
	b.mu.Unlock()

	select {
	case <-e.ready:
		if e.err != nil {
			e.release()
			return nil, false, e.err
		}
		return e, created, nil
	case <-ctx.Done():
		e.release()
		return nil, false, openError(ctx, "creating the producer for "+spec.Topic)
	}
}

// leaverKey is what two producers that cannot be connected at once have in common.
func (s *ProducerSpec) leaverKey() leaverKey {
	if s.Name == "" {
		return leaverKey{}
	}
	return leaverKey{s.Topic, "producer", s.Name}
}

// create connects upstream, after a producer of the same name that is just leaving.
func (e *producerEntry) create(leaving <-chan struct{}) {
	b := e.b
	defer b.work.Done()
	ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
	defer stop()
	awaitLeaver(ctx, leaving)
	release, err := b.slot(ctx, e.spec.Topic)
	if err == nil {
		var up Producer
		if up, err = b.up.CreateProducer(ctx, e.spec); err == nil {
			e.up.Store(&up)
		}
		release()
	}
	e.err = err
	if err == nil {
		b.stats.upstreamProducers.Add(1)
	} else {
		e.unpool()
	}
	close(e.ready)
}

// unpool makes the entry unfindable: the next session gets a new one.
func (e *producerEntry) unpool() {
	e.b.mu.Lock()
	e.hide()
	e.b.mu.Unlock()
}

// hide is unpool for a caller that holds the bridge's mutex.
func (e *producerEntry) hide() {
	if e.pooled {
		delete(e.b.producers, e.spec)
	}
	e.pooled = false
}

// release counts one session less. The entry lingers after its last session
// if it can be found, else it closes at once.
func (e *producerEntry) release() {
	b := e.b
	b.mu.Lock()
	now := e.lease.give(b.lingerOf(e.pooled), e.expire)
	b.mu.Unlock()
	if now {
		e.expire()
	}
}

// expire closes the upstream producer if no session came back meanwhile.
func (e *producerEntry) expire() {
	b := e.b
	b.mu.Lock()
	over := e.lease.end()
	if over {
		e.hide()
	}
	b.mu.Unlock()
	if !over {
		return
	}
	left := b.announceLeaving(e.spec.leaverKey())
	b.goClose(func() {
		<-e.ready
		if e.err == nil {
			e.upstream().Close()
			b.stats.upstreamProducers.Add(-1)
		}
		left()
	})
}

// send hands one publish, for which a place was taken, to the upstream. A publish
// that has waited longer than the send timeout fails as it would in the upstream's queue.
func (e *producerEntry) send(p *publish, late bool) {
	if t := e.spec.SendTimeout; late && t > 0 && time.Since(p.since) > t {
		p.Sent(codec.MessageID{}, &Error{Kind: ErrTimeout, Detail: "not sent to " + e.spec.Topic + " within " + t.String()})
		return
	}
	if err := e.renewal.refusal(); err != nil {
		e.renew()
		p.Sent(codec.MessageID{}, err)
		return
	}
	if up := e.upstream(); p.s.upOf != up {
		p.s.up, p.s.upOf = up.NewSender(), up
	}
	p.s.up.Send(&p.req, p)
}

// failed looks at why a publish failed: if the upstream producer is of no use
// any more, later sessions get a new one, and the others too where that can help.
func (e *producerEntry) failed(err error) {
	again := errors.Is(err, ErrClosed) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrUnauthorized)
	if again {
		e.renew()
	}
	if again || errors.Is(err, ErrFenced) || errors.Is(err, ErrTerminated) {
		e.unpool()
	}
}
