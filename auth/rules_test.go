package auth

import (
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Another key counts for who comes, and leaves who is there.
func TestRulesChangeTheKey(t *testing.T) {
	g := gateOf(t)
	access := Access{Action: Produce, Topics: named(topicT)}
	grant, err := g.Admit(t.Context(), withToken("both"), access)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release(grant)
	other := []byte("another secret of more than 32 bytes")
	a, err := NewAuthenticator(AuthenticatorOptions{Methods: []string{MethodToken}, Token: TokenOptions{SecretKey: dataURL(other), AuthClaim: "sub"}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	g.Apply(Rules{Authenticator: a, SuperUsers: []string{"root"}})
	if _, err := g.Admit(t.Context(), withToken("both"), access); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("with the old key: %v", err)
	}
	r := withToken("both")
	r.Authorization = "Bearer " + sign(jwt.SigningMethodHS256, other, "sub", "both")
	again, err := g.Admit(t.Context(), r, access)
	if err != nil {
		t.Fatal(err)
	}
	g.Release(again)
	if no := g.Recheck(grant); no != nil {
		t.Error(no)
	}
}

// A super-user who is none any more has the permissions of its role, in sessions
// that are open, too; and what they depend on is let go with them.
func TestRulesTakeAwayThePowers(t *testing.T) {
	a, _ := authorizer(t, func(o *AuthorizerOptions) { o.TTL, o.SuperUsers = 40*time.Millisecond, []string{"root", "both"} })
	g := gateOf(t, func(o *GateOptions) { o.Authorizer, o.SuperUsers = a, []string{"root", "both"} })
	access := Access{Action: Produce, Topics: named(topicT)}
	var grants []*Grant
	for _, role := range []string{"root", "both"} {
		grant, err := g.Admit(t.Context(), withToken(role), access)
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, grant)
	}
	before := g.Generation()
	g.Apply(Rules{Authenticator: g.rules.Load().authenticator, SuperUsers: []string{"root", "both"}})
	if g.Generation() != before {
		t.Error("nothing has changed, and all sessions are looked at")
	}
	g.Apply(Rules{Authenticator: g.rules.Load().authenticator})
	if g.Generation() == before {
		t.Fatal("open sessions are not looked at again")
	}
	eventually(t, "root has lost its session", func() bool { return g.Recheck(grants[0]) != nil })
	if no := g.Recheck(grants[1]); no != nil {
		t.Errorf("who may do it all the same: %v", no)
	}
	a.namespaces.mu.Lock()
	if n := a.namespaces.entries["public/default"].holders; n != 2 {
		t.Errorf("%d sessions are told of changes", n)
	}
	a.namespaces.mu.Unlock()
	if _, err := g.AdmitSuperUser(t.Context(), withToken("root")); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	for _, grant := range grants {
		g.Release(grant)
	}
	eventually(t, "nothing is held", func() bool {
		a.namespaces.mu.Lock()
		defer a.namespaces.mu.Unlock()
		return len(a.namespaces.entries) == 0
	})
}

func TestRulesChangeTheBoundOfFailures(t *testing.T) {
	th := newThrottle(0)
	s := source{user: 1}
	th.failed(s)
	th.most.Store(1)
	if th.often(s) {
		t.Error("what was not counted counts")
	}
	if th.failed(s); !th.often(s) {
		t.Error("not counted")
	}
}
