package publish

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/latency"
)

// entryQueue is how many publishes of all sessions together one upstream
// producer holds unless the client asked for another bound. It is the default
// queue of Pulsar's clients, so a shared producer never reports a full queue.
const entryQueue = 1000

// entry is one upstream producer and the sessions that publish
// through it: the pool's unit.
//
// ready is closed once up or err is set; err is constant from then on, and up is
// replaced only by one that is renewed, see [renewal].
type entry struct {
	producers *Producers
	spec      bridge.ProducerSpec
	id        [1]uint64 // see [pool.Keeper.ID], constant; 0: it is one session's own

	ready chan struct{}
	up    atomic.Pointer[bridge.Producer]
	err   error

	lease  pool.Lease // guarded by producers.mu, as is pooled
	pooled bool       // false: not to be found any more

	turns   turns
	renewal renewal

	answered atomic.Int64 // when the outcomes came that the upstream is giving now, see latency.Now; 0: it gives none
}

// answerTime is when an outcome came that the upstream has just given. To look at the clock for each is too much where a batch is answered.
func (e *entry) answerTime() time.Duration {
	at := time.Duration(e.answered.Load())
	if at == 0 {
		at = latency.Now()
		e.answered.Store(int64(at))
	}
	return at
}

func (e *entry) upstream() bridge.Producer { return *e.up.Load() }

// checkTimeout bounds the look at a producer that another session may share.
const checkTimeout = 100 * time.Millisecond

// entryFor returns the entry for spec with one more session counted,
// creating it if there is none. It waits until the upstream has confirmed. An
// entry that cannot publish now is left to the sessions it has: the new one
// hears from the broker what is wrong.
func (ps *Producers) entryFor(ctx context.Context, spec bridge.ProducerSpec) (*entry, error) {
	e, created, err := ps.join(ctx, spec)
	if err != nil || created || e.publishes(ctx) {
		return e, err
	}
	e.unpool()
	e.release()
	e, _, err = ps.join(ctx, spec)
	return e, err
}

// publishes reports that the entry's producer is of use.
func (e *entry) publishes(ctx context.Context) bool {
	ctx, stop := context.WithTimeout(ctx, checkTimeout)
	defer stop()
	return !e.renewal.active() && e.upstream().Check(ctx) == nil
}

// join returns the pool's entry for spec, whatever its state, or a new one.
func (ps *Producers) join(ctx context.Context, spec bridge.ProducerSpec) (e *entry, created bool, err error) {
	ps.mu.Lock()
	e = ps.entries[spec]
	if created = e == nil || spec.Own(); created {
		e = &entry{producers: ps, spec: spec, ready: make(chan struct{}), pooled: !spec.Own()}
		queue := spec.MaxPending
		if queue <= 0 {
			queue = entryQueue
		}
		e.turns.init(queue, spec.Batching, &e.renewal)
		if e.pooled {
			e.id[0] = ps.pool.ID()
			ps.entries[spec] = e
		}
		// The creation belongs to the entry, not to the session that asked
		// first: others may be waiting for it when that one is cancelled.
		leaving, made := ps.pool.Leaving(leaverKey(&spec)), e // e is nil once it is given up
		ps.pool.Go(func() { made.create(leaving) })
	}
	e.lease.Take()
	ps.mu.Unlock()

	select {
	case <-e.ready:
		if e.err != nil {
			e.release()
			return nil, false, e.err
		}
		return e, created, nil
	case <-ctx.Done():
		e.release()
		return nil, false, pool.OpenError(ctx, "creating the producer for "+spec.Topic)
	}
}

// leaverKey is what two producers that cannot be connected at once have in common.
func leaverKey(s *bridge.ProducerSpec) pool.LeaverKey {
	if s.Name == "" {
		return pool.LeaverKey{}
	}
	return pool.LeaverKey{Topic: s.Topic, Kind: "producer", Name: s.Name}
}

// create connects upstream, after a producer of the same name that is just leaving.
func (e *entry) create(leaving <-chan struct{}) {
	ctx, stop := e.producers.pool.Limited()
	defer stop()
	pool.AwaitLeaver(ctx, leaving)
	err := e.connect(ctx)
	e.err = err
	if err == nil {
		e.producers.upstream.Add(1)
	} else {
		e.unpool()
	}
	close(e.ready)
}

// connect creates an upstream producer.
func (e *entry) connect(ctx context.Context) error {
	release, err := e.producers.pool.Slot(ctx, e.spec.Topic)
	if err != nil {
		return err
	}
	defer release()
	up, err := e.producers.up.CreateProducer(ctx, e.spec)
	if err == nil {
		e.up.Store(&up)
	}
	return err
}

// unpool makes the entry unfindable: the next session gets a new one.
func (e *entry) unpool() {
	e.producers.mu.Lock()
	e.hide()
	e.producers.mu.Unlock()
}

// hide is unpool for a caller that holds the pool's mutex.
func (e *entry) hide() {
	ps := e.producers
	if e.pooled {
		delete(ps.entries, e.spec)
		if e.lease.Count() > 0 {
			ps.hidden[e] = struct{}{}
		}
	}
	e.pooled = false
}

// release counts one session less. The entry lingers after its last session
// if it can be found, else it closes at once.
func (e *entry) release() {
	ps := e.producers
	ps.mu.Lock()
	now := e.lease.Give(ps.pool.LingerOf(e.pooled), e.expire)
	ps.mu.Unlock()
	if now {
		e.expire()
	}
}

// expire closes the upstream producer if no session came back meanwhile.
func (e *entry) expire() {
	ps := e.producers
	ps.mu.Lock()
	over := e.lease.End()
	if over {
		e.hide()
		delete(ps.hidden, e)
	}
	ps.mu.Unlock()
	if !over {
		return
	}
	left := ps.pool.AnnounceLeaving(leaverKey(&e.spec))
	ps.pool.Go(func() {
		<-e.ready
		if e.err == nil {
			e.upstream().Close()
			ps.upstream.Add(-1)
		}
		left()
	})
}

// send hands one publish, for which a place was taken, to the upstream. A publish
// that has waited longer than the send timeout fails as it would in the upstream's queue.
func (e *entry) send(p *message, late bool) {
	if t := e.spec.SendTimeout; late && t > 0 && latency.Now()-p.since > t {
		p.Sent(codec.MessageID{}, &bridge.Error{Kind: bridge.ErrTimeout, Detail: "not sent to " + e.spec.Topic + " within " + t.String()})
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
func (e *entry) failed(err error) {
	again := errors.Is(err, bridge.ErrClosed) || errors.Is(err, bridge.ErrNotFound) || errors.Is(err, bridge.ErrForbidden) || errors.Is(err, bridge.ErrUnauthorized)
	if again {
		e.renew()
	}
	if again || errors.Is(err, bridge.ErrFenced) || errors.Is(err, bridge.ErrTerminated) {
		e.unpool()
	}
}
