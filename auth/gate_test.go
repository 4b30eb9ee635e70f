package auth

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func gateOf(t *testing.T, change ...func(*GateOptions)) *Gate {
	t.Helper()
	a, _ := authorizer(t)
	o := GateOptions{Authenticator: everyMethod(t, ""), Authorizer: a, SuperUsers: []string{"root"}, Refresh: time.Minute, Logger: quiet}
	for _, f := range change {
		f(&o)
	}
	return NewGate(o)
}

func withToken(role string, pairs ...any) *Request {
	return &Request{Authorization: "Bearer " + sign(jwt.SigningMethodHS256, secret, append([]any{"sub", role}, pairs...)...), Address: netip.MustParseAddr("192.0.2.1")}
}

func TestAdmit(t *testing.T) {
	g := gateOf(t)
	access := Access{Action: Produce, Topics: named(topicT)}
	grant, err := g.Admit(t.Context(), withToken("both"), access)
	if err != nil || grant.Role != "both" {
		t.Fatalf("%+v, %v", grant, err)
	}
	if no := g.Recheck(grant); no != nil {
		t.Error(no)
	}
	g.Release(grant)
	if _, err := g.Admit(t.Context(), withToken("reader"), access); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	if _, err := g.Admit(t.Context(), &Request{}, access); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
}

func TestRenew(t *testing.T) {
	g := gateOf(t)
	grant, err := g.Admit(t.Context(), withToken("both", "exp", time.Now().Add(time.Hour).Unix()), Access{Action: Produce, Topics: named(topicT)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release(grant)
	exp := time.Now().Add(2 * time.Hour).Truncate(time.Second)
	token := sign(jwt.SigningMethodHS256, secret, "sub", "both", "exp", exp.Unix())
	for _, data := range []string{token, "Bearer " + token} {
		if got, err := g.Renew(t.Context(), grant, "token", data, netip.Addr{}); err != nil || !got.Equal(exp) {
			t.Errorf("%v, %v", got, err)
		}
	}
	for name, tc := range map[string]struct{ method, data string }{
		"another role":   {"token", sign(jwt.SigningMethodHS256, secret, "sub", "root")},
		"another method": {"basic", token},
		"expired":        {"token", sign(jwt.SigningMethodHS256, secret, "sub", "both", "exp", 5)},
		"forged":         {"token", sign(jwt.SigningMethodHS256, []byte("x"), "sub", "both")},
		"empty":          {"token", ""},
	} {
		if _, err := g.Renew(t.Context(), grant, tc.method, tc.data, netip.Addr{}); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatisticsAreForSuperUsers(t *testing.T) {
	g := gateOf(t)
	open := gateOf(t, func(o *GateOptions) { o.Authorizer = nil })
	for _, tc := range []struct {
		role                          string
		all, topic, topicWithoutAuthz bool
	}{{"root", true, true, true}, {"reader", false, true, false}, {"writer", false, true, false}, {"nobody", false, false, false}} {
		if role, err := g.AdmitSuperUser(t.Context(), withToken(tc.role)); (err == nil) != tc.all || err == nil && role != tc.role {
			t.Errorf("%s: %v", tc.role, err)
		}
		if err := g.AdmitViewer(t.Context(), withToken(tc.role), named(topicT)[0]); (err == nil) != tc.topic {
			t.Errorf("%s: %v", tc.role, err)
		}
		if err := open.AdmitViewer(t.Context(), withToken(tc.role), named(topicT)[0]); (err == nil) != tc.topicWithoutAuthz {
			t.Errorf("%s without authorization: %v", tc.role, err)
		}
	}
	if err := g.AdmitViewer(t.Context(), &Request{}, named(topicT)[0]); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
}

// limitedGate lets three failures a minute pass, by a clock that the test moves.
func limitedGate(t *testing.T) (g *Gate, now *time.Time) {
	g = gateOf(t, func(o *GateOptions) { o.MaxFailures, o.Authorizer = 3, nil })
	now = new(time.Now())
	g.failures.now = func() time.Time { return *now }
	return g, now
}

// login tries to open a session from an address and returns the kind of the refusal, nil if there is none.
func (g *Gate) login(t *testing.T, address, authorization string) error {
	t.Helper()
	_, err := g.Admit(t.Context(), &Request{Authorization: authorization, Address: netip.MustParseAddr(address)}, Access{Action: Produce, Topics: named(topicT)})
	no := (*Refusal)(nil)
	if err != nil && !errors.As(err, &no) {
		t.Fatal(err)
	}
	if no == nil {
		return nil
	}
	return no.Kind
}

func TestForgedTokensAreLimited(t *testing.T) {
	g, now := limitedGate(t)
	want := func(address, authorization string, kind error) {
		t.Helper()
		if got := g.login(t, address, authorization); got != kind {
			t.Errorf("%s from %s: %v, want %v", authorization, address, got, kind)
		}
	}
	right := withToken("both").Authorization
	expired := withToken("both", "exp", 5).Authorization
	for range 10 { // none of them guesses
		want("192.0.2.1", "", ErrUnauthenticated)
		want("192.0.2.1", expired, ErrUnauthenticated)
		want("192.0.2.1", "Digest x", ErrUnauthenticated)
	}
	for range 3 {
		want("192.0.2.1", "Bearer x", ErrUnauthenticated)
	}
	for _, address := range []string{"192.0.2.1", "::ffff:192.0.2.1"} {
		want(address, "Bearer x", ErrTooMany)
		want(address, "Bearer y", ErrTooMany)
		want(address, right, nil)
		want(address, withToken("root").Authorization, nil)
		want(address, expired, ErrUnauthenticated)
		want(address, basicAuth("alice:secret").Authorization, nil)
	}
	want("192.0.2.2", "Bearer x", ErrUnauthenticated)
	for range 3 {
		want("2001:db8::1", "Bearer x", ErrUnauthenticated)
	}
	want("2001:db8::2", "Bearer x", ErrTooMany)
	*now = now.Add(2 * throttleWindow)
	want("192.0.2.1", "Bearer x", ErrUnauthenticated)
}

// The passwords of a user are not looked at any more where too many were wrong;
// others there, and that user elsewhere, do not notice.
func TestWrongPasswordsAreLimited(t *testing.T) {
	g, now := limitedGate(t)
	want := func(address, userPassword string, kind error) {
		t.Helper()
		if got := g.login(t, address, basicAuth(userPassword).Authorization); got != kind {
			t.Errorf("%s from %s: %v, want %v", userPassword, address, got, kind)
		}
	}
	for range 3 {
		want("192.0.2.1", "alice:guess", ErrUnauthenticated)
	}
	for range 3 {
		want("192.0.2.1", "nobody:guess", ErrTooMany) // looked at and wrong, like very many from there
	}
	want("192.0.2.1", "alice:secret", ErrTooMany)
	want("192.0.2.1", "nobody:secret", ErrTooMany)
	want("192.0.2.2", "alice:secret", nil)
	want("192.0.2.1", "alice:secret", nil) // it was right already
	want("192.0.2.1", "alice:other", ErrTooMany)
	want("192.0.2.3", "alice:guess", ErrUnauthenticated)
	*now = now.Add(2 * throttleWindow)
	want("192.0.2.1", "alice:guess", ErrUnauthenticated)
}

// A session goes on when its client renews its token, whoever else is at its address.
func TestRenewalAmongFailures(t *testing.T) {
	g, _ := limitedGate(t)
	a := netip.MustParseAddr("192.0.2.1")
	grant, err := g.Admit(t.Context(), withToken("both"), Access{Action: Produce, Topics: named(topicT)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release(grant)
	for range 10 {
		_ = g.login(t, "192.0.2.1", "Bearer x")
	}
	if _, err := g.Renew(t.Context(), grant, "token", sign(jwt.SigningMethodHS256, secret, "sub", "both", "x", 1), a); err != nil {
		t.Error(err)
	}
	if _, err := g.AdmitSuperUser(t.Context(), withToken("root")); err != nil {
		t.Error(err)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle(3)
	a := netip.MustParseAddr("10.0.0.0")
	for range 2 * maxSources {
		th.failed(th.source(a, ""))
		th.failed(th.source(a, a.String()))
		a = a.Next()
	}
	if n := len(th.count) + len(th.before); n > 2*maxSources {
		t.Errorf("%d sources", n)
	}
}

// roleBook notes what a gate says of roles.
type roleBook struct {
	refusal error
	said    []string
}

func (b *roleBook) note(what, role string, k Credentials) {
	b.said = append(b.said, what+" "+role+" "+k.Method+" "+k.Data)
}

func (b *roleBook) Hold(role string, k Credentials) error {
	b.note("hold", role, k)
	return b.refusal
}

func (b *roleBook) Renew(role string, k Credentials) { b.note("renew", role, k) }
func (b *roleBook) Release(role string)              { b.note("release", role, Credentials{}) }

// The brokers are told of each session's role, with what its client has shown.
func TestPrincipalsAreTold(t *testing.T) {
	b := &roleBook{}
	g := gateOf(t, func(o *GateOptions) { o.Principals, o.Authorizer = b, nil })
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	first, second := withToken("alice", "exp", exp.Unix()), withToken("alice")
	token := func(r *Request) string { return strings.TrimPrefix(r.Authorization, "Bearer ") }
	k := first.credentials(&Principal{Method: MethodToken, Expires: exp})
	if k.Data != token(first) || k.Expires != exp {
		t.Errorf("%+v", k)
	}
	grant, err := g.Admit(t.Context(), first, Access{})
	if err != nil || !grant.Told {
		t.Fatalf("%+v, %v", grant, err)
	}
	if _, err := g.Renew(t.Context(), grant, MethodToken, "Bearer "+token(second), netip.Addr{}); err != nil {
		t.Error(err)
	}
	if _, err := g.Renew(t.Context(), grant, MethodToken, token(withToken("bob")), netip.Addr{}); err == nil {
		t.Error("a token of another role counts")
	}
	g.Release(grant)
	user := &Request{Authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:wonder")), Address: first.Address}
	if k := user.credentials(&Principal{Role: "alice", Method: MethodBasic}); k.Data != "alice:wonder" || k.Method != MethodBasic {
		t.Errorf("%+v", k)
	}
	if k := (&Request{}).credentials(&Principal{Role: "guest"}); k != (Credentials{}) {
		t.Errorf("%+v", k)
	}
	b.refusal = &Refusal{Kind: ErrTooManyRoles}
	if _, err := g.Admit(t.Context(), first, Access{}); !errors.Is(err, ErrTooManyRoles) {
		t.Error(err)
	}
	if _, err := g.Admit(t.Context(), &Request{}, Access{}); err == nil {
		t.Error("who shows nothing is let in")
	}
	want := []string{"hold alice token " + token(first), "renew alice token " + token(second), "release alice  ", "hold alice token " + token(first)}
	if !slices.Equal(b.said, want) {
		t.Errorf("said %q, not %q", b.said, want)
	}
}
