package pulsar

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// broker is where a connection goes. It is comparable.
type broker struct {
	host    string // host:port to dial
	tls     bool
	proxyTo string // the broker's own host:port when host is Pulsar's proxy; else ""
}

func (b broker) String() string {
	if b.proxyTo != "" {
		return b.proxyTo + " through " + b.host
	}
	return b.host
}

// listings is the slot of the connection over which the topics of a namespace are listed. A list may be longer than any message, which breaks
// a connection: those that producers and consumers use do not hear of it.
const listings = -1

// maxListing bounds such a list in bytes: it is more than a broker is made for.
const maxListing = 64 << 20

// maxRequests bounds the unanswered requests of a connection, but for those that [conn.dismiss] sends.
const maxRequests = 50_000

// The states of a connection, in their order.
type connState uint8

const (
	connOpening connState = iota
	connUp
	connDead
)

// request is a command that is answered by another. done is called exactly once. The
// answer is valid until it returns.
type request struct {
	done func(wire.Command, error)
	due  time.Time
	kind requestKind
}

// conn is a connection to a broker, from the decision to open it on. Its reader goroutine is
// run, its writer write; both end once it is dead.
type conn struct {
	client *Client
	connKey
	serial uint32 // no other of the client's has it; never 0

	// Set before the connection is up.
	maxMessage int   // bytes
	version    int32 // of the protocol, that the broker speaks
	watchers   bool  // the broker has topic list watchers

	shown string // the principal's credentials that the broker has; guarded by principals.mu

	lastRead atomic.Int64 // unix nanoseconds
	login    atomic.Bool  // a goroutine is about to answer an AUTH_CHALLENGE
	beat     alarm        // keep-alive
	late     alarm        // looks for requests without an answer

	mu          sync.Mutex // guards what follows
	state       connState
	begun       time.Time // the state
	err         error     // why it is dead
	nc          net.Conn
	waiting     []func(error) // for it to be up
	out         outbox
	work        *sync.Cond // the writer waits for it
	asleep      bool       // the writer waits
	corked      bool       // the reader is at work and lets things gather
	requests    map[uint64]request
	lastRequest uint64
	producers   members[Producer]
	thirsty     []*Producer // wait for room in out
	consumers   members[Consumer]
	parched     []*Consumer // as thirsty
	acking      []*Consumer // have something to say once the reader uncorks
	posted      []*Consumer // the reader is to hand out what they hold
	poked       bool        // the reader was made to stop waiting
	watches     members[topicWatch]

	// The reader's.
	receipt  wire.SendReceipt
	incoming wire.Message
	unpack   unpacker
	scratch  []byte      // for what is decompressed
	stirred  []*Consumer // were given something since the reader rested
	answered []RunDone   // were answered since then, at most maxAnswered
}

func newConn(client *Client, key connKey) *conn {
	c := &conn{client: client, connKey: key, begun: time.Now(), requests: map[uint64]request{}}
	for c.serial == 0 {
		c.serial = client.connSerial.Add(1)
	}
	c.producers.conn, c.consumers.conn, c.watches.conn = c, c, c
	c.work = sync.NewCond(&c.mu)
	c.beat.ring = c.heartbeat
	c.late.ring = c.expire
	return c
}

// whenUp calls done once the connection is up, or with an error once it is dead.
func (c *conn) whenUp(done func(error)) {
	c.mu.Lock()
	if c.state == connOpening {
		c.waiting = append(c.waiting, done)
		c.mu.Unlock()
		return
	}
	err := c.err
	c.mu.Unlock()
	done(err)
}

// run opens the connection and reads from it until it is dead.
func (c *conn) run() {
	nc, r, err := c.open()
	if err != nil {
		c.fail(err)
		return
	}
	c.mu.Lock()
	if c.state == connDead {
		c.mu.Unlock()
		return
	}
	c.state, c.begun = connUp, time.Now()
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	c.client.pool.note(c.connKey, true, nil)
	c.lastRead.Store(time.Now().UnixNano())
	c.client.alarms.set(&c.beat, c.client.o.KeepAlive)
	c.client.wg.Go(func() { c.write(nc) })
	for _, done := range waiting {
		done(nil)
	}
	c.fail(c.read(r))
}

// read handles what comes until the connection breaks.
func (c *conn) read(r *frames) error {
	defer c.rest()
	for {
		for _, x := range c.cork() {
			x.handOut(c)
		}
		for {
			f, ok, err := r.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if err := c.handle(f); err != nil {
				return err
			}
		}
		c.rest()
		if c.uncork() {
			continue
		}
		if err := r.fill(); errors.Is(err, os.ErrDeadlineExceeded) {
			continue // somebody has poked
		} else if err != nil {
			return err
		}
		c.lastRead.Store(time.Now().UnixNano())
	}
}

// fail ends the connection. Whoever waits for it or uses it is told; the first error
// counts.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.state == connDead {
		c.mu.Unlock()
		return
	}
	opening := c.state == connOpening
	c.state = connDead
	if _, ok := code(err); !ok {
		err = fmt.Errorf("%w: %s: %w", ErrConnection, c.to, err)
	}
	c.err = err
	nc, waiting, requests, producers, consumers, watches, posted := c.nc, c.waiting, c.requests, c.producers.byID, c.consumers.byID, c.watches.byID, c.posted
	c.waiting, c.requests, c.producers.byID, c.consumers.byID, c.watches.byID = nil, nil, nil, nil, nil
	c.thirsty, c.parched, c.acking, c.posted = nil, nil, nil, nil
	c.out = outbox{}
	c.asleep = false
	c.work.Broadcast()
	c.mu.Unlock()

	c.client.pool.remove(c)
	c.client.pool.note(c.connKey, opening, err)
	if c.principal != "" {
		c.client.principals.lost(c)
	}
	c.client.alarms.clear(&c.beat)
	c.client.alarms.clear(&c.late)
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn() // to say goodbye may block
	}
	if nc != nil {
		_ = nc.Close() // there is nothing to do about an error
	}
	if opening && !errors.Is(err, ErrClosed) && c.client.pool.shouldWarn(c.to) {
		c.client.o.Log.Warn("a connection to a broker cannot be opened", "broker", c.to.String(), "error", err)
	} else if !opening && !errors.Is(err, ErrClosed) {
		c.client.o.Log.Info("a connection to a broker is lost", "broker", c.to.String(), "error", err)
	}
	for _, done := range waiting {
		done(err)
	}
	for _, r := range requests {
		c.client.requests[r.kind][outcomeLost].Add(1)
		r.done(nil, err)
	}
	for _, p := range producers {
		p.lost(c, err)
	}
	for _, x := range consumers {
		x.lost(c, err)
	}
	for _, x := range posted {
		x.permits.pass(x)
	}
	for _, w := range watches {
		w.lost(c, err)
	}
}

// heartbeat probes the connection.
func (c *conn) heartbeat() {
	every := c.client.o.KeepAlive
	if silent := time.Since(time.Unix(0, c.lastRead.Load())); silent > 2*every {
		c.fail(fmt.Errorf("%w for %s", errSilent, silent.Round(time.Millisecond)))
		return
	}
	c.client.alarms.set(&c.beat, every)
	c.command(&wire.Ping{})
}

// command queues a command that has no answer. It is lost if the connection is dead; or if what waits is
// twice what should, as when a broker asks and asks and does not read the answers.
func (c *conn) command(cmd wire.Command) {
	c.mu.Lock()
	if c.state == connUp && c.out.bytes < 2*outboxRoom+c.maxMessage+wire.FramePadding {
		c.out.command(cmd)
		c.wakeLocked()
	}
	c.mu.Unlock()
}

// tell queues a command that has no answer and is not to be lost while the connection lasts. Whoever uses it bounds how many there are.
func (c *conn) tell(cmd wire.Command) {
	c.mu.Lock()
	if c.state == connUp {
		c.out.command(cmd)
		c.wakeLocked()
	}
	c.mu.Unlock()
}

// request queues the command that build makes with the id of the request, unless as many as there may be are unanswered: then done is given [ErrTooMany].
func (c *conn) request(build func(id uint64) wire.Command, done func(wire.Command, error)) {
	c.ask(build, done, maxRequests)
}

// dismiss is request for a command that has the broker forget what it was asked for before: one that was not sent would leave there what nobody knows of
// any more. There are at most two for each request that was sent: when nobody wants its answer any more, and when that comes.
func (c *conn) dismiss(build func(id uint64) wire.Command, done func(wire.Command, error)) {
	c.ask(build, done, math.MaxInt)
}

// ask is request with most for [maxRequests].
func (c *conn) ask(build func(id uint64) wire.Command, done func(wire.Command, error), most int) {
	timeout := c.client.o.OperationTimeout
	c.mu.Lock()
	err := c.err
	if c.state == connUp && len(c.requests) >= most {
		err = ErrTooMany
		c.client.requests[requestKindOf(build(0).Type())][outcomeFull].Add(1)
	}
	if err != nil {
		c.mu.Unlock()
		done(nil, err)
		return
	}
	c.lastRequest++
	id := c.lastRequest
	cmd := build(id)
	c.requests[id] = request{done, time.Now().Add(timeout), requestKindOf(cmd.Type())}
	first := len(c.requests) == 1
	c.out.command(cmd)
	c.wakeLocked()
	c.mu.Unlock()
	if first {
		c.client.alarms.set(&c.late, max(timeout/8, time.Millisecond))
	}
}

// answer gives a request its answer, or an error.
func (c *conn) answer(id uint64, cmd wire.Command, err error) {
	c.mu.Lock()
	r, ok := c.requests[id]
	delete(c.requests, id)
	c.mu.Unlock()
	if !ok {
		return
	}
	of := outcomeDone
	if err != nil {
		of = outcomeRefused
	}
	c.client.requests[r.kind][of].Add(1)
	r.done(cmd, err)
}

// expire answers the requests that waited too long.
func (c *conn) expire() {
	var expired []request
	now := time.Now()
	c.mu.Lock()
	for id, r := range c.requests {
		if now.After(r.due) {
			expired = append(expired, r)
			delete(c.requests, id)
		}
	}
	if len(c.requests) > 0 {
		c.client.alarms.set(&c.late, max(c.client.o.OperationTimeout/8, time.Millisecond))
	}
	c.mu.Unlock()
	for _, r := range expired {
		c.client.requests[r.kind][outcomeTimeout].Add(1)
		r.done(nil, fmt.Errorf("%s: %w", c.to, ErrTimeout))
	}
}
