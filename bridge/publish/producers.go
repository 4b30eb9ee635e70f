package publish

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/seldom"
)

// Upstream is what the room needs of a [bridge.Upstream].
type Upstream interface {
	CreateProducer(ctx context.Context, spec bridge.ProducerSpec) (bridge.Producer, error)
}

// Counters count what one session does. They take no lock but in Leave, and call nobody.
type Counters interface {
	// Published counts a message of so many bytes that was confirmed, and the time that took.
	Published(bytes int64, took time.Duration)
	// Failed counts a publish that was answered with an error, by its code.
	Failed(code codec.Code)
	// Messages is how many were published and confirmed.
	Messages() uint64
	// Leave says that the session has ended. It is called once.
	Leave()
}

// Options are what the producers of a hub go by. All are required, but for Memory.
type Options struct {
	// Limits are looked at for each publish; MaxTopics and TailBytes mean nothing here.
	Limits *bridge.Bounds
	// Memory counts what sessions have published and nobody has answered; nil: without a limit.
	Memory *memory.Budget
	// Logger gets what no client can be told.
	Logger *slog.Logger
	// Enter gives a session that has opened its counters.
	Enter func(topic string, out bridge.Outlet) Counters
}

// Producers are the upstream producers that sessions publish through.
//
// Its methods may be called from any goroutine. mu guards entries, hidden and the lease of each; under
// it nothing is called but the [pool.Keeper].
type Producers struct {
	up     Upstream
	pool   *pool.Keeper
	limits *bridge.Bounds
	memory *memory.Budget
	log    *slog.Logger
	enter  func(topic string, out bridge.Outlet) Counters

	publishLimit seldom.Line
	upstream     atomic.Int64 // producers that are open there

	mu      sync.Mutex
	entries map[bridge.ProducerSpec]*entry
	hidden  map[*entry]struct{} // that were among the entries, and have sessions still
}

// New returns the producers of up, without any. The keeper outlives them.
func New(up Upstream, keeper *pool.Keeper, o Options) *Producers {
	return &Producers{
		up: up, pool: keeper, limits: o.Limits, memory: o.Memory, log: o.Logger, enter: o.Enter,
		entries: map[bridge.ProducerSpec]*entry{}, hidden: map[*entry]struct{}{},
	}
}

// Attach opens a session that publishes. What it returns cancels that.
func (ps *Producers) Attach(spec bridge.ProducerSpec, out bridge.Outlet, done bridge.Opened) (cancel func()) {
	spec = within(ps.limits.Now(), spec)
	return ps.pool.Attach(func(ctx context.Context) (bridge.Session, error) {
		e, err := ps.entryFor(ctx, spec)
		if err != nil {
			return nil, err
		}
		return &session{e: e, out: out, stats: ps.enter(e.spec.Topic, out)}, nil
	}, done)
}

// Open is how many upstream producers are open.
func (ps *Producers) Open() int { return int(ps.upstream.Load()) }

// Clients lists the upstream producers that sessions may find, or have found, for an operator.
func (ps *Producers) Clients() []bridge.ClientInfo {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	list := make([]bridge.ClientInfo, 0, len(ps.entries)+len(ps.hidden))
	add := func(e *entry) {
		if e.up.Load() != nil {
			list = append(list, bridge.ClientInfo{
				ID: e.id[0], Kind: bridge.ClientProducer, Topic: e.spec.Topic, Principal: e.spec.Principal, Sessions: e.lease.Count(), Connected: true,
			})
		}
	}
	for _, e := range ps.entries {
		add(e)
	}
	for e := range ps.hidden {
		add(e)
	}
	return list
}

// Close closes the upstream producers that no session uses, on goroutines of the keeper, which is closed already.
func (ps *Producers) Close() {
	ps.mu.Lock()
	all := make([]*entry, 0, len(ps.entries))
	for _, e := range ps.entries {
		all = append(all, e)
	}
	ps.mu.Unlock()
	for _, e := range all {
		e.expire()
	}
}
