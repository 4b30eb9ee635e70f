package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// Options are the bounds of a [Keeper]; all are required, but for Linger.
type Options struct {
	// Linger is how long an upstream client that may be shared is kept after its last session; 0: not at all.
	Linger time.Duration
	// OpenTimeout bounds the creation of an upstream client, and a question to the upstream.
	OpenTimeout time.Duration
	// OpenConcurrency bounds the upstream clients that are being created at the same time, and those that begin within
	// slotPatience.
	OpenConcurrency int
}

// Keeper runs what has to wait for the upstream, on goroutines that it counts. It paces
// the creation of upstream clients.
//
// Its methods may be called from any goroutine. mu guards what follows it; it is held for
// map operations only.
type Keeper struct {
	o      Options
	ctx    context.Context // ends with Close: stops openings and upstream queries
	cancel context.CancelFunc
	work   sync.WaitGroup
	slots  chan struct{} // creations under way, at most Options.OpenConcurrency; those that take long left out
	// patience is slotPatience.
	patience time.Duration
	ids      atomic.Uint64 // the last that ID has given

	mu       sync.Mutex
	closed   bool
	leaving  map[LeaverKey]chan struct{} // closed when the client that leaves has left
	creating map[string]*topicSlots      // by topic, while something is created on it
}

// New returns a Keeper. It is to be closed, and waited for.
func New(o Options) *Keeper {
	ctx, cancel := context.WithCancel(context.Background())
	return &Keeper{
		o: o, ctx: ctx, cancel: cancel, patience: slotPatience,
		slots:    make(chan struct{}, o.OpenConcurrency),
		leaving:  map[LeaverKey]chan struct{}{},
		creating: map[string]*topicSlots{},
	}
}

// Close ends every opening under way, and lets nothing start or linger any more.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
}

// Wait returns when all goroutines have ended.
func (k *Keeper) Wait() { k.work.Wait() }

// ID names an upstream client that sessions may share, for its life: from 1, and never twice.
func (k *Keeper) ID() uint64 { return k.ids.Add(1) }

// Context ends with Close.
func (k *Keeper) Context() context.Context { return k.ctx }

// Limited is Context for one creation or question, which may take the OpenTimeout.
func (k *Keeper) Limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(k.ctx, k.o.OpenTimeout)
}

// Start runs f on a goroutine that Wait waits for. It reports false, and does
// not run f, when the Keeper is closed.
func (k *Keeper) Start(f func()) bool {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return false
	}
	k.work.Add(1)
	k.mu.Unlock()
	go func() {
		defer k.work.Done()
		f()
	}()
	return true
}

// Go is Start for what has to happen while the Keeper is closing, too: whoever
// detaches last still has to leave properly, and an opening has to have an outcome.
func (k *Keeper) Go(f func()) {
	k.mu.Lock()
	k.work.Add(1)
	k.mu.Unlock()
	go func() {
		defer k.work.Done()
		f()
	}()
}

// ErrShutdown is what comes of everything that begins after Close.
var ErrShutdown error = &bridge.Error{Kind: bridge.ErrUnavailable, Detail: "the server is shutting down"}

// Attach runs build on a goroutine, bounded by the OpenTimeout, and hands its outcome to done. The
// function it returns cancels: the session, if it comes to be, is closed.
func (k *Keeper) Attach(build func(ctx context.Context) (bridge.Session, error), done bridge.Opened) (cancel func()) {
	ctx, stop := k.Limited()
	var once verdict
	ok := k.Start(func() {
		defer stop()
		s, err := build(ctx)
		if once.finish() {
			done(s, err)
		} else if s != nil {
			s.Close()
		}
	})
	if !ok {
		stop()
		go func() {
			if once.finish() {
				done(nil, ErrShutdown)
			}
		}()
	}
	return func() {
		if once.finish() {
			stop()
		}
	}
}

// verdict decides between the outcome and the cancellation of an opening:
// whichever comes first.
type verdict struct{ done atomic.Bool }

func (v *verdict) finish() bool { return v.done.CompareAndSwap(false, true) }

// LingerOf is how long a client lingers that may be found, pooled, or not: not at all if
// nobody would find it.
func (k *Keeper) LingerOf(pooled bool) time.Duration {
	if !pooled {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0
	}
	return k.o.Linger
}
