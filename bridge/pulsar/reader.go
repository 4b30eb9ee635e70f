package pulsar

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// reader is one reader of the bridge: one [readerPart] for each partition.
//
// Each part's goroutine fetches one message, waits for a permit and delivers.
// The client library prefetches spec.Queue messages for each part.
type reader struct {
	u        *Upstream
	spec     bridge.ReaderSpec
	receiver bridge.Receiver
	parts    []*readerPart
	seen     *progress

	ctx     context.Context // ends the parts
	stop    context.CancelFunc
	work    sync.WaitGroup
	closing sync.Once
	closed  chan struct{}

	calling sync.Mutex // held while the receiver is called; guards lost
	lost    bool

	mu      sync.Mutex // guards permits; held for a few instructions only
	freed   *sync.Cond // permits have come, or ctx has ended
	permits int
}

// readerPart reads one concrete topic. It belongs to its goroutine.
type readerPart struct {
	r         *reader
	topic     string
	partition int32
	link      *readerLink
	// current is link for all others: what requests go through. nil: there is none.
	current atomic.Pointer[readerLink]

	// The next message is the first one after position, or with inclusive at it.
	position  codec.MessageID
	inclusive bool

	// queue is how many messages the library may fetch ahead: what the spec says,
	// or less once a large message has come, since it cannot be told a bound in bytes.
	queue int

	// doubt is how long the part waits for a message until it looks whether there
	// is one that it should have got; 0: for as long as it takes. A broker that
	// unloads a topic while a reader reconnects may forget that reader.
	doubt time.Duration
}

// The pauses between two looks of a part that has reconnected and got nothing since.
const (
	firstDoubt = 2 * time.Second
	lastDoubt  = time.Minute
)

// OpenReader implements [bridge.Upstream].
func (u *Upstream) OpenReader(ctx context.Context, spec bridge.ReaderSpec, r bridge.Receiver) (bridge.Reader, error) {
	topics, err := u.partitions(ctx, spec.Topic)
	if err != nil {
		return nil, err
	}
	if spec.Start == bridge.StartAtPosition && topics[0] != spec.Topic {
		return nil, &bridge.Error{Kind: bridge.ErrInvalid,
			Detail: "a reader on the partitioned topic " + spec.Topic + " can start at latest or earliest only"}
	}
	rd := &reader{u: u, spec: spec, receiver: r, seen: &progress{}, closed: make(chan struct{})}
	rd.freed = sync.NewCond(&rd.mu)
	rd.ctx, rd.stop = context.WithCancel(context.Background())
	errs := make([]error, len(topics))
	var opening sync.WaitGroup
	for i, topic := range topics {
		_, partition := names.SplitPartition(topic)
		part := &readerPart{r: rd, topic: topic, partition: partition, queue: max(spec.Queue, 1)}
		rd.parts = append(rd.parts, part)
		opening.Go(func() { errs[i] = part.start(ctx) })
	}
	opening.Wait()
	if err := errors.Join(errs...); err != nil || !u.add(rd) {
		rd.stop()
		rd.closeParts()
		if err == nil {
			err = errClosed
		}
		return nil, err
	}
	for _, part := range rd.parts {
		rd.work.Go(part.run)
	}
	return rd, nil
}

// Permit implements [bridge.Reader].
func (r *reader) Permit(n int) {
	r.mu.Lock()
	r.permits += n
	r.mu.Unlock()
	r.freed.Broadcast()
}

// LastPosition implements [bridge.Reader].
func (r *reader) LastPosition(ctx context.Context) ([]codec.MessageID, error) {
	out := make([]codec.MessageID, len(r.parts))
	for i, p := range r.parts {
		var err error
		if out[i], err = p.last(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EndOfTopic implements [bridge.Reader]. It asks the broker only once that has said
// that the topic is terminated and read, and then once.
func (r *reader) EndOfTopic(ctx context.Context) (bool, error) {
	for _, p := range r.parts {
		if end, err := p.ended(ctx); err != nil || !end {
			return false, err
		}
	}
	return true, nil
}

// Close implements [bridge.Reader].
func (r *reader) Close() {
	r.closing.Do(func() {
		defer close(r.closed)
		r.mu.Lock()
		r.stop()
		r.mu.Unlock()
		r.freed.Broadcast()
		r.work.Wait()
		r.closeParts()
		r.u.remove(r)
	})
	<-r.closed
}

func (r *reader) closeParts() {
	var closing sync.WaitGroup
	for _, p := range r.parts {
		if p.link != nil {
			closing.Go(p.link.close)
		}
		p.current.Store(nil)
	}
	closing.Wait()
}

// start opens the part where the spec says, and pins the position: the library
// would start at the new end after a reconnect before the first message.
func (p *readerPart) start(ctx context.Context) error {
	switch p.r.spec.Start {
	case bridge.StartAtPosition:
		p.position, p.inclusive = p.r.spec.Position, p.r.spec.Inclusive
		if !p.inclusive {
			p.r.seen.note(p.partition, &p.position)
		}
	case bridge.StartEarliest:
		p.position = codec.MessageID{LedgerID: -1, EntryID: -1, BatchIndex: -1}
	case bridge.StartLatest:
		return p.startLatest(ctx)
	}
	return p.open(ctx)
}

// startLatest opens the part at the end and asks where that is. What is
// published in between is left out, as if it had come before.
func (p *readerPart) startLatest(ctx context.Context) error {
	p.position = codec.MessageID{LedgerID: -1, EntryID: -1, BatchIndex: -1}
	if !names.Persistent(p.topic) {
		return p.openVolatile(ctx)
	}
	for {
		if err := p.openAt(ctx, pulsar.LatestMessageID(), false); err != nil {
			return err
		}
		l := p.link
		id, err := attempt(ctx, p.r.u, "find the end of "+p.topic, func() (pulsar.MessageID, error) {
			id, err := l.last()
			if errors.Is(err, errNoConnection) {
				return nil, nil // it is opened anew
			}
			return id, err
		}, func(pulsar.MessageID) {})
		if err != nil {
			return err
		}
		if l.ctx.Err() != nil {
			p.drop()
			continue
		}
		if last := lastOfTopic(id, p.partition); last.EntryID >= 0 {
			p.position = last
			p.r.seen.note(p.partition, &last)
		}
		return nil
	}
}

// drop closes the link, if there is one, in the background: it may be lost.
func (p *readerPart) drop() {
	if p.link == nil {
		return
	}
	p.current.Store(nil)
	p.r.u.always(p.link.close)
	p.link = nil
}

// last asks for the topic's last message, through a reader of its own if the part's
// has no connection: it gets a new one no sooner than there is a permit for what came before.
func (p *readerPart) last(ctx context.Context) (codec.MessageID, error) {
	if !names.Persistent(p.topic) {
		return codec.MessageID{LedgerID: -1, EntryID: -1, Partition: p.partition, BatchIndex: -1}, nil
	}
	id, err := attempt(ctx, p.r.u, "find the end of "+p.topic, func() (pulsar.MessageID, error) {
		l := p.current.Load()
		if l == nil {
			return nil, nil
		}
		id, err := l.last()
		if errors.Is(err, errNoConnection) {
			return nil, nil
		}
		return id, err
	}, func(pulsar.MessageID) {})
	switch {
	case err != nil:
		return codec.MessageID{}, err
	case id == nil:
		return p.r.u.lastPosition(ctx, p.topic)
	}
	return lastOfTopic(id, p.partition), nil
}

// ended reports that the topic is terminated and was delivered to its last message.
func (p *readerPart) ended(ctx context.Context) (bool, error) {
	l := p.current.Load()
	if l == nil || l.ask == nil || !p.r.u.heard.reachedEnd(l.id) {
		return false, nil
	}
	final := l.final.Load()
	if final == nil {
		// The library acknowledges a message before it is delivered.
		last, err := p.last(ctx)
		if err != nil {
			return false, err
		}
		l.final.Store(&last)
		final = &last
	}
	return final.EntryID < 0 || p.r.seen.reached(final), nil
}

// open opens the part where it is, for the first time or again.
func (p *readerPart) open(ctx context.Context) error {
	if !names.Persistent(p.topic) {
		return p.openVolatile(ctx)
	}
	start, include := startBefore(p.position, p.inclusive)
	return p.openAt(ctx, start, include)
}

func (p *readerPart) openAt(ctx context.Context, start pulsar.MessageID, include bool) error {
	l := p.newLink()
	o := pulsar.ReaderOptions{
		Topic:                   p.topic,
		Name:                    p.r.spec.Name,
		StartMessageID:          start,
		StartMessageIDInclusive: include,
		ReceiverQueueSize:       p.queue,
		Decryption:              p.r.u.readerDecryption(p.r.spec.CryptoFailure),
		BackoffPolicyFunc:       l.policy,
	}
	up, err := attempt(ctx, p.r.u, "open a reader on "+p.topic,
		func() (pulsar.Reader, error) { return p.r.u.client.CreateReader(o) },
		p.r.u.closeReader)
	if err != nil {
		l.cancel()
		return err
	}
	l.up, l.ask, l.id = up, up.GetLastMessageID, readerID(up)
	p.use(l)
	return nil
}

// use makes l what the part reads from.
func (p *readerPart) use(l *readerLink) {
	p.link = l
	p.current.Store(l)
}

func (p *readerPart) newLink() *readerLink {
	l := &readerLink{u: p.r.u, busy: make(chan struct{}, 1)}
	l.ctx, l.cancel = context.WithCancel(p.r.ctx)
	return l
}

// run is the part's goroutine.
func (p *readerPart) run() {
	for p.r.ctx.Err() == nil {
		m, err := p.link.next(p.doubt)
		if p.r.ctx.Err() != nil {
			return
		}
		if err != nil && p.link.ctx.Err() == nil && p.doubt > 0 && !p.forgotten() {
			p.doubt = min(2*p.doubt, lastDoubt)
			continue
		}
		if err != nil || p.link.ctx.Err() != nil {
			if !p.reopen() {
				return
			}
			continue
		}
		p.doubt = 0
		id := fromClient(m.ID(), p.partition, "")
		if names.Persistent(p.topic) {
			if p.position.LedgerID >= 0 && startsAfter(&p.position, p.inclusive, &id) {
				continue
			}
			p.position, p.inclusive = id, false
		}
		tooMany := p.fetchesTooMany(len(m.Payload()))
		if tooMany { // at once: the message may have to wait for its permit
			p.drop()
		}
		if !p.r.deliver(p.partition, fromClientMessage(m, id)) {
			return
		}
		if tooMany && !p.reopen() {
			return
		}
	}
}

// fetchesTooMany takes the size of a message, in bytes, and reports that the
// part is to be opened anew with a shorter queue.
func (p *readerPart) fetchesTooMany(size int) bool {
	most := max(windowBytes/max(size, 1), 1)
	if size < largeMessage || p.queue <= 2*most || !names.Persistent(p.topic) {
		return false
	}
	p.queue = most
	return true
}

// forgotten reports that the topic has messages which the part did not get.
func (p *readerPart) forgotten() bool {
	if !names.Persistent(p.topic) {
		return false
	}
	last, err := p.r.u.lastPosition(p.r.ctx, p.topic)
	if err != nil {
		return false // it is asked again
	}
	return last.EntryID >= 0 && (p.position.LedgerID < 0 || !reached(&p.position, &last))
}

// reopen opens the part after its last message, for as long as it takes. It
// reports false when the reader has ended.
func (p *readerPart) reopen() bool {
	p.drop()
	wait := firstRetry
	for {
		err := p.open(p.r.ctx)
		if err == nil {
			p.doubt = firstDoubt
			return true
		}
		if p.r.ctx.Err() != nil {
			return false
		}
		if forGood(err) {
			p.r.end(err)
			return false
		}
		p.r.u.log.Debug("read again", "topic", p.topic, "error", err)
		select {
		case <-p.r.ctx.Done():
			return false
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// deliver waits for a permit and hands m over. It reports false when the
// reader has ended.
func (r *reader) deliver(partition int32, m *codec.Message) bool {
	r.mu.Lock()
	for r.permits == 0 && r.ctx.Err() == nil {
		r.freed.Wait()
	}
	if r.ctx.Err() != nil {
		r.mu.Unlock()
		return false
	}
	r.permits--
	r.mu.Unlock()

	r.calling.Lock()
	defer r.calling.Unlock()
	if r.lost || r.ctx.Err() != nil {
		return false
	}
	r.receiver.Deliver(m)
	r.seen.note(partition, &m.ID)
	return true
}

// end tells the receiver that a part cannot go on.
func (r *reader) end(err error) {
	r.calling.Lock()
	defer r.calling.Unlock()
	if !r.lost && r.ctx.Err() == nil {
		r.lost = true
		r.receiver.Lost(err)
	}
}
