package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/topic"
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
	// MaxFailures bounds the failed logins of one address in a minute, and of one
	// user of Basic there, see [Gate.identify]. 0: no bound.
	MaxFailures int
	// Principals is told whose sessions there are, for the brokers to be told; nil: they are not.
	Principals Principals
	Logger     *slog.Logger // slog.Default() if nil
}

// Gate lets clients in. Its methods may be called from any goroutine; those
// with a context may take long and must not be called on an event loop.
type Gate struct {
	o        GateOptions
	rules    atomic.Pointer[rules] // of the options those that may change
	failures *throttle
}

// NewGate returns a gate. It owns the authenticator, but not the authorizer.
func NewGate(o GateOptions) *Gate {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	g := &Gate{o: o, failures: newThrottle(o.MaxFailures)}
	g.rules.Store(&rules{o.Authenticator, setOf(o.SuperUsers)})
	return g
}

// Close ends the authenticator.
func (g *Gate) Close() { g.rules.Load().authenticator.Close() }

// Principals keeps the roles that have sessions. Its methods may be called from any
// goroutine and do not block.
type Principals interface {
	// Hold notes one more session of a role, whose client has shown k. An error is a
	// [*Refusal]: there can be none. Else Release follows.
	Hold(role string, k Credentials) error
	// Renew notes that a client has shown other credentials.
	Renew(role string, k Credentials)
	Release(role string)
}

// Credentials are what a client has shown of its role.
type Credentials struct {
	Method  string    // as [Principal.Method]
	Data    string    // the token, or user:password; "": there is nothing to hand on. Never logged
	Expires time.Time // zero: never
}

// Grant is what an open session is allowed, and to whom. What it says is not changed.
type Grant struct {
	Principal
	Access Access
	// Told says that brokers are told of the role, see [GateOptions.Principals].
	Told bool

	held atomic.Bool // the policies it depends on are kept fresh for it
}

// Challenge is [Authenticator.Challenge].
func (g *Gate) Challenge() string { return g.rules.Load().authenticator.Challenge() }

// Refresh is how long a client has to answer a challenge; 0: none is sent.
func (g *Gate) Refresh() time.Duration { return g.o.Refresh }

// Admit decides about a new session. The error is a [*Refusal]. Release must be
// called with the grant once its session has ended.
func (g *Gate) Admit(ctx context.Context, r *Request, access Access) (*Grant, error) {
	who, err := g.identify(ctx, r, turnLogin)
	if err != nil {
		return nil, err
	}
	grant := &Grant{Principal: who, Access: access}
	if a := g.o.Authorizer; a != nil {
		if err := a.authorize(ctx, who.Role, &grant.Access); err != nil {
			return nil, err
		}
		g.hold(a, grant)
	}
	if p := g.o.Principals; p != nil {
		if err := p.Hold(who.Role, r.credentials(&who)); err != nil {
			g.Release(grant)
			return nil, err
		}
		grant.Told = true
	}
	return grant, nil
}

// hold keeps fresh what a grant depends on, until its release. Of super-users
// nothing has to be kept, as long as they are that.
func (g *Gate) hold(a *Authorizer, grant *Grant) {
	if !a.isSuper(grant.Role) && !grant.held.Swap(true) {
		a.hold(&grant.Access)
	}
}

// Release forgets a grant. [Gate.Recheck] must not be called with it at the same
// time, nor afterwards.
func (g *Gate) Release(grant *Grant) {
	if grant.held.Load() {
		g.o.Authorizer.release(&grant.Access)
	}
	if grant.Told {
		g.o.Principals.Release(grant.Role)
	}
}

// identify authenticates, and counts the failures of those who may be guessing.
//
// Very many clients may be behind one address, and one of them that fails must not
// lock the others out. So right credentials count however many failed before: a
// signature is always looked at, as it cannot be guessed, if only after those from
// other addresses. A password can be guessed: where too many were wrong, no other of
// that user is looked at from that address, but for the one that was right already.
func (g *Gate) identify(ctx context.Context, r *Request, t turn) (Principal, error) {
	shown := *r
	shown.turn = t
	address := g.failures.source(r.Address, "")
	often := g.failures.often(address)
	if often && t == turnLogin {
		shown.turn = turnDoubted
	}
	user, _, isUser := r.userPassword()
	shown.guessed = isUser && g.failures.often(g.failures.source(r.Address, user))
	rules := g.rules.Load()
	who, err := rules.authenticator.Authenticate(ctx, &shown)
	if now := g.rules.Load(); err != nil && now != rules { // what counted before may have been closed meanwhile
		who, err = now.authenticator.Authenticate(ctx, &shown)
	}
	no := (*Refusal)(nil)
	if !errors.As(err, &no) || !no.forged {
		return who, err
	}
	g.failures.failed(address)
	if isUser {
		g.failures.failed(g.failures.source(r.Address, user))
	}
	if often {
		return Principal{}, &Refusal{Kind: ErrTooMany, Reason: "too many failed logins from this address; try again in a minute", Cause: no.Reason}
	}
	return Principal{}, err
}

// Renew checks the credentials that a client sends during its session and
// returns when they run out. They must be of the same method and role.
func (g *Gate) Renew(ctx context.Context, grant *Grant, method, data string, address netip.Addr) (expires time.Time, err error) {
	if method != grant.Method || method != MethodToken {
		return time.Time{}, unauthenticated("only the token of a session can be renewed", "")
	}
	shown := &Request{Method: MethodToken, Authorization: bearer(data), Address: address}
	who, err := g.identify(ctx, shown, turnRenewal)
	if err != nil {
		return time.Time{}, err
	}
	if who.Role != grant.Role {
		return time.Time{}, unauthenticated("the token is for another role", "")
	}
	if grant.Told {
		g.o.Principals.Renew(who.Role, shown.credentials(&who))
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
		g.hold(a, grant)
		return a.reauthorize(grant.Role, &grant.Access)
	}
	return nil
}

// AdmitSuperUser lets only super-users pass, and tells the role of one.
func (g *Gate) AdmitSuperUser(ctx context.Context, r *Request) (role string, err error) {
	who, err := g.identify(ctx, r, turnLogin)
	if err != nil {
		return "", err
	}
	if !g.rules.Load().superUsers[who.Role] {
		return "", &Refusal{Kind: ErrForbidden, Reason: "only super-users may do this", Cause: "role " + who.Role}
	}
	return who.Role, nil
}

// AdmitViewer lets pass who may see the statistics of a topic: super-users, and
// roles that may produce to it or consume from it.
func (g *Gate) AdmitViewer(ctx context.Context, r *Request, name topic.Name) error {
	who, err := g.identify(ctx, r, turnLogin)
	if err != nil {
		return err
	}
	if g.rules.Load().superUsers[who.Role] {
		return nil
	}
	refusal := error(&Refusal{Kind: ErrForbidden, Reason: "only super-users may do this", Cause: "role " + who.Role})
	if a := g.o.Authorizer; a != nil {
		refusal = a.authorize(ctx, who.Role, &Access{Action: Produce | Consume, Topics: []topic.Name{name}})
	}
	return refusal
}
