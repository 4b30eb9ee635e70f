package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestOpenIDTokens(t *testing.T) {
	i, other := newIDP(t, httptest.NewServer), newIDP(t, httptest.NewServer)
	smallKey := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	i.publish(
		key("rsa", &rsaKey.PublicKey, "", "sig"), key("only-384", &rsaKey.PublicKey, "RS384", ""), key("enc", &otherKey.PublicKey, "", "enc"),
		key("ec", &ecKey.PublicKey, "", ""), key("ec384", &ec384Key.PublicKey, "", ""), key("hmac", secret, "HS256", ""),
		key("rsa", &otherKey.PublicKey, "", ""), key("", &otherKey.PublicKey, "", ""),
	)
	p, _ := openID(t, func(o *OpenIDOptions) { o.Leeway = time.Minute }, i)
	roles, _ := openID(t, func(o *OpenIDOptions) { o.RoleClaim = "roles" }, i)
	for name, token := range map[string]string{
		"RS256": i.rs256(), "RS512": i.token(jwt.SigningMethodRS512, rsaKey, "rsa"), "RS384 alone": i.token(jwt.SigningMethodRS384, rsaKey, "only-384"),
		"ES256": i.token(jwt.SigningMethodES256, ecKey, "ec"), "ES384": i.token(jwt.SigningMethodES384, ec384Key, "ec384"),
		"several audiences": i.rs256("aud", []string{"x", "pulsar"}),
		"just run out":      i.rs256("exp", time.Now().Add(-30*time.Second).Unix()),
		"almost valid":      i.rs256("nbf", time.Now().Add(30*time.Second).Unix()),
		"a clock ahead":     i.rs256("iat", time.Now().Add(30*time.Second).Unix()),
	} {
		wantRole(t, name, p, token, "me")
	}
	wantRole(t, "role", roles, i.rs256("roles", "writer"), "writer")
	wantRole(t, "list of roles", roles, i.rs256("roles", []string{"reader", "writer"}), "reader")
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	if who, err := p.login(t, i.rs256("exp", exp.Unix())); err != nil || !who.Expires.Equal(exp.Add(time.Minute)) {
		t.Errorf("%+v, %v", who, err)
	}

	none := i.token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "rsa")
	signed := i.rs256()
	forged := signed[:strings.LastIndexByte(signed, '.')] + other.rs256()[strings.LastIndexByte(other.rs256(), '.'):]
	for name, tc := range map[string]struct{ token, says string }{
		"none":             {none, "not valid"},
		"forged":           {forged, "not valid"},
		"public as secret": {i.token(jwt.SigningMethodHS256, pemOf(&rsaKey.PublicKey), "rsa"), "not valid"},
		"secret of a key":  {i.token(jwt.SigningMethodHS256, secret, "hmac"), "not valid"},
		"PS256":            {i.token(jwt.SigningMethodPS256, rsaKey, "rsa"), "not valid"},
		"another alg":      {i.token(jwt.SigningMethodRS256, rsaKey, "only-384"), "not valid"},
		"another kind":     {i.token(jwt.SigningMethodES256, ecKey, "rsa"), "not valid"},
		"another curve":    {i.token(jwt.SigningMethodES384, ec384Key, "ec"), "not valid"},
		"key for else":     {i.token(jwt.SigningMethodRS256, otherKey, "enc"), "not valid"},
		"second of an id":  {i.token(jwt.SigningMethodRS256, otherKey, "rsa"), "not valid"},
		"no key named":     {i.token(jwt.SigningMethodRS256, otherKey, ""), "not valid"},
		"a number for kid": {i.rs256("header.kid", 7), "not valid"},
		"critical header":  {i.rs256("header.crit", []string{"x"}), "not valid"},
		"unknown issuer":   {other.rs256(), "not valid"},
		"no issuer":        {i.rs256("iss", nil), "not valid"},
		"issuer, a list":   {i.rs256("iss", []string{i.URL}), "not valid"},
		"issuer and slash": {i.rs256("iss", i.URL+"/"), "not valid"},
		"run out":          {i.rs256("exp", time.Now().Add(-2*time.Minute).Unix()), "has expired"},
		"not yet":          {i.rs256("nbf", time.Now().Add(2*time.Minute).Unix()), "not valid yet"},
		"issued later":     {i.rs256("iat", time.Now().Add(2*time.Minute).Unix()), "not valid yet"},
		"wrong audience":   {i.rs256("aud", "someone"), "another audience"},
		"no audience":      {i.rs256("aud", nil), "lacks a required claim"},
		"no exp":           {i.rs256("exp", nil), "lacks a required claim"},
		"no iat":           {i.rs256("iat", nil), "no claim iat"},
		"no sub":           {i.rs256("sub", nil), "no claim sub"},
		"sub, a number":    {i.rs256("sub", 7), "names no role"},
		"exp, a text":      {i.rs256("exp", "soon"), "not valid"},
		"too long":         {i.rs256("x", strings.Repeat("x", maxToken)), "too long"},
		"nothing":          {"", "no token"},
		"no token at all":  {"a.b.c", "not valid"},
	} {
		for range 2 { // what is remembered reads the same
			_, err := p.login(t, tc.token)
			wantRefused(t, name, err, ErrUnauthenticated, tc.says)
		}
	}
	for _, v := range []any{nil, 7, []any{}, []any{7}, map[string]any{}, ""} {
		_, err := roles.login(t, i.rs256("roles", v))
		wantRefused(t, fmt.Sprintf("role %v", v), err, ErrUnauthenticated, "names no role")
	}
	if n := other.asked.Load(); n != 0 {
		t.Errorf("an issuer that is not allowed was asked %d times", n)
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("two providers asked %d times", n)
	}
	if v := issuerVerifier(&smallKey.PublicKey); v != nil {
		t.Error("a small curve is taken")
	}
}

// A key that is new is found by its first token, if not at once; one that was taken away
// counts until the keys are fetched again.
func TestOpenIDKeysChange(t *testing.T) {
	i := newIDP(t, httptest.NewServer)
	p, c := openID(t, nil, i)
	before := i.rs256()
	wantRole(t, "first", p, before, "me")
	i.publish(key("new", &otherKey.PublicKey, "", ""))
	after := i.token(jwt.SigningMethodRS256, otherKey, "new")
	c.pass(5*time.Minute - time.Second)
	for range 3 {
		_, err := p.login(t, after)
		wantRefused(t, "too early", err, ErrUnauthenticated, "not valid")
	}
	wantRole(t, "the old key", p, before, "me")
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	c.pass(2 * time.Second)
	wantRole(t, "later", p, after, "me")
	_, err := p.login(t, before)
	wantRefused(t, "a key that was taken away", err, ErrUnauthenticated, "not valid")
	if n := i.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}

	// Getting old, the keys are fetched again beside the logins, also by tokens that are remembered.
	i.publish(key("rsa", &rsaKey.PublicKey, "", ""))
	hold := make(chan struct{})
	i.set(func() { i.hold = hold })
	c.pass(18 * time.Hour)
	wantRole(t, "while they are fetched", p, after, "me")
	done := p.issuers[i.URL].fetching()
	close(hold)
	if done == nil {
		t.Fatal("they are not fetched")
	}
	<-done
	_, err = p.login(t, after)
	wantRefused(t, "afterwards", err, ErrUnauthenticated, "not valid")
	wantRole(t, "the old key again", p, before, "me")
}

// fetching is closed when the fetch under way has ended.
func (i *issuer) fetching() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.loading
}

// However many tokens with keys that do not exist come, an issuer is asked once in a while.
func TestOpenIDUnknownKeysAreBounded(t *testing.T) {
	i := newIDP(t, httptest.NewServer)
	p, c := openID(t, func(o *OpenIDOptions) { o.Miss = 0 }, i)
	flood := func() {
		var logins sync.WaitGroup
		for n := range 8 {
			logins.Go(func() {
				for k := range 50 {
					if _, err := p.login(t, i.token(jwt.SigningMethodES256, ecKey, fmt.Sprint(n, "-", k))); !errors.Is(err, ErrUnauthenticated) {
						t.Error(err)
					}
				}
			})
		}
		logins.Wait()
	}
	_, err := p.login(t, i.token(jwt.SigningMethodHS256, secret, "rsa"))
	wantRefused(t, "an algorithm that is never right", err, ErrUnauthenticated, "not valid")
	if n := i.asked.Load(); n != 0 {
		t.Errorf("asked %d times for nothing", n)
	}
	flood()
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times for the first", n)
	}
	c.pass(fetchPause)
	flood()
	if n := i.asked.Load(); n != 2 {
		t.Errorf("asked %d times for the second", n)
	}
}

// While an issuer does not answer, what is known of it counts, up to a point; what is
// not known is nobody's fault.
func TestOpenIDIssuerDown(t *testing.T) {
	i := newIDP(t, httptest.NewServer)
	i.set(func() { i.down = true })
	p, c := openID(t, nil, i)
	for range 3 {
		_, err := p.login(t, i.rs256())
		wantRefused(t, "never seen", err, ErrUnknown, "cannot be read now")
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times within a second", n)
	}
	i.set(func() { i.down = false })
	c.pass(fetchPause)
	known := i.rs256()
	wantRole(t, "it is back", p, known, "me")
	i.set(func() { i.down = true })
	c.pass(20 * time.Hour) // it is tried again
	wantRole(t, "old keys", p, known, "me")
	if done := p.issuers[i.URL].fetching(); done != nil {
		<-done
	}
	wantRole(t, "a new token, old keys", p, i.rs256("sub", "you"), "you")
	if p.issuers[i.URL].fetching() != nil {
		t.Error("it is tried again at once")
	}
	if n := i.asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
	c.pass(4 * time.Hour)
	_, err := p.login(t, known)
	wantRefused(t, "too old", err, ErrUnknown, "cannot be read now")
}

// An issuer that hangs keeps the tokens of others waiting in no way, and Close and the
// client's leaving end the wait.
func TestOpenIDFetchHoldsNoTurn(t *testing.T) {
	slow, quick := newIDP(t, httptest.NewServer), newIDP(t, httptest.NewServer)
	hold := make(chan struct{})
	slow.set(func() { slow.hold = hold })
	p, _ := openID(t, nil, slow, quick)
	p.checks = newChecks(1)
	var waiting sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			if _, err := p.login(t, slow.rs256()); err != nil {
				t.Error(err)
			}
		})
	}
	wantRole(t, "the other issuer", p, quick.rs256(), "me")
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := p.authenticate(ctx, &Request{Authorization: "Bearer " + slow.rs256("sub", "you")})
	wantRefused(t, "a client that left", err, ErrUnknown, "")
	close(hold)
	waiting.Wait()
	if n := slow.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}

	never := newIDP(t, httptest.NewServer)
	forever := make(chan struct{})
	defer close(forever)
	never.set(func() { never.hold = forever })
	p, _ = openID(t, nil, never)
	ended := make(chan error)
	go func() {
		_, err := p.login(t, never.rs256())
		ended <- err
	}()
	select {
	case <-never.came:
	case err := <-ended:
		t.Fatal(err)
	}
	p.close()
	wantRefused(t, "closed", <-ended, ErrUnknown, "")
}

// Tokens of both kinds are taken, and renewed, side by side.
func TestOpenIDBesideToken(t *testing.T) {
	i := newIDP(t, httptest.NewServer)
	for _, methods := range [][]string{{MethodToken, LoginOpenID}, {LoginOpenID, MethodToken, LoginOpenID}} {
		a, err := NewAuthenticator(AuthenticatorOptions{
			Methods: methods, Logger: quiet, Token: TokenOptions{SecretKey: dataURL(secret), AuthClaim: "sub"},
			OpenID: OpenIDOptions{Issuers: []string{i.URL}, Audiences: []string{"pulsar"}, RoleClaim: "sub", Plain: true,
				Refresh: time.Hour, Expire: time.Hour, Miss: time.Hour, ConnectTimeout: time.Minute, ReadTimeout: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if a.Challenge() != `Bearer realm="pulsegate"` {
			t.Error(a.Challenge())
		}
		own := sign(jwt.SigningMethodHS256, secret, "sub", "own")
		for token, role := range map[string]string{own: "own", i.rs256(): "me"} {
			for _, method := range []string{"", MethodToken} {
				if who, err := a.Authenticate(t.Context(), &Request{Method: method, Authorization: "Bearer " + token}); err != nil || who.Role != role {
					t.Errorf("%q: %+v, %v", method, who, err)
				}
			}
		}
		_, err = a.Authenticate(t.Context(), &Request{Method: LoginOpenID, Authorization: "Bearer " + own})
		wantRefused(t, "a name that clients do not know", err, ErrUnauthenticated, "method")
		_, err = a.Authenticate(t.Context(), &Request{Authorization: "Bearer " + i.rs256("exp", 1)})
		wantRefused(t, "run out", err, ErrUnauthenticated, "has expired")
		forgery := sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 64)), "sub", "own")
		_, err = a.Authenticate(t.Context(), &Request{Authorization: "Bearer " + forgery})
		wantRefused(t, "forged", err, ErrUnauthenticated, "not valid")
		if no := (*Refusal)(nil); !errors.As(err, &no) || !no.forged {
			t.Errorf("a forgery is not counted: %v", err)
		}

		g := NewGate(GateOptions{Authenticator: a, Refresh: time.Minute, Logger: quiet})
		grant, err := g.Admit(t.Context(), &Request{Authorization: "Bearer " + i.rs256()}, Access{})
		if err != nil {
			t.Fatal(err)
		}
		exp := time.Now().Add(2 * time.Hour).Truncate(time.Second)
		if expires, err := g.Renew(t.Context(), grant, MethodToken, i.rs256("exp", exp.Unix()), netip.Addr{}); err != nil || !expires.Equal(exp) {
			t.Errorf("%v, %v", expires, err)
		}
		_, err = g.Renew(t.Context(), grant, MethodToken, i.rs256("sub", "you"), netip.Addr{})
		wantRefused(t, "another role", err, ErrUnauthenticated, "another role")
	}
}

// Keys that were fetched stay when other rules count, as their issuer may be down
// just then. Of a provider that is closed nothing is fetched.
func TestOpenIDKeysAreInherited(t *testing.T) {
	i := newIDP(t, httptest.NewServer)
	before, _ := openID(t, nil, i)
	known := i.rs256()
	wantRole(t, "fetched", before, known, "me")
	i.set(func() { i.down = true })
	after, _ := openID(t, nil, i)
	(&Authenticator{openID: after}).inherit(&Authenticator{openID: before})
	before.close()
	wantRole(t, "inherited", after, i.rs256("sub", "you"), "you")
	stricter, _ := openID(t, nil, i)
	stricter.o.Plain = false
	(&Authenticator{openID: stricter}).inherit(&Authenticator{openID: after})
	_, err := stricter.login(t, known)
	wantRefused(t, "fetched in a way that counts no more", err, ErrUnknown, "cannot be read now")
	asked := i.asked.Load()
	late, _ := openID(t, nil, i)
	late.close()
	_, err = late.login(t, known)
	wantRefused(t, "closed", err, ErrUnknown, "cannot be read now")
	if n := i.asked.Load(); n != asked {
		t.Errorf("a closed provider asked %d times", n-asked)
	}
}
