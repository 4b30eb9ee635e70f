package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
)

// Options are the bounds of a bridge. The zero value of a field means its default, where one is named.
type Options struct {
	// Linger is how long an upstream producer or tail is kept after its last
	// session, so that clients that reconnect find it; 0: not at all.
	Linger time.Duration
	// OpenTimeout bounds the creation of an upstream client; default 30 s.
	OpenTimeout time.Duration
	// OpenConcurrency bounds the upstream clients that are being created at the
	// same time, so that a reconnect storm does not flood the broker; default 256.
	OpenConcurrency int
	// MaxTopics bounds the topics, partitions counted, of one session over many; 0: no bound.
	MaxTopics int
	// TailBytes bounds the encoded frames that the tail of a topic or a partition keeps; default 8 MiB.
	TailBytes int
	// MaxInFlight and MaxInFlightBytes bound the publishes of one session that
	// are not answered yet, in number and in the memory they take; at a bound its
	// socket is not read any more. Defaults 1000 and 8 MiB.
	MaxInFlight      int
	MaxInFlightBytes int
	// SharedConsumers is how many upstream consumers the sessions of one spec on a
	// Shared subscription have, one each, before they share them; default 64. On top come
	// those of [Options.UnackedPerConsumer].
	SharedConsumers int
	// UnackedPerConsumer bounds what one upstream consumer of a Shared subscription
	// has delivered and may deliver without an acknowledgement; default 40,000. A broker
	// stops sending to a consumer with 50,000 (maxUnackedMessagesPerConsumer), which one
	// upstream consumer per session would never reach; so neither may the sessions that share one.
	UnackedPerConsumer int
	// Memory is what sessions share; nil: without a limit.
	Memory *memory.Budget
	// MaxPublishBytes bounds the memory of all publishes that are not answered;
	// beyond it they fail. It needs Memory. 0: no such bound.
	MaxPublishBytes int64
	// Logger gets what no client can be told; default slog.Default.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.OpenTimeout <= 0 {
		o.OpenTimeout = 30 * time.Second
	}
	if o.OpenConcurrency <= 0 {
		o.OpenConcurrency = 256
	}
	if o.TailBytes <= 0 {
		o.TailBytes = 8 << 20
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 1000
	}
	if o.MaxInFlightBytes <= 0 {
		o.MaxInFlightBytes = 8 << 20
	}
	if o.SharedConsumers <= 0 {
		o.SharedConsumers = 64
	}
	if o.UnackedPerConsumer <= 0 {
		o.UnackedPerConsumer = 40_000
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// ConsumeOptions are what a consumer session asks for beyond its subscription.
type ConsumeOptions struct {
	// Window is how many messages may be out and neither acknowledged nor
	// negatively acknowledged, at least 1. In pull mode permits count instead.
	Window int
	Pull   bool
	// AckTimeout > 0: a message not acknowledged for that long is redelivered and frees its place.
	AckTimeout time.Duration
	// NackDelay is how long a negatively acknowledged message waits for its redelivery.
	NackDelay time.Duration
	Format    codec.Format
}

// ReadOptions are what a reader session asks for beyond its position.
type ReadOptions struct {
	// Window is how many messages may be out without an answer, at least 1.
	Window int
	Format codec.Format
}

// Opened receives the outcome of Produce, Consume or Read: a session, or an
// error (an [*Error] where a kind applies). It is called once, on a goroutine
// of the bridge, unless the opening was cancelled before. It must not block.
type Opened func(Session, error)

// Bridge attaches sessions to upstream clients.
//
// Its methods may be called from any goroutine. mu guards the pools; it is held
// for map operations and [Consumer.Connected] only, never across another call into the upstream or an Outlet.
// Every goroutine the bridge starts is counted in work, and Close waits for it.
type Bridge struct {
	up     Upstream
	opts   Options
	limits atomic.Pointer[Limits] // what counts now; a snapshot is never changed
	stats  registry

	publishLimit reached

	ctx    context.Context // ends with Close: stops openings and upstream queries
	cancel context.CancelFunc
	work   sync.WaitGroup
	slots  chan struct{} // creations under way, at most Options.OpenConcurrency

	mu        sync.Mutex
	closed    bool
	producers map[ProducerSpec]*producerEntry
	groups    map[ConsumerSpec]*group
	leaving   map[leaverKey]chan struct{} // closed when the client that leaves has left
	opening   map[string]*topicSlots      // by topic, while something is created on it
	tails     map[tailKey]*tail
	split     map[splitKey]*partitions // while it has readers
}

// New returns a bridge to up. The bridge does not own up: its caller closes it
// after the bridge.
func New(up Upstream, o Options) *Bridge {
	o.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bridge{
		up: up, opts: o, ctx: ctx, cancel: cancel,
		slots:     make(chan struct{}, o.OpenConcurrency),
		producers: map[ProducerSpec]*producerEntry{},
		groups:    map[ConsumerSpec]*group{},
		leaving:   map[leaverKey]chan struct{}{},
		opening:   map[string]*topicSlots{},
		tails:     map[tailKey]*tail{},
		split:     map[splitKey]*partitions{},
	}
	b.SetLimits(o.limits())
	b.stats.init(&b.work, ctx)
	return b
}

// Ready reports whether the upstream can serve now; the error says why not.
func (b *Bridge) Ready(ctx context.Context) error { return b.up.Ready(ctx) }

// Close ends every opening under way and closes the upstream clients that no
// session uses, then waits for the bridge's goroutines. Sessions must have been closed
// before; a producer whose publishes are still in flight ends with the upstream.
func (b *Bridge) Close() {
	b.mu.Lock()
	b.closed = true
	var entries []*producerEntry
	for _, e := range b.producers {
		entries = append(entries, e)
	}
	var tails []*tail
	for _, t := range b.tails {
		tails = append(tails, t)
	}
	b.mu.Unlock()
	b.cancel()
	for _, e := range entries {
		e.expire()
	}
	for _, t := range tails {
		t.expire()
	}
	b.work.Wait()
}

// start runs f on a goroutine that Close waits for. It reports false, and does
// not run f, when the bridge is closed.
func (b *Bridge) start(f func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.work.Add(1)
	b.mu.Unlock()
	go func() {
		defer b.work.Done()
		f()
	}()
	return true
}

// goClose runs an upstream client's Close, which may block, on a goroutine of
// its own. Unlike start it also works while the bridge is closing: whoever
// detaches last still has to leave properly.
func (b *Bridge) goClose(f func()) {
	b.mu.Lock()
	b.work.Add(1)
	b.mu.Unlock()
	go func() {
		defer b.work.Done()
		f()
	}()
}

var errBridgeClosed = &Error{Kind: ErrUnavailable, Detail: "the server is shutting down"}

// open runs build on a goroutine, paced, and hands its outcome to done. The
// function it returns cancels: the session, if it comes to be, is closed.
func (b *Bridge) open(build func(ctx context.Context) (Session, error), done Opened) (cancel func()) {
	ctx, stop := context.WithTimeout(b.ctx, b.opts.OpenTimeout)
	var once verdict
	ok := b.start(func() {
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
				done(nil, errBridgeClosed)
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
