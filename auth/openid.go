package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// LoginOpenID is the login with tokens of OpenID Connect issuers. To clients it is
// [MethodToken], too: together with that one, a token may be of either kind.
const LoginOpenID = "openid"

// OpenIDOptions configure the login with tokens of OpenID Connect issuers. The fields
// are the settings of Pulsar's AuthenticationProviderOpenID.
type OpenIDOptions struct {
	Issuers   []string // whose tokens are taken: URLs, as claim iss has them
	Audiences []string // a token must be for one of them
	RoleClaim string   // the claim that holds the role: a string, or a list whose first element is taken
	Leeway    time.Duration
	// TrustCertsFile holds the authorities that issuers' certificates are checked
	// against, in PEM; "": the system's.
	TrustCertsFile string
	// Plain takes keys over http:// as well.
	Plain bool
	// Refresh is the age at which keys are fetched again, Expire the one at which they
	// are no longer used, and Miss the least time between two fetches for keys that tokens
	// name and an issuer does not have. Below a second they count as a second.
	Refresh, Expire, Miss time.Duration
	// ConnectTimeout bounds opening a connection to an issuer; both together, a
	// whole answer.
	ConnectTimeout, ReadTimeout time.Duration
}

// openIDProvider checks tokens that are signed with keys which their issuers publish.
// Like [tokenProvider] it checks a few at once, each on the goroutine that asks, and
// remembers what does not change while the keys stay. No place of those few is held
// while keys are fetched.
type openIDProvider struct {
	o       OpenIDOptions
	issuers map[string]*issuer // not changed
	parser  *jwt.Parser
	checks  *checks
	marker  marker
	version atomic.Uint64 // of all keys; it changes after they have
	signed  *verdicts[uint64, vouched]
	forged  *verdicts[uint64, *Refusal]
	stop    context.CancelFunc // ends all fetches
	work    sync.WaitGroup     // of fetches
}

// vouched is who a token says it is for, and whose keys that rests on.
type vouched struct {
	who Principal
	by  *issuer
}

func newOpenIDProvider(o OpenIDOptions, log *slog.Logger) (*openIDProvider, error) {
	d := discovery{trustFile: o.TrustCertsFile, plain: o.Plain, connect: o.ConnectTimeout, read: o.ReadTimeout}
	if _, err := d.roots(); err != nil {
		return nil, &SettingError{"openIDTokenIssuerTrustCertsFilePath", err}
	}
	switch {
	case len(o.Issuers) == 0:
		return nil, setting("openIDAllowedTokenIssuers", "AuthenticationProviderOpenID needs it")
	case len(o.Audiences) == 0:
		return nil, setting("openIDAllowedAudiences", "AuthenticationProviderOpenID needs it")
	}
	p := &openIDProvider{
		o: o, issuers: map[string]*issuer{},
		parser: jwt.NewParser(jwt.WithLeeway(o.Leeway), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithAudience(o.Audiences...)),
		checks: newChecks(runtime.GOMAXPROCS(0)), marker: newMarker(),
		signed: newVerdicts[uint64, vouched](maxSigned), forged: newVerdicts[uint64, *Refusal](maxForged),
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	for _, url := range o.Issuers {
		if err := checkIssuerURL(url, o.Plain); err != nil {
			stop()
			return nil, setting("openIDAllowedTokenIssuers", "%.200q: %w", url, err)
		}
		p.issuers[url] = &issuer{
			url: url, refresh: o.Refresh, expire: o.Expire, miss: o.Miss,
			load:    func(ctx context.Context) (*keySet, error) { return d.fetch(ctx, url) },
			changed: func() { p.version.Add(1) },
			log:     log, ctx: ctx, work: &p.work, now: time.Now,
		}
	}
	return p, nil
}

// close ends what is being fetched, and waits for it.
func (p *openIDProvider) close() {
	p.stop()
	for _, i := range p.issuers {
		i.close()
	}
	p.work.Wait()
}

func (p *openIDProvider) inherit(from *openIDProvider) {
	if p.o.TrustCertsFile != from.o.TrustCertsFile || p.o.Plain != from.o.Plain {
		return // what was fetched might not be trusted now
	}
	for url, i := range p.issuers {
		if before := from.issuers[url]; before != nil {
			before.mu.Lock()
			i.keys, i.at, i.tried = before.keys, before.at, before.tried
			before.mu.Unlock()
		}
	}
}

func (p *openIDProvider) method() string { return MethodToken }

func (p *openIDProvider) presented(r *Request) bool {
	_, ok := r.scheme("Bearer")
	return ok
}

func (p *openIDProvider) authenticate(ctx context.Context, r *Request) (Principal, error) {
	token, ok := r.scheme("Bearer")
	if !ok || token == "" {
		return Principal{}, unauthenticated("no token was given", "")
	}
	if len(token) > maxToken {
		return Principal{}, forged("the token is too long", "")
	}
	version := p.version.Load() // before the keys are looked at: a verdict is never of older ones
	m := p.marker.mark(token)
	if v, ok := p.signed.get(version, m); ok && time.Now().Before(v.who.Expires) && v.by.inForce() {
		return v.who, nil
	}
	if no, ok := p.forged.get(version, m); ok {
		return Principal{}, no
	}
	c := &openIDCheck{p: p, find: (*issuer).look}
	no, ok := c.run(ctx, r.turn, token)
	if ok && c.fetched != nil {
		select {
		case <-c.fetched:
		case <-ctx.Done():
			return Principal{}, &Refusal{Kind: ErrUnknown, Reason: "fetching the keys of the token's issuer takes too long"}
		}
		c = &openIDCheck{p: p, find: func(i *issuer, id string) (*verifier, <-chan struct{}, error) {
			v, err := i.settled(id)
			return v, nil, err
		}}
		no, ok = c.run(ctx, r.turn, token)
	}
	switch {
	case !ok:
		return Principal{}, &Refusal{Kind: ErrUnknown, Reason: "too many tokens are being checked"}
	case no == nil:
		if len(c.who.Role) <= maxRole {
			p.signed.put(version, m, vouched{c.who, c.by})
		}
		return c.who, nil
	case no.forged && c.passing == nil:
		p.forged.put(version, m, no)
	}
	return Principal{}, no
}

// openIDCheck is the check of one token.
type openIDCheck struct {
	p    *openIDProvider
	find func(i *issuer, id string) (v *verifier, fetched <-chan struct{}, err error)

	who     Principal
	by      *issuer
	fetched <-chan struct{} // not nil: the check must be made again when it is closed
	passing error           // why the key is not there, which may be otherwise next time
}

var (
	errIssuer  = errors.New("the token's issuer is not among openIDAllowedTokenIssuers")
	errNoKeyID = errors.New("the token names no key")
	errFetch   = errors.New("the keys are being fetched")
)

// run checks the token in its turn. ok is false if ctx ended before that came.
func (c *openIDCheck) run(ctx context.Context, t turn, token string) (no *Refusal, ok bool) {
	if !c.p.checks.enter(ctx, t) {
		return nil, false
	}
	defer c.p.checks.leave(t)
	claims := jwt.MapClaims{}
	_, err := c.p.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return c.key(t, claims) })
	switch {
	case c.passing != nil && !errors.Is(c.passing, errUnknownKey):
		return &Refusal{Kind: ErrUnknown, Reason: "the keys of the token's issuer cannot be read now", Cause: c.passing.Error()}, true
	case err != nil:
		return openIDFault(err), true
	}
	for _, name := range []string{"iat", "sub"} { // as Pulsar's provider demands
		if claims[name] == nil {
			return unauthenticated("the token has no claim "+name, ""), true
		}
	}
	role := first(claims[c.p.o.RoleClaim])
	if role == "" {
		return unauthenticated("the token names no role", "claim "+c.p.o.RoleClaim), true
	}
	exp, err := claims.GetExpirationTime()
	if err != nil || exp == nil {
		return unauthenticated("the token is not valid", "claim exp"), true
	}
	c.who = Principal{Role: role, Method: MethodToken, Expires: exp.Add(c.p.o.Leeway)}
	return nil, true
}

// key finds the key that a token names. Until the signature is checked with it, nothing
// in the token is to be believed.
func (c *openIDCheck) key(t *jwt.Token, claims jwt.MapClaims) (any, error) {
	if _, critical := t.Header["crit"]; critical { // RFC 7515 section 4.1.11
		return nil, errCritical
	}
	name, _ := claims["iss"].(string)
	if c.by = c.p.issuers[name]; c.by == nil {
		return nil, fmt.Errorf("%w: %.200q", errIssuer, name)
	}
	id, _ := t.Header["kid"].(string)
	if id == "" {
		return nil, errNoKeyID
	}
	if !openIDAlgorithms[t.Method.Alg()] { // before anything is fetched for it
		return nil, errAlgorithm
	}
	v, fetched, err := c.find(c.by, id)
	switch {
	case err != nil:
		c.passing = err
		return nil, err
	case fetched != nil:
		c.fetched = fetched
		return nil, errFetch
	case !v.algorithms[t.Method.Alg()]:
		return nil, errAlgorithm
	}
	return v.key, nil
}

var openIDAlgorithms = algorithms("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")

// openIDFault is [tokenFault] for what is special about such tokens.
func openIDFault(err error) *Refusal {
	for _, known := range []error{errNoKeyID, errUnknownKey} {
		if errors.Is(err, known) {
			return forged("the token is not valid", known.Error())
		}
	}
	switch {
	case errors.Is(err, errIssuer):
		return forged("the token is not valid", err.Error())
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet):
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return unauthenticated("the token is not valid yet", "it was issued in the future")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return unauthenticated("the token is for another audience", "")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return unauthenticated("the token lacks a required claim", "exp or aud")
	}
	return tokenFault(err)
}
