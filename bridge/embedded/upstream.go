package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
)

// Options are the bounds of an upstream. The zero value of a field means its default.
type Options struct {
	// MemoryLimit bounds what all topics together hold, in bytes: messages with
	// their bookkeeping, topics and subscriptions. Default 256 MiB. When it is
	// reached the oldest messages that nobody needs go first, then those that only
	// readers and non-durable subscriptions still want, as a broker would do;
	// when durable subscriptions need them all, publishes fail with
	// [bridge.ErrMemoryFull].
	MemoryLimit int64
}

// maxMessage is the largest payload, in bytes: a broker's maxMessageSize.
const maxMessage = 5 << 20

// maxUnacked bounds the messages of one topic that a consumer has and did not
// acknowledge: a broker's maxUnackedMessagesPerConsumer. A broker bounds only
// Shared and Key_Shared; here memory is bounded for all types.
const maxUnacked = 50_000

// Upstream is a [bridge.Upstream] whose topics live in this process.
//
// One mutex guards the state of everything: topics, subscriptions, producers,
// consumers, readers, timers. No step under it is longer than handing one
// message to every subscription, and no code of others runs under it. That is
// what keeps multi-topic consumers, dead letters and eviction simple.
//
// Calls to others (Deliver, Lost, Sent) go through an outlet: each consumer,
// reader and producer has one, a queue guarded by mu and emptied by one
// goroutine at a time, in order, with mu not held. Whoever put something into
// outlets under mu notes them in touched, and on unlocking decides who empties
// them:
//
//   - Producer.Send does so itself, so that a message is delivered without
//     waiting for another goroutine to run. Its share is bounded: at most
//     inlineOutlets outlets and inlineCalls calls each.
//   - Everything else leaves it to the one worker goroutine. Callers of
//     Permit, Ack and Redeliver may hold locks that their Receiver takes.
//
// The worker also runs the timers (delayed messages, open batches, dead
// letters that found no room), kept in one heap.
type Upstream struct {
	limit      int64
	maxUnacked int

	wake   chan struct{} // tells the worker to look at ready and timers; holds one
	stop   chan struct{} // closed by Close
	worker sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	tenants     map[string]struct{}
	namespaces  map[string]struct{}
	partitioned map[string]int // full name to number of partitions
	topics      map[string]*topic
	patterns    map[*consumer]struct{} // consumers of a TopicsPattern
	producers   map[*producer]struct{}
	consumers   map[*consumer]struct{}
	readers     map[*reader]struct{}

	used       int64 // bytes charged
	stuck      bool  // eviction found nothing and nothing was released since
	lastLedger int64
	lastStamp  uint64
	lastName   int
	lastMember int64
	step       uint64 // counts what happened under mu; topics of this step are in use

	touched []*outlet   // filled since mu was taken
	ready   []*outlet   // for the worker
	letters []letter    // dead letters of the step under way
	repaid  []*consumer // consumers that got permits back in it
	timers  timerHeap

	buried, unburied uint64 // dead letters that were published, and tries that failed

	timersLive int // after dead timers were removed last
}

// New returns an upstream with the tenants public, sample and my-property and
// the namespace public/default. It runs one goroutine until Close.
func New(o Options) *Upstream {
	if o.MemoryLimit <= 0 {
		o.MemoryLimit = 256 << 20
	}
	u := &Upstream{
		limit: o.MemoryLimit, maxUnacked: maxUnacked,
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
		tenants:     map[string]struct{}{"public": {}, "sample": {}, "my-property": {}},
		namespaces:  map[string]struct{}{"public/default": {}},
		partitioned: map[string]int{},
		topics:      map[string]*topic{},
		patterns:    map[*consumer]struct{}{},
		producers:   map[*producer]struct{}{},
		consumers:   map[*consumer]struct{}{},
		readers:     map[*reader]struct{}{},
		// Ids of an earlier process must not mean messages of this one.
		lastLedger: time.Now().UnixMilli(),
	}
	u.worker.Add(1)
	go u.work()
	return u
}

// Ready reports an error only once the upstream is closed.
func (u *Upstream) Ready(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open()
}

// open returns an error if the upstream is closed. Called with mu held.
func (u *Upstream) open() error {
	if u.closed {
		return errorf(bridge.ErrClosed, "the embedded upstream is closed")
	}
	return nil
}

// begin is how the creating methods start: it takes mu unless the caller has
// given up or the upstream is closed.
func (u *Upstream) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedded upstream: %w", err)
	}
	u.mu.Lock()
	if err := u.open(); err != nil {
		u.mu.Unlock()
		return err
	}
	return nil
}

// Partitions is as [bridge.Upstream] says. A topic that does not exist is not
// created and has none.
func (u *Upstream) Partitions(ctx context.Context, full, _ string) (int, error) {
	if err := u.begin(ctx); err != nil {
		return 0, err
	}
	defer u.mu.Unlock()
	if _, err := u.known(full); err != nil {
		return 0, err
	}
	return u.partitioned[full], nil
}

// Close publishes the open batches, answers all publishes, ends all producers,
// consumers and readers and stops the worker. No receiver is called after it returns.
func (u *Upstream) Close() {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	for p := range u.producers {
		p.flush()
		p.closed = true
	}
	u.settle()
	u.closed = true
	var outlets []*outlet
	for p := range u.producers {
		outlets = append(outlets, &p.outlet)
	}
	for c := range u.consumers {
		outlets = append(outlets, &c.outlet)
		c.end(nil)
	}
	for r := range u.readers {
		outlets = append(outlets, &r.outlet)
		r.end(nil)
	}
	u.leaveToWorker(0)
	u.mu.Unlock()
	close(u.stop)
	u.worker.Wait()
	// The worker has emptied what was left to it; what a Send is emptying
	// itself is waited for here.
	u.mu.Lock()
	var busy []chan struct{}
	for _, o := range outlets {
		if o.busy {
			busy = append(busy, o.idleChan())
		}
	}
	u.mu.Unlock()
	for _, ch := range busy {
		<-ch
	}
}
