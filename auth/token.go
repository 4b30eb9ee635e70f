package auth

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken  = 16 << 10 // bytes of a token
	maxSigned = 16 << 10 // tokens remembered whose signature is right
	maxForged = 4 << 10  // and those whose is not: they must not displace the others
	maxRole   = 256      // bytes of a role; a token with a longer one is not remembered
)

// TokenOptions configure the login with JSON web tokens. The fields are the
// settings of Pulsar's AuthenticationProviderToken.
type TokenOptions struct {
	// SecretKey is an HMAC secret, PublicKey an RSA or EC key; exactly one is
	// set. See [material] for the forms they may have.
	SecretKey, PublicKey string
	PublicAlg            string // kind of PublicKey: RS256, ES256, …
	AuthClaim            string // the claim that holds the role: a string, or a list whose first element is taken
	// AudienceClaim, if set, names the claim in which Audience must be found.
	AudienceClaim, Audience string
	ClockSkew               time.Duration
}

// tokenProvider checks signed JSON web tokens (RFC 7519), a few at once, each on
// the goroutine that asks. What does not change while the key stays is remembered:
// that a token is forged, and whose one is, until it runs out.
type tokenProvider struct {
	o      TokenOptions
	key    *watched[*verifier]
	parser *jwt.Parser
	checks *checks
	marker marker
	signed *verdicts[*verifier, Principal]
	forged *verdicts[*verifier, *Refusal]
}

func newTokenProvider(o TokenOptions, log *slog.Logger) (*tokenProvider, error) {
	p := &tokenProvider{
		o: o, parser: jwt.NewParser(jwt.WithLeeway(o.ClockSkew), jwt.WithStrictDecoding()),
		checks: newChecks(runtime.GOMAXPROCS(0)), marker: newMarker(),
		signed: newVerdicts[*verifier, Principal](maxSigned), forged: newVerdicts[*verifier, *Refusal](maxForged),
	}
	var err error
	switch {
	case o.SecretKey != "":
		p.key, err = watch("tokenSecretKey", o.SecretKey, log, secretVerifier)
	case o.PublicKey != "" && !knownAlgorithm(o.PublicAlg):
		err = setting("tokenPublicAlg", "%s is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512", o.PublicAlg)
	case o.PublicKey != "":
		p.key, err = watch("tokenPublicKey", o.PublicKey, log, publicVerifier(o.PublicAlg))
	default:
		err = setting("tokenSecretKey", "AuthenticationProviderToken needs it, or tokenPublicKey")
	}
	if err != nil {
		return nil, err
	}
	if o.AudienceClaim != "" && o.Audience == "" {
		return nil, setting("tokenAudience", "tokenAudienceClaim needs it")
	}
	return p, nil
}

func (p *tokenProvider) method() string { return MethodToken }

func (p *tokenProvider) presented(r *Request) bool {
	_, ok := r.scheme("Bearer")
	return ok
}

func (p *tokenProvider) authenticate(ctx context.Context, r *Request) (Principal, error) {
	token, ok := r.scheme("Bearer")
	if !ok || token == "" {
		return Principal{}, unauthenticated("no token was given", "")
	}
	if len(token) > maxToken {
		return Principal{}, forged("the token is too long", "")
	}
	v := p.key.get()
	m := p.marker.mark(token)
	if who, ok := p.signed.get(v, m); ok && (who.Expires.IsZero() || time.Now().Before(who.Expires)) {
		return who, nil
	}
	if no, ok := p.forged.get(v, m); ok {
		return Principal{}, no
	}
	if !p.checks.enter(ctx, r.turn) {
		return Principal{}, &Refusal{Kind: ErrUnknown, Reason: "too many tokens are being checked"}
	}
	defer p.checks.leave(r.turn)
	who, no := p.check(v, token)
	switch {
	case no == nil:
		if len(who.Role) <= maxRole {
			p.signed.put(v, m, who)
		}
		return who, nil
	case no.forged:
		p.forged.put(v, m, no)
	}
	return Principal{}, no
}

var (
	errAlgorithm = errors.New("the token's algorithm is not one for our key")
	errCritical  = errors.New("the token has critical header parameters")
)

// check verifies one token.
func (p *tokenProvider) check(v *verifier, token string) (Principal, *Refusal) {
	claims := jwt.MapClaims{}
	_, err := p.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if !v.algorithms[t.Method.Alg()] {
			return nil, errAlgorithm
		}
		if _, critical := t.Header["crit"]; critical { // RFC 7515 section 4.1.11
			return nil, errCritical
		}
		return v.key, nil
	})
	if err != nil {
		return Principal{}, tokenFault(err)
	}
	if !p.audienceFits(claims) {
		return Principal{}, unauthenticated("the token is for another audience", "")
	}
	role := first(claims[p.o.AuthClaim])
	if role == "" {
		return Principal{}, unauthenticated("the token names no role", "claim "+p.o.AuthClaim)
	}
	who := Principal{Role: role, Method: MethodToken}
	if exp, err := claims.GetExpirationTime(); err == nil && exp != nil {
		who.Expires = exp.Add(p.o.ClockSkew)
	}
	return who, nil
}

// tokenFault words what is wrong with a token. Where forging could learn from
// it, all faults read the same to the client.
func tokenFault(err error) *Refusal {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthenticated("the token has expired", "")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return unauthenticated("the token is not valid yet", "")
	}
	for _, known := range []error{errAlgorithm, errCritical, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable} {
		if errors.Is(err, known) {
			return forged("the token is not valid", known.Error())
		}
	}
	return unauthenticated("the token is not valid", "a claim has the wrong type")
}

func (p *tokenProvider) audienceFits(claims jwt.MapClaims) bool {
	if p.o.AudienceClaim == "" {
		return true
	}
	switch aud := claims[p.o.AudienceClaim].(type) {
	case string:
		return aud == p.o.Audience
	case []any:
		for _, a := range aud {
			if a == p.o.Audience {
				return true
			}
		}
	}
	return false
}

// first is the text in v, or the first of a list when it is a text.
func first(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	text, _ := v.(string)
	return text
}
