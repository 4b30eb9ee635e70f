package auth

import "maps"

// Rules are what of the options may change while sessions are open.
type Rules struct {
	Authenticator *Authenticator
	SuperUsers    []string
	Wildcards     bool // see [AuthorizerOptions]
	MaxFailures   int
}

// rules are what a gate goes by now. A snapshot is never changed.
type rules struct {
	authenticator *Authenticator
	superUsers    map[string]bool
}

// powers are what an authorizer goes by besides the policies. A snapshot is never
// changed.
type powers struct {
	superUsers map[string]bool
	wildcards  bool
}

// Apply makes other rules count: for who comes, and what permissions are concerned
// also for who is there. Who has logged in stays logged in. Only one goroutine may
// call it. The authenticator that counted before is closed.
func (g *Gate) Apply(r Rules) {
	r.Authenticator.inherit(g.rules.Load().authenticator)
	before := g.rules.Swap(&rules{r.Authenticator, setOf(r.SuperUsers)})
	before.authenticator.Close()
	g.failures.most.Store(int64(r.MaxFailures))
	if a := g.o.Authorizer; a != nil {
		a.apply(&powers{setOf(r.SuperUsers), r.Wildcards})
	}
}

func (a *Authorizer) apply(now *powers) {
	before := a.powers.Swap(now)
	if !maps.Equal(before.superUsers, now.superUsers) || before.wildcards != now.wildcards {
		a.generation.Add(1)
	}
}

func (a *Authorizer) isSuper(role string) bool { return a.powers.Load().superUsers[role] }

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
