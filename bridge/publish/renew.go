package publish

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge/pool"
)

// renewal replaces an entry's upstream producer that has ended, or lost one of
// its partitions, since its topic was deleted: it does not come back by itself,
// while the topic may, and sessions that are open go on then. It is a failed
// publish that tells. While one is under way the sessions' publishes wait as they do for
// places; after one that failed they are answered with its error until the next,
// which another failed publish starts, but not before a pause is over.
//
// mu guards what follows it.
type renewal struct {
	running atomic.Bool
	failed  atomic.Pointer[error] // why the last one did; nil: it did not

	mu    sync.Mutex
	pause time.Duration
	next  time.Time // no earlier
}

// The pauses after a renewal that failed.
const (
	firstRenewalPause = time.Second
	lastRenewalPause  = 30 * time.Second
)

// active reports that one is under way. What has to see its end looks again after it.
func (r *renewal) active() bool { return r.running.Load() }

// refusal is what a publish is answered with that needs a renewal and is too
// early for it; nil: it may be sent.
func (r *renewal) refusal() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// begin reports that the caller is to replace the producer now.
func (r *renewal) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running.Load() || time.Now().Before(r.next) {
		return false
	}
	r.running.Store(true)
	return true
}

// end notes how one went.
func (r *renewal) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.failed.Store(nil)
		r.pause = 0
	} else {
		r.failed.Store(&err)
		r.pause = min(max(firstRenewalPause, 2*r.pause), lastRenewalPause)
		r.next = time.Now().Add(r.pause)
	}
	r.running.Store(false)
}

// renew replaces the upstream producer in the background. Where the client numbers
// the messages it cannot: nobody knows where to go on.
func (e *entry) renew() {
	if e.spec.HasInitialSequenceID || !e.renewal.begin() {
		return
	}
	if !e.producers.pool.Start(e.replace) {
		e.renewal.end(pool.ErrShutdown)
	}
}

// replace does so, unless the last session has left.
func (e *entry) replace() {
	ps := e.producers
	ps.mu.Lock()
	used := e.lease.Count() > 0
	if used {
		e.lease.Take() // so that the entry stays meanwhile
	}
	ps.mu.Unlock()
	if !used {
		e.renewal.end(nil)
		return
	}
	ctx, stop := ps.pool.Limited()
	defer stop()
	e.upstream().Close() // which answers all that was sent through it
	err := e.connect(ctx)
	if err != nil {
		ps.log.Debug("make the producer of a topic anew", "topic", e.spec.Topic, "error", err)
	}
	e.renewal.end(err)
	e.handOut()
	e.release()
}
