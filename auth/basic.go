package auth

import (
	"context"
	"encoding/base64"
	"log/slog"
	"runtime"
	"strings"
)

const (
	maxPassword = 1024 // bytes
	maxVerified = 4096 // logins remembered
)

// verified says of a user and password that they are right.
type verified struct{}

// basicProvider checks a user's password (RFC 7617).
//
// Password hashes are slow on purpose. So only a few are computed at once, each
// on the goroutine that asks, and a login that was right is remembered until the
// file changes: clients that reconnect in a storm do not pay again.
type basicProvider struct {
	users  *watched[*users]
	checks *checks
	marker marker
	right  *verdicts[*users, verified]
}

func newBasicProvider(conf string, log *slog.Logger) (*basicProvider, error) {
	if conf == "" {
		return nil, setting("basicAuthConf", "AuthenticationProviderBasic needs it")
	}
	w, err := watch("basicAuthConf", conf, log, parseUsers)
	if err != nil {
		return nil, err
	}
	return &basicProvider{
		users: w, checks: newChecks(runtime.GOMAXPROCS(0) / 2), marker: newMarker(), right: newVerdicts[*users, verified](maxVerified),
	}, nil
}

func (p *basicProvider) method() string { return MethodBasic }

func (p *basicProvider) presented(r *Request) bool {
	_, ok := r.scheme("Basic")
	return ok
}

func (p *basicProvider) authenticate(ctx context.Context, r *Request) (Principal, error) {
	user, password, ok := r.userPassword()
	if !ok {
		return Principal{}, forged("no user and password were given", "")
	}
	u := p.users.get()
	m := p.marker.mark(user + ":" + password) // a user has no colon
	if _, ok := p.right.get(u, m); ok {
		return Principal{Role: user, Method: MethodBasic}, nil
	}
	if r.guessed {
		return Principal{}, &Refusal{Kind: ErrTooMany, Reason: "too many failed logins of this user from this address; try again in a minute"}
	}
	if !p.checks.enter(ctx, r.turn) {
		return Principal{}, &Refusal{Kind: ErrUnknown, Reason: "too many passwords are being checked"}
	}
	right := u.match(user, password)
	p.checks.leave(r.turn)
	if !right {
		return Principal{}, forged("unknown user or wrong password", "")
	}
	p.right.put(u, m, verified{})
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
