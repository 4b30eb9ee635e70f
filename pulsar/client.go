package pulsar

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/seldom"
)

// Client is a cluster as seen by this process: its connections and what uses them. Its methods may
// be called from any goroutine.
type Client struct {
	o       Options
	service service
	web     *http.Client // for lookups over HTTP, else nil

	ctx        context.Context // ends with the client
	cancel     context.CancelFunc
	wg         sync.WaitGroup // all goroutines but the alarms'; see spawn
	alarms     *alarms
	turns      groupTurns
	pool       pool
	doubts     doubts
	principals principals

	host       atomic.Uint32 // which of the service's hosts is asked
	producerID atomic.Uint64
	consumerID atomic.Uint64
	watchID    atomic.Uint64
	connSerial atomic.Uint32
	slot       atomic.Uint32 // of the connection for the next producer
	memory     atomic.Int64  // bytes of unanswered publishes
	dropped    atomic.Int64  // messages in chunks
	requests   requestCounts
	unreadable seldom.Line // messages that were discarded

	close sync.Once

	mu        sync.Mutex // guards what follows
	closed    bool
	producers map[*Producer]struct{}
	consumers map[*Consumer]struct{}
	asks      map[*ask]struct{}
	watches   map[watchKey]*topicWatch
}

// New makes a client. It connects to nothing yet.
func New(o Options) (*Client, error) {
	s, err := parseService(o.ServiceURL)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o.withDefaults(), service: s, producers: map[*Producer]struct{}{}, consumers: map[*Consumer]struct{}{}, asks: map[*ask]struct{}{}, watches: map[watchKey]*topicWatch{}}
	c.principals = principals{client: c, all: map[string]*principal{}}
	c.pool = pool{client: c, conns: map[connKey]*conn{}, warned: map[broker]time.Time{}, troubles: map[connKey]trouble{}}
	if s.http {
		c.web = c.newWeb()
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.alarms = newAlarms()
	c.doubts.late.ring, c.doubts.first = c.lookAtDoubts, firstDoubt
	c.turns.patience = turnPatience
	return c, nil
}

// Close ends all producers, consumers and connections: what is unanswered is answered with
// [ErrClosed]. It returns when no goroutine of the client is left, so it must not be called from
// a callback.
func (c *Client) Close() { c.close.Do(c.end) }

func (c *Client) end() {
	c.mu.Lock()
	c.closed = true
	producers := slices.Collect(maps.Keys(c.producers))
	consumers := slices.Collect(maps.Keys(c.consumers))
	asks := slices.Collect(maps.Keys(c.asks))
	c.mu.Unlock()
	for _, p := range producers {
		p.end(ErrClosed)
	}
	for _, x := range consumers {
		x.end(ErrClosed)
	}
	for _, a := range asks {
		a.finish(ErrClosed)
	}
	c.cancel()
	c.pool.close()
	if c.web != nil {
		c.web.CloseIdleConnections()
	}
	c.wg.Wait()
	c.alarms.close()
}

// enter notes in set something that speaks for principal, unless the client is closed or has too many of those.
func enter[T comparable](c *Client, set map[T]struct{}, x T, principal string) error {
	if err := c.principals.enter(principal); err != nil {
		return err
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		set[x] = struct{}{}
	}
	c.mu.Unlock()
	if closed {
		c.principals.leave(principal)
		return ErrClosed
	}
	return nil
}

// leave forgets what enter has noted. It reports whether it had.
func leave[T comparable](c *Client, set map[T]struct{}, x T, principal string) bool {
	noted := forget(c, set, x)
	if noted {
		c.principals.leave(principal)
	}
	return noted
}

// forget is leave for one who still speaks for the principal.
func forget[T comparable](c *Client, set map[T]struct{}, x T) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, noted := set[x]
	delete(set, x)
	return noted
}

// spawn starts a goroutine that Close waits for. It reports false if the client is closed.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Go(f)
	}
	return !c.closed
}

// reserve takes n bytes of the memory limit; release gives them back.
func (c *Client) reserve(n int) bool {
	if c.o.MemoryLimit <= 0 {
		return true
	}
	// One message goes through however large it is, when nothing else is on its way.
	if now := c.memory.Add(int64(n)); now > c.o.MemoryLimit && now > int64(n) {
		c.memory.Add(int64(-n))
		return false
	}
	return true
}

func (c *Client) release(n int) {
	if c.o.MemoryLimit > 0 {
		c.memory.Add(int64(-n))
	}
}

// backoff is how long to wait before the next attempt. Its zero value is the start. Who is connected and then not says so by up and down: what
// worked for a while begins anew, and a broker that ends each thing that it creates is not asked without a pause.
type backoff struct {
	last  time.Duration
	since int64 // when it was connected, unix nanoseconds; 0: it is not
}

// up says that it is connected.
func (b *backoff) up() { b.since = time.Now().UnixNano() }

// works says that the connection is of use: the next attempt waits as if it was the second.
func (b *backoff) works(o *Options) { b.last = min(b.last, o.MinBackoff) }

// down says that an attempt has failed, or what it has brought is lost.
func (b *backoff) down() {
	if b.since > 0 && time.Since(time.Unix(0, b.since)) > 10*b.last {
		b.last = 0
	}
	b.since = 0
}

func (b *backoff) next(o *Options) time.Duration {
	if b.last = min(max(2*b.last, o.MinBackoff), o.MaxBackoff); b.last <= 0 {
		return 0
	}
	return b.last - rand.N(b.last/10+1)
}

// connKey is a connection's place in the pool.
type connKey struct {
	to        broker
	principal string // on whose behalf it is; "": the login's own
	slot      int
}

// pool has the connections that are open or being opened.
type pool struct {
	client *Client

	mu       sync.Mutex // guards what follows
	closed   bool
	conns    map[connKey]*conn
	warned   map[broker]time.Time // that it cannot be reached; at most maxWarned
	troubles map[connKey]trouble  // the last one of each broker and principal without a connection; slot is 0
	counts   ConnCounts
}

const (
	// warnEvery is how often it is said at most that a broker cannot be reached.
	warnEvery = 30 * time.Second
	maxWarned = 1000
)

// shouldWarn reports that it was not said for a while that a broker cannot be reached, and
// notes that it is now.
func (p *pool) shouldWarn(to broker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if last, said := p.warned[to]; said && now.Sub(last) < warnEvery {
		return false
	}
	if len(p.warned) >= maxWarned {
		clear(p.warned)
	}
	p.warned[to] = now
	return true
}

// get calls done with a connection that is up, or with an error: at once or on a goroutine of
// the client. Whoever asks for one on behalf of a principal has to be one of its users.
func (p *pool) get(key connKey, done func(*conn, error)) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		done(nil, ErrClosed)
		return
	}
	c := p.conns[key]
	if c == nil {
		c = newConn(p.client, key)
		p.conns[key] = c
		p.client.wg.Go(c.run)
	}
	p.mu.Unlock()
	c.whenUp(func(err error) {
		if err != nil {
			done(nil, err)
			return
		}
		done(c, nil)
	})
}

func (p *pool) remove(c *conn) {
	p.mu.Lock()
	if p.conns[c.connKey] == c {
		delete(p.conns, c.connKey)
	}
	p.mu.Unlock()
}

// take removes and returns the connections on a principal's behalf.
func (p *pool) take(principal string) (list []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, c := range p.conns {
		if key.principal == principal {
			list = append(list, c)
			delete(p.conns, key)
		}
	}
	return list
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var all []*conn
	for _, c := range p.conns {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.fail(ErrClosed)
	}
}
