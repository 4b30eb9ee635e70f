package auth

import (
	"errors"
	"net/netip"
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
	access := Access{Action: Produce, Topics: []string{topicT}}
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
	grant, err := g.Admit(t.Context(), withToken("both", "exp", time.Now().Add(time.Hour).Unix()), Access{Action: Produce, Topics: []string{topicT}})
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
		if err := g.AdmitSuperUser(t.Context(), withToken(tc.role)); (err == nil) != tc.all {
			t.Errorf("%s: %v", tc.role, err)
		}
		if err := g.AdmitViewer(t.Context(), withToken(tc.role), topicT); (err == nil) != tc.topic {
			t.Errorf("%s: %v", tc.role, err)
		}
		if err := open.AdmitViewer(t.Context(), withToken(tc.role), topicT); (err == nil) != tc.topicWithoutAuthz {
			t.Errorf("%s without authorization: %v", tc.role, err)
		}
	}
	if err := g.AdmitViewer(t.Context(), &Request{}, topicT); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
}

func TestFailedLoginsAreLimited(t *testing.T) {
	g := gateOf(t, func(o *GateOptions) { o.MaxFailures = 3 })
	now := time.Now()
	g.failures.now = func() time.Time { return now }
	access := Access{Action: Produce, Topics: []string{topicT}}
	from := func(address, authorization string) error {
		grant, err := g.Admit(t.Context(), &Request{Authorization: authorization, Address: netip.MustParseAddr(address)}, access)
		if err == nil {
			g.Release(grant)
		}
		return err
	}
	right := withToken("both").Authorization
	for range 10 { // showing nothing is no guess
		if err := from("192.0.2.1", ""); !errors.Is(err, ErrUnauthenticated) {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := from("192.0.2.1", "Bearer x"); !errors.Is(err, ErrUnauthenticated) {
			t.Fatal(err)
		}
	}
	if err := from("192.0.2.1", right); !errors.Is(err, ErrTooMany) {
		t.Errorf("not limited: %v", err)
	}
	if err := from("::ffff:192.0.2.1", right); !errors.Is(err, ErrTooMany) {
		t.Errorf("the same address in another form: %v", err)
	}
	if err := from("192.0.2.2", right); err != nil {
		t.Errorf("another address: %v", err)
	}
	for range 3 {
		_ = from("2001:db8::1", "Bearer x")
	}
	if err := from("2001:db8::2", right); !errors.Is(err, ErrTooMany) {
		t.Errorf("the same network: %v", err)
	}
	now = now.Add(2 * throttleWindow)
	if err := from("192.0.2.1", right); err != nil {
		t.Errorf("still limited: %v", err)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	th := newThrottle(3)
	a := netip.MustParseAddr("10.0.0.0")
	for range 3 * maxAddresses {
		th.failed(a)
		a = a.Next()
	}
	if n := len(th.count) + len(th.before); n > 2*maxAddresses {
		t.Errorf("%d addresses", n)
	}
}
