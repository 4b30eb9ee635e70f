package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// GateOptions put a gate together.
type GateOptions struct {
	Authenticator *Authenticator
	// Authorizer says what a role may do; nil: every role may do everything but
	// look at the statistics, which is for the SuperUsers.
	Authorizer *Authorizer
	SuperUsers []string
	// Refresh > 0 asks a client whose token has run out for a new one, and gives it
	// that long to answer (PIP-292). 0: credentials count for a whole session.
	Refresh time.Duration
	// MaxFailures bounds the failed logins of one address in a minute; then it is
	// refused without a look at its credentials. 0: no bound.
	MaxFailures int
	Logger      *slog.Logger // slog.Default() if nil
}

// Gate lets clients in. Its methods may be called from any goroutine; those
// with a context may take long and must not be called on an event loop.
type Gate struct {
	o          GateOptions
	superUsers map[string]bool
	failures   *throttle
}

// NewGate returns a gate. It does not own the authorizer.
func NewGate(o GateOptions) *Gate {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	g := &Gate{o: o, superUsers: map[string]bool{}, failures: newThrottle(o.MaxFailures)}
	for _, role := range o.SuperUsers {
		g.superUsers[role] = true
	}
	return g
}

// Grant is what an open session is allowed, and to whom. It is not changed.
type Grant struct {
	Principal
	Access Access
}

// Challenge is [Authenticator.Challenge].
func (g *Gate) Challenge() string { return g.o.Authenticator.Challenge() }

// Refresh is how long a client has to answer a challenge; 0: none is sent.
func (g *Gate) Refresh() time.Duration { return g.o.Refresh }

// Admit decides about a new session. The error is a [*Refusal]. Release must be
// called with the grant once its session has ended.
func (g *Gate) Admit(ctx context.Context, r *Request, access Access) (*Grant, error) {
	who, err := g.identify(ctx, r)
	if err != nil {
		return nil, err
	}
	grant := &Grant{who, access}
	if a := g.o.Authorizer; a != nil {
		if err := a.authorize(ctx, who.Role, &grant.Access); err != nil {
			return nil, err
		}
		a.hold(who.Role, &grant.Access)
	}
	return grant, nil
}

// Release forgets a grant.
func (g *Gate) Release(grant *Grant) {
	if a := g.o.Authorizer; a != nil {
		a.release(grant.Role, &grant.Access)
	}
}

// identify authenticates, and counts failures by address.
func (g *Gate) identify(ctx context.Context, r *Request) (Principal, error) {
	if g.failures.blocked(r.Address) {
		return Principal{}, &Refusal{Kind: ErrTooMany, Reason: "too many failed logins from this address; try again in a minute"}
	}
	who, err := g.o.Authenticator.Authenticate(ctx, r)
	// A client that shows nothing, or a certificate, guesses nothing.
	if errors.Is(err, ErrUnauthenticated) && r.Authorization != "" {
		g.failures.failed(r.Address)
	}
	return who, err
}

// Renew checks the credentials that a client sends during its session and
// returns when they run out. They must be of the same method and role.
func (g *Gate) Renew(ctx context.Context, grant *Grant, method, data string, address netip.Addr) (expires time.Time, err error) {
	if method != grant.Method || method != MethodToken {
		return time.Time{}, unauthenticated("only the token of a session can be renewed", "")
	}
	who, err := g.identify(ctx, &Request{Method: MethodToken, Authorization: bearer(data), Address: address})
	if err != nil {
		return time.Time{}, err
	}
	if who.Role != grant.Role {
		return time.Time{}, unauthenticated("the token is for another role", "")
	}
	return who.Expires, nil
}

// Generation changes when something has changed that open sessions may depend
// on; [Gate.Recheck] then tells which of them have lost their permission.
func (g *Gate) Generation() uint64 {
	if a := g.o.Authorizer; a != nil {
		return a.generation.Load()
	}
	return 0
}

// Recheck returns why a session may not go on, or nil. It does not wait; a
// session of which nothing is known may go on.
func (g *Gate) Recheck(grant *Grant) *Refusal {
	if a := g.o.Authorizer; a != nil {
		return a.reauthorize(grant.Role, &grant.Access)
	}
	return nil
}

// AdmitSuperUser lets only super-users pass.
func (g *Gate) AdmitSuperUser(ctx context.Context, r *Request) error {
	who, err := g.identify(ctx, r)
	if err != nil {
		return err
	}
	if !g.superUsers[who.Role] {
		return &Refusal{Kind: ErrForbidden, Reason: "this is for super-users", Cause: "role " + who.Role}
	}
	return nil
}

// AdmitViewer lets pass who may see the statistics of a topic: super-users, and
// roles that may produce to it or consume from it.
func (g *Gate) AdmitViewer(ctx context.Context, r *Request, topic string) error {
	who, err := g.identify(ctx, r)
	if err != nil {
		return err
	}
	if g.superUsers[who.Role] {
		return nil
	}
	refusal := error(&Refusal{Kind: ErrForbidden, Reason: "this is for super-users", Cause: "role " + who.Role})
	if a := g.o.Authorizer; a != nil {
		refusal = a.authorize(ctx, who.Role, &Access{Action: Produce | Consume, Topics: []string{topic}})
	}
	return refusal
}
