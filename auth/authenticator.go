package auth

import (
	"context"
	"log/slog"
	"slices"
)

// provider is one way to log in. authenticate may take long; its errors are
// [*Refusal].
type provider interface {
	method() string
	// presented reports whether a request has this provider's kind of credentials.
	presented(*Request) bool
	authenticate(context.Context, *Request) (Principal, error)
}

// AuthenticatorOptions say how clients may log in.
type AuthenticatorOptions struct {
	Methods []string // [MethodToken], [LoginOpenID], [MethodBasic], [MethodTLS]: tried in this order
	Token   TokenOptions
	OpenID  OpenIDOptions
	// BasicConf is the file of users and password hashes, in a form that
	// [material] reads.
	BasicConf string
	// AnonymousRole is the role of clients that show nothing; "": they are refused.
	AnonymousRole string
	Logger        *slog.Logger // slog.Default() if nil
}

// Authenticator finds out who a client is. It may be used from any goroutine,
// but not on an event loop: it verifies signatures and password hashes, reads keys
// again that have changed, and waits for keys of issuers.
type Authenticator struct {
	providers []provider
	anonymous string
	challenge string
	openID    *openIDProvider // nil: none
}

// NewAuthenticator reads keys and users. Its errors are [*SettingError]. Close must
// be called in the end.
func NewAuthenticator(o AuthenticatorOptions) (*Authenticator, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &Authenticator{anonymous: o.AnonymousRole}
	for i, m := range o.Methods {
		if slices.Contains(o.Methods[:i], m) {
			continue
		}
		p, err := a.open(m, &o)
		if err != nil {
			a.Close()
			return nil, err
		}
		a.add(p)
	}
	if len(a.providers) == 0 {
		return nil, setting("authenticationProviders", "none is named")
	}
	return a, nil
}

// open makes the provider of a way to log in.
func (a *Authenticator) open(login string, o *AuthenticatorOptions) (provider, error) {
	switch login {
	case MethodToken:
		return newTokenProvider(o.Token, o.Logger)
	case LoginOpenID:
		p, err := newOpenIDProvider(o.OpenID, o.Logger)
		if err != nil {
			return nil, err
		}
		a.openID = p
		return p, nil
	case MethodBasic:
		return newBasicProvider(o.BasicConf, o.Logger)
	case MethodTLS:
		return certificateProvider{}, nil
	}
	return nil, setting("authenticationProviders", "there is no login method %q", login)
}

// add takes a provider, beside the one of the same method if there is one.
func (a *Authenticator) add(p provider) {
	for i, other := range a.providers {
		if other.method() == p.method() {
			a.providers[i] = alternatives{other, p}
			return
		}
	}
	a.providers = append(a.providers, p)
	switch p.method() {
	case MethodToken:
		a.offer("Bearer")
	case MethodBasic:
		a.offer("Basic")
	}
}

// Close ends what the providers do by themselves, such as fetching keys.
func (a *Authenticator) Close() {
	if a.openID != nil {
		a.openID.close()
	}
}

// inherit takes over the keys that another has fetched of the same issuers, which may
// not be there to be asked again. a is not in use yet.
func (a *Authenticator) inherit(from *Authenticator) {
	if a.openID != nil && from.openID != nil && a != from {
		a.openID.inherit(from.openID)
	}
}

func (a *Authenticator) offer(scheme string) {
	if a.challenge != "" {
		a.challenge += ", "
	}
	a.challenge += scheme + ` realm="pulsegate"`
}

// Challenge is the value of the header WWW-Authenticate (RFC 9110 section
// 11.6.1) that goes with status 401, "" when no scheme of HTTP is accepted.
func (a *Authenticator) Challenge() string { return a.challenge }

// Authenticate returns who the client is, or a [*Refusal]. A method that is
// named must succeed. Else the providers whose kind of credentials are there are
// asked in their order; only a client that shows nothing at all is anonymous.
func (a *Authenticator) Authenticate(ctx context.Context, r *Request) (Principal, error) {
	if r.Method != "" {
		for _, p := range a.providers {
			if p.method() == r.Method {
				return p.authenticate(ctx, r)
			}
		}
		return Principal{}, unauthenticated("this login method is not accepted", "")
	}
	var refusal error
	for _, p := range a.providers {
		if !p.presented(r) {
			continue
		}
		who, err := p.authenticate(ctx, r)
		if err == nil {
			return who, nil
		}
		refusal = err
	}
	switch {
	case refusal != nil:
		return Principal{}, refusal
	case r.Authorization != "":
		return Principal{}, unauthenticated("credentials of this kind are not accepted", "")
	case a.anonymous != "":
		return Principal{Role: a.anonymous}, nil
	}
	return Principal{}, unauthenticated("credentials are required", "")
}
