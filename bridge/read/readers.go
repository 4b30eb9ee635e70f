package read

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/pool"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/seldom"
)

// Upstream is what the room needs of a [bridge.Upstream].
type Upstream interface {
	OpenReader(ctx context.Context, spec bridge.ReaderSpec, r bridge.Receiver) (bridge.Reader, error)
	Partitions(ctx context.Context, topic, principal string) (int, error)
}

// Counters count what one session does. They take no lock but in Leave, and call nobody.
type Counters interface {
	// Delivered counts messages that were written, their bytes of payload together, and how long each had waited.
	Delivered(messages, bytes int, waited time.Duration)
	// Acknowledged counts the client's answer to one.
	Acknowledged(n int)
	// Messages is how many were delivered.
	Messages() uint64
	// Leave says that the session has ended. It is called once.
	Leave()
}

// Options are what the readers of a hub go by. All are required, but for Memory.
type Options struct {
	// Limits are looked at for each message; only TailBytes means something here.
	Limits *bridge.Bounds
	// Memory counts what rings hold, and says how much one may; nil: without a limit.
	Memory *memory.Budget
	// Logger gets what no client can be told.
	Logger *slog.Logger
	// Enter gives a session that has opened its counters.
	Enter func(topic string, of bridge.Counted) Counters
}

// Readers are the upstream readers that sessions share.
//
// Its methods may be called from any goroutine. mu guards what follows it: the tails with their catch-ups,
// the leases of both, and what is known of topics with partitions. Under it nothing is called but
// the [pool.Keeper]; the lock of a stream may be taken.
type Readers struct {
	up     Upstream
	pool   *pool.Keeper
	limits *bridge.Bounds
	memory *memory.Budget
	log    *slog.Logger
	enter  func(topic string, of bridge.Counted) Counters

	upstream  atomic.Int64 // readers that are open there
	openTails atomic.Int64 // of them
	tailBytes atomic.Int64 // of all rings
	full      bridge.FullWindows
	unknown   seldom.Line // ends of topics

	mu    sync.Mutex
	tails map[tailKey]*tail
	split map[splitKey]*partitions // while it has readers
}

// New returns the readers of up, without any. The keeper outlives them.
func New(up Upstream, keeper *pool.Keeper, o Options) *Readers {
	return &Readers{
		up: up, pool: keeper, limits: o.Limits, memory: o.Memory, log: o.Logger, enter: o.Enter,
		tails: map[tailKey]*tail{}, split: map[splitKey]*partitions{},
	}
}

// Attach opens a session that reads a topic. What it returns cancels that.
func (rs *Readers) Attach(spec bridge.ReaderSpec, o bridge.ReadOptions, out bridge.Outlet, done bridge.Opened) (cancel func()) {
	return rs.pool.Attach(func(ctx context.Context) (bridge.Session, error) {
		s := &session{readers: rs, window: int32(o.Window), legacyTime: o.Format.LegacyTime, out: out}
		if o.Format.HasContext {
			s.suffix = contextSuffix(o.Format.Context)
		}
		if err := s.start(ctx, &spec); err != nil {
			return nil, err
		}
		s.stats = rs.enter(s.topic(), s)
		return s, nil
	}, func(s bridge.Session, err error) {
		done(s, err)
		if err == nil {
			out.Wake() // it may look for messages now
		}
	})
}

// Open is how many upstream readers are open, and how many of them are tails.
func (rs *Readers) Open() (readers, tails int) {
	return int(rs.upstream.Load()), int(rs.openTails.Load())
}

// Windows counts the sessions whose windows are full.
func (rs *Readers) Windows() *bridge.FullWindows { return &rs.full }

// Bytes is how much all rings hold, in bytes of frames.
func (rs *Readers) Bytes() int64 { return rs.tailBytes.Load() }

// Clients lists the upstream readers that sessions may find, for an operator.
func (rs *Readers) Clients() []bridge.ClientInfo {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	list := make([]bridge.ClientInfo, 0, len(rs.tails))
	add := func(kind bridge.ClientKind, t *stream) {
		list = append(list, bridge.ClientInfo{
			ID: t.id[0], Kind: kind, Topic: t.key.topic, Principal: t.key.principal, Sessions: t.lease.Count(), Connected: true,
		})
	}
	for _, t := range rs.tails {
		add(bridge.ClientTail, &t.stream)
		for _, c := range t.catchUps {
			add(bridge.ClientReader, &c.stream)
		}
	}
	return list
}

// Close closes the upstream readers that no session uses, on goroutines of the keeper, which is closed already.
func (rs *Readers) Close() {
	rs.mu.Lock()
	all := make([]*tail, 0, len(rs.tails))
	for _, t := range rs.tails {
		all = append(all, t)
	}
	rs.mu.Unlock()
	for _, t := range all {
		t.expire()
	}
}
