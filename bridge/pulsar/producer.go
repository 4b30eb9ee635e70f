package pulsar

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// batchBytes bounds a batch, as the Java client does.
const batchBytes = 128 << 10

func batchMessages(spec *bridge.ProducerSpec) uint {
	if spec.BatchingMaxPending > 0 {
		return uint(spec.BatchingMaxPending)
	}
	return 1000
}

func batchDelay(spec *bridge.ProducerSpec) time.Duration {
	if spec.BatchingMaxDelay > 0 {
		return spec.BatchingMaxDelay
	}
	return time.Millisecond
}

// producer is one producer of the client library and the publishes that it has
// not answered.
//
// The library can forget publishes: when its producer closes, or dies because
// the topic was terminated or deleted, what is not yet written is never
// answered, and a send at that moment panics. So each publish is listed until
// it is answered, by the library, by the end of the producer, or by the
// janitor when it is long overdue.
type producer struct {
	u           *Upstream
	spec        bridge.ProducerSpec
	up          pulsar.Producer
	partitioned bool
	partition   int32        // of a topic that is itself one partition
	partitions  atomic.Int32 // how many the topic has, as far as the library knows
	own         *sender

	// handing is held while a message is handed to the library, which then
	// numbers it and queues it, in two steps: what several goroutines handed over at
	// once would be queued out of order, and a broker that removes duplicates
	// drops what comes after a higher number.
	handing sync.Mutex // guards what follows
	nextID  int64
	next    int               // the partition of what is being handed over
	last    map[int32]*sender // whose message was the last to be batched, by partition

	mu      sync.Mutex // guards the list and dead; held for a few instructions only
	pending publish    // head of the ring of unanswered publishes, oldest next
	dead    error      // why nothing can be published any more

	parts []*part // for each partition; guarded by the upstream's parts

	closeOnce sync.Once
	closed    chan struct{}
}

// publish is one message on its way. p.mu guards all but the first three.
type publish struct {
	p          *producer
	done       bridge.SendDone
	since      int64 // the upstream's clock
	prev, next *publish
	handed     bool  // to the library
	failed     error // what the library said while it was not yet
}

// CreateProducer implements [bridge.Upstream].
func (u *Upstream) CreateProducer(ctx context.Context, spec bridge.ProducerSpec) (bridge.Producer, error) {
	topics, err := u.partitions(ctx, spec.Topic)
	if err != nil {
		return nil, err
	}
	p := &producer{u: u, spec: spec, closed: make(chan struct{}), last: map[int32]*sender{}}
	p.pending.prev, p.pending.next = &p.pending, &p.pending
	p.partitioned = len(topics) != 1 || topics[0] != spec.Topic
	_, p.partition = names.SplitPartition(spec.Topic)
	p.partitions.Store(int32(len(topics)))
	p.own = p.newSender()
	if spec.HasInitialSequenceID {
		p.nextID = spec.InitialSequenceID
	}
	o := p.options()
	if o.Encryption, err = u.encryption(&spec); err != nil {
		return nil, err
	}
	up, err := attempt(ctx, u, "create a producer on "+spec.Topic,
		func() (pulsar.Producer, error) { return u.client.CreateProducer(o) },
		func(up pulsar.Producer) { up.Close() })
	if err != nil {
		return nil, err
	}
	p.up = up
	if err := u.parts.take(p); err != nil {
		up.Close()
		return nil, err
	}
	if !u.add(p) {
		u.parts.drop(p)
		up.Close()
		return nil, errClosed
	}
	return p, nil
}

func (p *producer) options() pulsar.ProducerOptions {
	o := pulsar.ProducerOptions{
		Topic:                   p.spec.Topic,
		Name:                    p.spec.Name,
		SendTimeout:             p.spec.SendTimeout,
		DisableBlockIfQueueFull: true,
		MaxPendingMessages:      p.spec.MaxPending,
		CompressionType:         compressions[p.spec.Compression],
		DisableBatching:         !p.batching(),
		BatchingMaxPublishDelay: batchDelay(&p.spec),
		BatchingMaxMessages:     batchMessages(&p.spec),
		BatchingMaxSize:         batchBytes,
	}
	if o.SendTimeout <= 0 {
		o.SendTimeout = -1 // to the library, 0 is its default and less is never
	}
	if p.partitioned {
		o.MessageRouter = func(_ *pulsar.ProducerMessage, t pulsar.TopicMetadata) int {
			p.partitions.Store(int32(t.NumPartitions()))
			return p.next // by the goroutine that hands it over
		}
		o.PartitionsAutoDiscoveryInterval = partitionDiscovery
	} else {
		o.MessageRouter = func(*pulsar.ProducerMessage, pulsar.TopicMetadata) int { return 0 }
		o.PartitionsAutoDiscoveryInterval = never
	}
	return o
}

const (
	// partitionDiscovery is how often a partitioned topic is asked for new partitions, as Java does.
	partitionDiscovery = time.Minute
	// never is an interval for what the client library cannot be told to leave.
	never = math.MaxInt64 / 4 * time.Nanosecond
)

// batching reports that messages may be batched.
func (p *producer) batching() bool { return p.spec.Batching && p.spec.ClientEncryption == "" }

// isDead reports errors with which the library's producer has ended for good.
func isDead(err error) bool {
	return errors.Is(err, pulsar.ErrProducerClosed) || errors.Is(err, pulsar.ErrTopicTerminated) ||
		errors.Is(err, pulsar.ErrTopicNotfound) || errors.Is(err, pulsar.ErrProducerFenced)
}

func (p *producer) enlist(s *publish) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead != nil {
		return p.dead
	}
	s.prev, s.next = p.pending.prev, &p.pending
	s.prev.next, s.next.prev = s, s
	return nil
}

// delist reports false if s was answered before.
func (p *producer) delist(s *publish) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unlink(s)
}

// unlink is delist with mu held.
func (p *producer) unlink(s *publish) bool {
	if s.next == nil {
		return false
	}
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	return true
}

// fail ends the producer: all that is unanswered, and all that comes, gets err.
// Nothing of it has been or will be written by a library's producer that has ended.
func (p *producer) fail(err error) {
	p.mu.Lock()
	if p.dead == nil {
		p.dead = err
	}
	p.mu.Unlock()
	p.answer(err, func(*publish) bool { return true })
}

// answer gives err to the oldest publishes for which which holds.
func (p *producer) answer(err error, which func(*publish) bool) {
	for {
		p.mu.Lock()
		s := p.pending.next
		if s == &p.pending || !which(s) {
			p.mu.Unlock()
			return
		}
		p.unlink(s)
		p.mu.Unlock()
		s.done.Sent(codec.MessageID{}, err)
	}
}

// sweep answers what the library should have answered long ago. It takes up to
// twice the send timeout itself.
func (p *producer) sweep(now time.Time) {
	t := p.spec.SendTimeout
	if t <= 0 {
		return
	}
	err := &bridge.Error{Kind: bridge.ErrTimeout, Detail: "publish to " + p.spec.Topic + ": not confirmed within " + t.String()}
	p.answer(err, func(s *publish) bool { return now.Sub(time.Unix(s.since, 0)) > 2*t+2*time.Second })
}

// Check implements [bridge.Producer]. The library's producer goes on trying to
// have its place at the broker back when that is lost or was taken away, for a
// backlog over its quota too; or it ends.
func (p *producer) Check(context.Context) error {
	p.mu.Lock()
	dead := p.dead
	p.mu.Unlock()
	if dead != nil {
		return dead
	}
	if p.partitioned {
		_ = p.u.parts.take(p) // there may be more of them; those that were there are known
	}
	if !p.u.parts.connected(p) {
		return &bridge.Error{Kind: bridge.ErrUnavailable, Detail: "the producer of " + p.spec.Topic + " is not connected"}
	}
	return nil
}

// flushTimeout bounds the flush of a producer without a send timeout.
const flushTimeout = 30 * time.Second

// Close implements [bridge.Producer].
func (p *producer) Close() {
	p.closeOnce.Do(func() {
		defer close(p.closed)
		timeout := p.spec.SendTimeout
		if timeout <= 0 || timeout > flushTimeout {
			timeout = flushTimeout
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		// The library's Close and Flush can panic or hang when the producer ends by
		// itself at the same moment.
		finished := make(chan struct{})
		p.u.always(func() {
			defer close(finished)
			defer func() { _ = recover() }()
			if p.unanswered() {
				if err := p.up.FlushWithCtx(ctx); err != nil {
					p.u.log.Debug("flush before closing a producer", "topic", p.spec.Topic, "error", err)
				}
			}
			p.up.Close()
		})
		select {
		case <-finished:
		case <-time.After(timeout + closeTimeout):
			p.u.log.Warn("the client library does not close a producer", "topic", p.spec.Topic)
		}
		p.fail(&bridge.Error{Kind: bridge.ErrClosed, Detail: fmt.Sprintf("publish to %s: the producer was closed", p.spec.Topic)})
		p.u.remove(p)
		p.u.parts.drop(p)
	})
	<-p.closed
}

// unanswered reports that a flush has something to wait for.
func (p *producer) unanswered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead == nil && p.pending.next != &p.pending
}

// hasEnded reports that nothing can be published any more.
func (p *producer) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead != nil
}
