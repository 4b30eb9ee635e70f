package login

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// askTimeout bounds one question to who gives tokens.
	askTimeout = 30 * time.Second
	// askAgain is how long a failure answers everybody, and renewAgain how long one to get a newer token
	// keeps us from trying again while the old one is valid.
	askAgain   = 5 * time.Second
	renewAgain = time.Minute
	// maxTokenAnswer bounds what is read of an answer, in bytes.
	maxTokenAnswer = 1 << 20
)

// kept is a token that somebody gives us, kept for as long as it serves. It asks one question at a time, on a goroutine
// that belongs to those who wait for the answer: they share it, also when it is a failure; when the last of them has left, the
// question is cut off, and after askTimeout in any case. While a token is valid only the one who begins to renew it waits.
type kept struct {
	ask func(ctx context.Context) (answer, error)
	now func() time.Time

	mu     sync.Mutex // guards what follows, and waiting of a question; not held while ask runs
	have   answer
	fault  error     // of the last question, if there was no valid token either; nil: none
	next   time.Time // before this nobody asks: as the token is young, or after a failure
	asking *question // nil: nobody asks
}

// answer is a token that was given.
type answer struct {
	token          string
	renew, expires time.Time // when to get a newer one, and until when this one is used
}

// question is one that is under way.
type question struct {
	stop    context.CancelFunc
	waiting int           // those who want the answer
	done    chan struct{} // closed once token and err are set
	token   string
	err     error
}

// get returns the token to use now. It waits for no longer than ctx and askTimeout.
func (k *kept) get(ctx context.Context) (string, error) {
	k.mu.Lock()
	now := k.now()
	valid := now.Before(k.have.expires)
	switch {
	case valid && (now.Before(k.next) || k.asking != nil):
		defer k.mu.Unlock()
		return k.have.token, nil
	case k.asking == nil && k.fault != nil && now.Before(k.next):
		defer k.mu.Unlock()
		return "", k.fault
	case k.asking == nil:
		k.begin()
	}
	q := k.asking
	q.waiting++
	k.mu.Unlock()
	select {
	case <-q.done:
		return q.token, q.err
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if q.waiting--; q.waiting == 0 {
		q.stop()
		if k.asking == q {
			k.asking = nil
		}
	}
	return "", fmt.Errorf("wait for a token: %w", ctx.Err())
}

// begin asks. The caller holds mu.
func (k *kept) begin() {
	ctx, stop := context.WithTimeout(context.Background(), askTimeout)
	q := &question{stop: stop, done: make(chan struct{})}
	k.asking = q
	go func() {
		defer stop()
		got, err := k.ask(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.asking == q { // or all have left
			k.asking = nil
			q.token, q.err = k.answered(got, err)
		}
		close(q.done)
	}()
}

// answered notes an answer, and returns what those who waited for it get. The caller holds mu.
func (k *kept) answered(got answer, err error) (string, error) {
	now := k.now()
	switch {
	case err == nil:
		k.have, k.fault, k.next = got, nil, got.renew
		return got.token, nil
	case now.Before(k.have.expires):
		k.fault, k.next = nil, now.Add(renewAgain)
		return k.have.token, nil
	}
	k.fault, k.next = err, now.Add(askAgain)
	return "", err
}

// forget throws the token away.
func (k *kept) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.have = answer{}
}

// given is what logins have in common whose token somebody gives us.
type given struct {
	none
	token          *kept
	header, scheme string // of a request that carries it
}

// Data implements [Login].
func (g given) Data(ctx context.Context) ([]byte, error) {
	token, err := g.token.get(ctx)
	return []byte(token), err
}

// Authorize implements [Login].
func (g given) Authorize(ctx context.Context, h http.Header) error {
	token, err := g.token.get(ctx)
	if err != nil {
		return err
	}
	h.Set(g.header, g.scheme+token)
	return nil
}
