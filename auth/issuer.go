package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// fetchPause is the least time between two fetches of an issuer's keys, whatever
	// the settings say.
	fetchPause = time.Second
	// renewPause is how long keys that are getting old, and could not be fetched again,
	// are not tried again.
	renewPause = time.Minute
	// tellPause is how often an issuer that cannot be reached is logged.
	tellPause = time.Minute
)

var errUnknownKey = errors.New("the issuer has no such key")

// issuer has the keys of one OpenID Connect provider, as they were last fetched.
//
// They are fetched when a token of it comes while they are not known, or are too old.
// Once they are older than refresh, a token has them fetched again and does not wait
// for it. One that names a key which is not there has them fetched again and waits, if
// that was not done, or tried, within miss. So what clients send makes at most one fetch
// in each of these times; one is under way at a time, on a goroutine of the issuer's.
//
// mu guards what follows it and is never held during a fetch.
type issuer struct {
	url                   string
	refresh, expire, miss time.Duration
	load                  func(context.Context) (*keySet, error)
	changed               func() // called without mu when the keys are others than before
	log                   *slog.Logger
	ctx                   context.Context // of all fetches
	work                  *sync.WaitGroup
	now                   func() time.Time

	mu      sync.Mutex
	keys    *keySet   // nil: never fetched
	at      time.Time // when the fetch began that brought them
	tried   time.Time // when the last fetch began
	err     error     // of the last fetch, nil after a good one
	loading chan struct{}
	told    time.Time // when a failure was last logged, zero after a good fetch
	closed  bool      // nothing is fetched any more
}

// inForce reports whether the keys that are known count still. It does not wait; keys
// that are getting old are fetched again.
func (i *issuer) inForce() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if !i.known(now) {
		return false
	}
	i.renew(now)
	return true
}

// look finds a key. If it cannot tell yet, fetched is closed when a fetch has ended
// after which [issuer.settled] can. It does not wait.
func (i *issuer) look(id string) (v *verifier, fetched <-chan struct{}, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if i.known(now) {
		if v := i.keys.byID[id]; v != nil {
			i.renew(now)
			return v, nil, nil
		}
		if i.loading == nil && now.Sub(i.tried) < max(i.miss, fetchPause) {
			return nil, nil, errUnknownKey
		}
	} else if i.loading == nil && i.err != nil && now.Sub(i.tried) < fetchPause {
		return nil, nil, i.err
	}
	return nil, i.start(now), nil
}

// settled finds a key after a fetch, however old what it brought is by now.
func (i *issuer) settled(id string) (*verifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return nil, i.err
	}
	if v := i.keys.byID[id]; v != nil {
		return v, nil
	}
	return nil, errUnknownKey
}

// known reports whether there are keys that count. The caller holds mu.
func (i *issuer) known(now time.Time) bool {
	return i.keys != nil && now.Sub(i.at) < max(i.expire, fetchPause)
}

// renew has keys fetched again that are getting old. The caller holds mu.
func (i *issuer) renew(now time.Time) {
	if i.loading == nil && now.Sub(i.at) >= max(i.refresh, fetchPause) && (i.err == nil || now.Sub(i.tried) >= renewPause) {
		i.start(now)
	}
}

// close lets nothing be fetched any more.
func (i *issuer) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
}

// start fetches the keys unless that is under way. The caller holds mu.
func (i *issuer) start(now time.Time) <-chan struct{} {
	if i.loading != nil {
		return i.loading
	}
	done := make(chan struct{})
	if i.closed {
		i.err = context.Canceled // the gate asks the authenticator that counts now
		close(done)
		return done
	}
	i.loading, i.tried = done, now
	i.work.Go(func() {
		keys, err := i.load(i.ctx)
		if err != nil {
			err = fmt.Errorf("issuer %s: %w", i.url, err)
		}
		i.mu.Lock()
		differ := err == nil && (i.keys == nil || i.keys.sum != keys.sum)
		i.loading, i.err = nil, err
		if differ {
			i.keys = keys
		}
		if err == nil {
			i.at = now
		}
		tell := i.tell(err)
		i.mu.Unlock()
		if differ {
			i.changed()
		}
		close(done)
		switch {
		case tell:
			i.log.Warn("the keys of a token issuer cannot be fetched", "issuer", i.url, "error", err)
		case differ:
			i.log.Info("fetched the keys of a token issuer", "issuer", i.url, "keys", len(keys.byID), "not_for_tokens", keys.skipped)
		}
	})
	return done
}

// tell reports whether the outcome of a fetch is a failure to log: the first one, and
// then one now and then. The caller holds mu.
func (i *issuer) tell(err error) bool {
	now := i.now()
	switch {
	case err == nil:
		i.told = time.Time{}
		return false
	case i.ctx.Err() != nil || !i.told.IsZero() && now.Sub(i.told) < tellPause:
		return false
	}
	i.told = now
	return true
}
