package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/bridge/publish"
	"github.com/pulsegate/pulsegate/bridge/read"
	"github.com/pulsegate/pulsegate/bridge/subscribe"
	"github.com/pulsegate/pulsegate/memory"
)

// Options are the bounds of a hub. The zero value of a field means its default, where one is named.
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
	// Shared subscription have, one each, before they share them; default 1000. On top come
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
		o.SharedConsumers = 1000
	}
	if o.UnackedPerConsumer <= 0 {
		o.UnackedPerConsumer = 40_000
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func (o *Options) limits() bridge.Limits {
	return bridge.Limits{
		MaxTopics: o.MaxTopics, TailBytes: o.TailBytes,
		MaxInFlight: o.MaxInFlight, MaxInFlightBytes: o.MaxInFlightBytes, MaxPublishBytes: o.MaxPublishBytes,
	}
}

// Hub attaches sessions to upstream clients. Its methods may be called from any goroutine;
// all that it has is constant.
type Hub struct {
	up        bridge.Upstream
	limits    bridge.Bounds
	keeper    *pool.Keeper
	census    *census.Registry
	producers *publish.Producers
	consumers *subscribe.Consumers
	readers   *read.Readers
}

// New returns a hub of up. The hub does not own up: its caller closes it
// after the hub.
func New(up bridge.Upstream, o Options) *Hub {
	o.setDefaults()
	h := &Hub{
		up:     up,
		keeper: pool.New(pool.Options{Linger: o.Linger, OpenTimeout: o.OpenTimeout, OpenConcurrency: o.OpenConcurrency}),
		census: census.New(),
	}
	h.SetLimits(o.limits())
	h.producers = publish.New(up, h.keeper, publish.Options{
		Limits: &h.limits, Memory: o.Memory, Logger: o.Logger,
		Enter: func(topic string, out bridge.Outlet) publish.Counters { return h.census.Producer(topic, out) },
	})
	h.consumers = subscribe.New(up, h.keeper, subscribe.Options{
		Limits: &h.limits, Memory: o.Memory, Logger: o.Logger,
		SharedConsumers: o.SharedConsumers, UnackedPerConsumer: o.UnackedPerConsumer,
		Enter: func(topic string, of bridge.Counted) subscribe.Counters { return h.census.Consumer(topic, of) },
	})
	h.readers = read.New(up, h.keeper, read.Options{
		Limits: &h.limits, Memory: o.Memory, Logger: o.Logger,
		Enter: func(topic string, of bridge.Counted) read.Counters { return h.census.Consumer(topic, of) },
	})
	h.keeper.Go(func() { h.census.Run(h.keeper.Context()) })
	return h
}

// Ready reports whether the upstream can serve now; the error says why not.
func (h *Hub) Ready(ctx context.Context) error { return h.up.Ready(ctx) }

// Close ends every opening under way and closes the upstream clients that no
// session uses, then waits for all goroutines. Sessions must have been closed
// before; a producer whose publishes are still in flight ends with the upstream.
func (h *Hub) Close() {
	h.keeper.Close()
	h.producers.Close()
	h.readers.Close()
	h.keeper.Wait()
}

// SetLimits makes other limits count, at once for open sessions, too, but for the
// topics of a session over many, and what a producer at the broker may have on
// its way: they are decided when it is opened. Zero means what it means in [Options]. It may be called from any goroutine.
func (h *Hub) SetLimits(l bridge.Limits) {
	o := Options{TailBytes: l.TailBytes, MaxInFlight: l.MaxInFlight, MaxInFlightBytes: l.MaxInFlightBytes}
	o.setDefaults()
	l.TailBytes, l.MaxInFlight, l.MaxInFlightBytes = o.TailBytes, o.MaxInFlight, o.MaxInFlightBytes
	h.limits.Set(l)
}

// Produce attaches a session that publishes.
func (h *Hub) Produce(spec bridge.ProducerSpec, out bridge.Outlet, done bridge.Opened) (cancel func()) {
	return h.producers.Attach(spec, out, done)
}

// Consume attaches a session that consumes a subscription.
func (h *Hub) Consume(spec bridge.ConsumerSpec, o bridge.ConsumeOptions, out bridge.Outlet, done bridge.Opened) (cancel func()) {
	spec.Topic = h.census.Known(spec.Topic)
	return h.consumers.Attach(spec, o, out, done)
}

// Read attaches a session that reads a topic.
func (h *Hub) Read(spec bridge.ReaderSpec, o bridge.ReadOptions, out bridge.Outlet, done bridge.Opened) (cancel func()) {
	return h.readers.Attach(spec, o, out, done)
}
