package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"runtime"
	"strings"
	"sync"
)

const (
	maxPassword = 1024 // bytes
	maxVerified = 4096 // logins remembered
)

// basicProvider checks a user's password (RFC 7617).
//
// Password hashes are slow on purpose. So only a few are computed at once, each
// on the goroutine that asks, and a login that was right is remembered under
// a keyed hash until the file changes: clients that reconnect in a storm do not
// pay again.
type basicProvider struct {
	users *watched[*users]
	slots chan struct{}
	key   [32]byte

	mu       sync.Mutex // guards what follows
	of       *users     // what verified belongs to
	verified map[[sha256.Size]byte]struct{}
}

func newBasicProvider(conf string, log *slog.Logger) (*basicProvider, error) {
	if conf == "" {
		return nil, setting("basicAuthConf", "AuthenticationProviderBasic needs it")
	}
	w, err := watch("basicAuthConf", conf, log, parseUsers)
	if err != nil {
		return nil, err
	}
	p := &basicProvider{users: w, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	_, _ = rand.Read(p.key[:]) // never fails
	return p, nil
}

func (p *basicProvider) method() string { return MethodBasic }

func (p *basicProvider) presented(r *Request) bool {
	_, ok := r.scheme("Basic")
	return ok
}

func (p *basicProvider) authenticate(ctx context.Context, r *Request) (Principal, error) {
	user, password, ok := r.userPassword()
	if !ok {
		return Principal{}, unauthenticated("no user and password were given", "")
	}
	u := p.users.get()
	mark := p.mark(user, password)
	if p.known(u, mark) {
		return Principal{Role: user, Method: MethodBasic}, nil
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return Principal{}, &Refusal{Kind: ErrUnknown, Reason: "too many passwords are being checked"}
	}
	right := u.match(user, password)
	<-p.slots
	if !right {
		return Principal{}, unauthenticated("unknown user or wrong password", "")
	}
	p.remember(u, mark)
	return Principal{Role: user, Method: MethodBasic}, nil
}

// userPassword reads the credentials of RFC 7617 section 2.
func (r *Request) userPassword() (user, password string, ok bool) {
	text, ok := r.scheme("Basic")
	if !ok {
		return "", "", false
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(string(b), ":")
	return user, password, ok && user != "" && len(b) <= maxPassword
}

func (p *basicProvider) mark(user, password string) (m [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key[:])
	h.Write([]byte(user + ":" + password)) // a user has no colon
	h.Sum(m[:0])
	return m
}

func (p *basicProvider) known(u *users, mark [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.verified[mark]
	return ok && p.of == u
}

func (p *basicProvider) remember(u *users, mark [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of != u || len(p.verified) >= maxVerified {
		p.of, p.verified = u, map[[sha256.Size]byte]struct{}{}
	}
	p.verified[mark] = struct{}{}
}
