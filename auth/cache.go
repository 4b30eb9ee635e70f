package auth

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"
)

const (
	// loadTimeout bounds one question to the admin API.
	loadTimeout = 10 * time.Second
	// loadsAtOnce bounds the questions under way of one cache: so many about what
	// is not known yet, and as many about what is known and getting old, which must
	// not wait for clients that ask for ever new names.
	loadsAtOnce = 16
	// maxLoads bounds the questions that are under way or wait for that. Beyond it
	// what is not known is refused at once.
	maxLoads = 4096
	// retryPause is how long a question that failed is not asked again.
	retryPause = time.Second
	// maxEntries bounds what is kept that no open session needs.
	maxEntries = 10_000
)

// cache keeps what a slow question brought, by key. A question is under way at
// most once for a key, on a goroutine of the cache's. Entries that open sessions
// depend on are held: they stay, and [cache.sweep] keeps them fresh.
//
// mu guards the entries and is never held while a question is under way. V is
// a pointer to something that is not changed.
type cache[V any] struct {
	ttl     time.Duration
	load    func(ctx context.Context, key string) (V, error)
	changed func() // called without mu when an answer differs from the one before, or was awaited
	failed  func(string, error)
	ctx     context.Context // of all loads
	work    *sync.WaitGroup
	slots   chan struct{} // for what is not known
	again   chan struct{} // for what is

	mu      sync.Mutex
	entries map[string]*entry[V]
	loads   int // questions that are not answered
}

var errManyLoads = errors.New("too many permission checks are waiting")

type entry[V any] struct {
	value   V
	known   bool
	at      time.Time // when the question was asked whose answer value is
	err     error     // of the last question, nil after an answer
	tried   time.Time // when the last question ended
	loading chan struct{}
	holders int
	awaited bool // someone who did not wait for it wants to know
}

func newCache[V any](ctx context.Context, work *sync.WaitGroup, ttl time.Duration, load func(context.Context, string) (V, error)) *cache[V] {
	return &cache[V]{ttl: ttl, load: load, ctx: ctx, work: work,
		slots: make(chan struct{}, loadsAtOnce), again: make(chan struct{}, loadsAtOnce), entries: map[string]*entry[V]{}}
}

// get returns the value for key, asked for at most maxAge ago. It may wait.
func (c *cache[V]) get(ctx context.Context, key string, maxAge time.Duration) (V, error) {
	var none V
	c.mu.Lock()
	e := c.entry(key)
	now := time.Now()
	if e.known && now.Sub(e.at) <= maxAge {
		defer c.mu.Unlock()
		return e.value, nil
	}
	if e.loading == nil && e.err != nil && now.Sub(e.tried) < retryPause {
		defer c.mu.Unlock()
		return none, e.err
	}
	if e.loading == nil && c.loads >= maxLoads {
		if !e.known && e.holders == 0 {
			delete(c.entries, key)
		}
		c.mu.Unlock()
		return none, errManyLoads
	}
	done := c.start(key, e)
	c.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.err != nil {
		return none, e.err
	}
	return e.value, nil
}

// peek returns the value for key at whatever age, and never waits. What is not
// there is asked for; changed tells when it has come.
func (c *cache[V]) peek(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(key)
	if !e.known {
		e.awaited = true
		if e.loading == nil && time.Since(e.tried) >= retryPause && c.loads < maxLoads {
			c.start(key, e)
		}
	}
	return e.value, e.known
}

// entry finds or makes the entry for key. The caller holds mu.
func (c *cache[V]) entry(key string) *entry[V] {
	e := c.entries[key]
	if e == nil {
		if len(c.entries) >= maxEntries {
			c.evict()
		}
		e = &entry[V]{}
		c.entries[key] = e
	}
	return e
}

// evict makes room for one entry. The caller holds mu.
func (c *cache[V]) evict() {
	for key, e := range c.entries {
		if e.holders == 0 && e.loading == nil {
			delete(c.entries, key)
			return
		}
	}
}

// start asks the question for key unless it is under way; the channel is closed
// when the answer is in e. The caller holds mu.
func (c *cache[V]) start(key string, e *entry[V]) <-chan struct{} {
	if e.loading != nil {
		return e.loading
	}
	done := make(chan struct{})
	e.loading = done
	c.loads++
	slots := c.slots
	if e.known {
		slots = c.again
	}
	c.work.Go(func() {
		value, at, err := c.ask(key, slots)
		c.mu.Lock()
		c.loads--
		e.loading, e.err, e.tried = nil, err, time.Now()
		tell := e.awaited
		if err == nil {
			tell = tell || e.known && !reflect.DeepEqual(e.value, value)
			e.value, e.known, e.at, e.awaited = value, true, at, false
		} else {
			tell = false
		}
		c.mu.Unlock()
		close(done)
		if err != nil && c.ctx.Err() == nil {
			c.failed(key, err)
		}
		if tell {
			c.changed()
		}
	})
	return done
}

func (c *cache[V]) ask(key string, slots chan struct{}) (value V, at time.Time, err error) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-c.ctx.Done():
		return value, at, c.ctx.Err()
	}
	ctx, cancel := context.WithTimeout(c.ctx, loadTimeout)
	defer cancel()
	at = time.Now()
	value, err = c.load(ctx, key)
	return value, at, err
}

// hold keeps an entry until release is called as often. ask: if it is not known
// it shall be.
func (c *cache[V]) hold(key string, ask bool) {
	c.mu.Lock()
	e := c.entry(key)
	e.holders++
	e.awaited = e.awaited || ask && !e.known
	c.mu.Unlock()
}

func (c *cache[V]) release(key string) {
	c.mu.Lock()
	c.entries[key].holders--
	c.mu.Unlock()
}

// sweep asks again for what is held and older than half of the time it may be
// kept, and for what is awaited, and forgets what is too old and not held.
func (c *cache[V]) sweep(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		switch {
		case e.loading != nil:
		case e.holders > 0 && e.known && now.Sub(e.at) >= c.ttl/2, e.awaited && c.loads < maxLoads:
			c.start(key, e)
		case e.holders == 0 && now.Sub(e.at) > c.ttl && now.Sub(e.tried) > retryPause:
			delete(c.entries, key)
		}
	}
}
