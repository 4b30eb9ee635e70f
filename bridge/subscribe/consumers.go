package subscribe

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
	Subscribe(ctx context.Context, spec bridge.ConsumerSpec, r bridge.Receiver) (bridge.Consumer, error)
}

// Counters count what one session does. They take no lock but in Leave, and call nobody.
type Counters interface {
	// Delivered counts messages that were written, their bytes of payload together, and how long each had waited.
	Delivered(messages, bytes int, waited time.Duration)
	// Redelivered counts those of them that the client, or another one, had been sent before.
	Redelivered(n int)
	// Acknowledged and Refused count what the client says of one.
	Acknowledged(n int)
	Refused()
	// Messages is how many were delivered.
	Messages() uint64
	// Leave says that the session has ended. It is called once.
	Leave()
}

// Options are what the consumers of a hub go by. All are required, but for Memory.
type Options struct {
	// Limits are looked at when a session opens; only MaxTopics means something here.
	Limits *bridge.Bounds
	// SharedConsumers is how many upstream consumers the sessions of one spec on a
	// Shared subscription have, one each, before they share them.
	SharedConsumers int
	// UnackedPerConsumer bounds what one upstream consumer of a Shared subscription
	// has delivered and may deliver without an acknowledgement.
	UnackedPerConsumer int
	// Memory counts what waits for sessions, and says how much may; nil: without a limit.
	Memory *memory.Budget
	// Logger gets what no client can be told.
	Logger *slog.Logger
	// Enter gives a session that has opened its counters.
	Enter func(topic string, of bridge.Counted) Counters
}

// Consumers are the upstream consumers that sessions have, or share.
//
// Its methods may be called from any goroutine. mu guards groups and each [group]. Under it
// nothing is called but the [pool.Keeper] and [bridge.Consumer.Connected]; the lock of a
// subscription may be taken.
type Consumers struct {
	up      Upstream
	pool    *pool.Keeper
	limits  *bridge.Bounds
	shared  int // Options.SharedConsumers
	perFeed int // Options.UnackedPerConsumer
	memory  *memory.Budget
	log     *slog.Logger
	enter   func(topic string, of bridge.Counted) Counters

	upstream atomic.Int64 // consumers that are open there
	unacked  atomic.Int64 // messages delivered and not acknowledged
	full     bridge.FullWindows

	refused, unknown seldom.Line // unsubscribes that failed, and ends of topics

	mu     sync.Mutex
	groups map[bridge.ConsumerSpec]*group
}

// New returns the consumers of up, without any. The keeper outlives them.
func New(up Upstream, keeper *pool.Keeper, o Options) *Consumers {
	return &Consumers{
		up: up, pool: keeper, limits: o.Limits, shared: o.SharedConsumers, perFeed: o.UnackedPerConsumer,
		memory: o.Memory, log: o.Logger, enter: o.Enter, groups: map[bridge.ConsumerSpec]*group{},
	}
}

// redeliveryTick is how late a redelivery may reach the broker. It comes on top
// of the delays that clients ask for.
const redeliveryTick = 100 * time.Millisecond

// Attach opens a session that consumes a subscription. What it returns cancels that.
func (cs *Consumers) Attach(spec bridge.ConsumerSpec, o bridge.ConsumeOptions, out bridge.Outlet, done bridge.Opened) (cancel func()) {
	own := o.Pull // a pull session's permits know no bound, so it shares with nobody
	if spec.Topic == "" {
		spec.MaxTopics = cs.limits.Now().MaxTopics
	}
	spec.RedeliveryTick = redeliveryTick
	return cs.pool.Attach(func(ctx context.Context) (bridge.Session, error) {
		sub, err := cs.subscriptionFor(ctx, spec, own)
		if err != nil {
			return nil, err
		}
		s := &session{sub: sub, member: newMember(o, out)}
		s.stats = cs.enter(sub.spec.topicName(), s)
		return s, nil
	}, func(s bridge.Session, err error) {
		done(s, err)
		if err == nil {
			// Only now may messages flow: the client has been told that it is open.
			s.(*session).begin()
		}
	})
}

// Open is how many upstream consumers are open.
func (cs *Consumers) Open() int { return int(cs.upstream.Load()) }

// Unacked is how many messages sessions have and have not acknowledged.
func (cs *Consumers) Unacked() int64 { return cs.unacked.Load() }

// Windows counts the sessions whose windows are full.
func (cs *Consumers) Windows() *bridge.FullWindows { return &cs.full }

// Clients lists the upstream consumers that sessions may find, for an operator. Each is asked once
// the pool's mutex is released.
func (cs *Consumers) Clients() []bridge.ClientInfo {
	cs.mu.Lock()
	subs := make([]*subscription, 0, len(cs.groups))
	for _, g := range cs.groups {
		subs = append(subs, g.entries...)
	}
	cs.mu.Unlock()
	list := make([]bridge.ClientInfo, 0, len(subs))
	for _, sub := range subs {
		n, _ := sub.load()
		spec := sub.spec.get()
		list = append(list, bridge.ClientInfo{
			ID: sub.id[0], Kind: bridge.ClientConsumer, Topic: topicName(&spec), Subscription: spec.Subscription, Principal: spec.Principal,
			Sessions: n, Connected: sub.connected(),
		})
	}
	return list
}
