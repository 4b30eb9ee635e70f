package auth

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsegate/pulsegate/topic"
)

// Access is what a session wants to do. It is not changed once made.
//
// Its names are those that are opened if the session may: nothing here reads a name. One that
// is not valid is for super-users alone, whom the broker answers.
type Access struct {
	Action Action
	Topics []topic.Name
	// Pattern, instead of Topics, is the full name of topics with a regular
	// expression as its last part; nil: there is none.
	Pattern *topic.Name
	// Subscription is a consumer's; "" for producers and readers.
	Subscription string
	// DeadLetterTopics are the topics that messages of this session may be published to.
	DeadLetterTopics []topic.Name
	// DeadLetterPattern, instead of DeadLetterTopics, is as Pattern.
	DeadLetterPattern *topic.Name
}

// AuthorizerOptions say who may do what.
type AuthorizerOptions struct {
	SuperUsers []string // roles that may do everything
	Wildcards  bool     // a * first or last in a permitted role stands for any text
	// Cluster is the cluster's name: on topics that name a cluster themselves,
	// which the first version of the API had, only it and "global" are allowed.
	// "": any.
	Cluster string
	// API answers for all other roles; nil: they may do nothing.
	API API
	// TTL bounds how long policies are kept: permissions that are taken away are
	// gone at the latest then.
	TTL    time.Duration
	Logger *slog.Logger // slog.Default() if nil
}

// Authorizer knows what a role may do. Its methods may be called from any
// goroutine; of them only authorize may wait.
//
// One goroutine keeps fresh what open sessions depend on, and short-lived ones,
// a bounded number of them, ask the admin API. Close ends them.
type Authorizer struct {
	o          AuthorizerOptions
	powers     atomic.Pointer[powers] // of the options those that may change
	namespaces *cache[*policies]
	tenants    *cache[*tenant]
	generation atomic.Uint64
	warned     atomic.Int64 // when a failure was logged last, in seconds

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// NewAuthorizer asks nobody yet.
func NewAuthorizer(o AuthorizerOptions) *Authorizer {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.API == nil {
		o.API = noAPI{}
	}
	a := &Authorizer{o: o}
	a.powers.Store(&powers{setOf(o.SuperUsers), o.Wildcards})
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	a.namespaces = newCache(ctx, &a.work, o.TTL, readPolicies(o.API))
	a.tenants = newCache(ctx, &a.work, o.TTL, readTenant(o.API))
	changed := func() { a.generation.Add(1) }
	a.namespaces.changed, a.tenants.changed = changed, changed
	a.namespaces.failed, a.tenants.failed = a.warn, a.warn
	a.work.Go(func() { a.sweep(ctx) })
	return a
}

// noAPI knows no namespace and no tenant.
type noAPI struct{}

func (noAPI) AdminGet(context.Context, string, any) (bool, error) { return false, nil }

// Close ends the goroutines. What is asked afterwards is unknown.
func (a *Authorizer) Close() {
	a.cancel()
	a.work.Wait()
}

func (a *Authorizer) sweep(ctx context.Context) {
	tick := time.NewTicker(max(a.o.TTL/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			a.namespaces.sweep(now)
			a.tenants.sweep(now)
		}
	}
}

const warnPause = 10 // seconds

// warn says at most once in a while that the admin API does not answer.
func (a *Authorizer) warn(what string, err error) {
	now, last := time.Now().Unix(), a.warned.Load()
	if now-last >= warnPause && a.warned.CompareAndSwap(last, now) {
		a.o.Logger.Warn("cannot read who may do what: new sessions are refused with 503, open ones stay. The gateway's own role has to be a super-user of the brokers",
			"of", what, "error", err)
	}
}

// fresh is how old policies may be that refuse someone: what was granted a
// moment ago counts at once.
const fresh = time.Second

// authorize returns nil, or a [*Refusal] of kind [ErrForbidden] or [ErrUnknown].
func (a *Authorizer) authorize(ctx context.Context, role string, access *Access) error {
	refusal := a.decide(role, access, a.asking(ctx, a.o.TTL))
	if refusal == nil {
		return nil
	}
	if refusal.Kind == ErrForbidden && a.o.TTL > fresh {
		if again := a.decide(role, access, a.asking(ctx, fresh)); again == nil {
			return nil
		}
	}
	return refusal
}

// reauthorize is authorize for an open session: it does not wait, and what is
// not known is nil.
func (a *Authorizer) reauthorize(role string, access *Access) *Refusal {
	refusal := a.decide(role, access, a.peeking())
	if refusal != nil && refusal.Kind == ErrForbidden {
		return refusal
	}
	return nil
}

// knowledge is where a decision takes its facts from.
type knowledge struct {
	namespace func(string) (*policies, error)
	tenant    func(string) (*tenant, error)
}

func (a *Authorizer) asking(ctx context.Context, maxAge time.Duration) knowledge {
	return knowledge{
		func(name string) (*policies, error) { return a.namespaces.get(ctx, name, maxAge) },
		func(name string) (*tenant, error) { return a.tenants.get(ctx, name, maxAge) },
	}
}

func (a *Authorizer) peeking() knowledge {
	return knowledge{
		func(name string) (*policies, error) { return known(a.namespaces.peek(name)) },
		func(name string) (*tenant, error) { return known(a.tenants.peek(name)) },
	}
}

func known[V any](v V, ok bool) (V, error) {
	if !ok {
		return v, ErrUnknown
	}
	return v, nil
}

// decide applies Pulsar's rules to each topic of a session.
func (a *Authorizer) decide(role string, access *Access, k knowledge) *Refusal {
	if a.isSuper(role) {
		return nil
	}
	decide := func(action Action, name topic.Name, subscription string, pattern bool) *Refusal {
		if !name.Valid() {
			return &Refusal{Kind: ErrForbidden, Reason: "the topic is not valid"}
		}
		return a.decideTopic(role, action, subject{name, pattern}, subscription, k)
	}
	if access.Pattern != nil {
		if no := decide(access.Action, *access.Pattern, access.Subscription, true); no != nil {
			return no
		}
	}
	for _, name := range access.Topics {
		if no := decide(access.Action, name, access.Subscription, false); no != nil {
			return no
		}
	}
	if access.DeadLetterPattern != nil {
		if no := decide(Produce, *access.DeadLetterPattern, "", true); no != nil {
			return no
		}
	}
	for _, name := range access.DeadLetterTopics {
		if no := decide(Produce, name, "", false); no != nil {
			return no
		}
	}
	return nil
}

func (a *Authorizer) decideTopic(role string, action Action, s subject, subscription string, k knowledge) *Refusal {
	p, err := k.namespace(s.Namespace())
	if err != nil {
		return unknown(s.Namespace(), err)
	}
	reason := ""
	if p != nil {
		if reason = p.refuse(role, action, s, subscription, a.powers.Load().wildcards); reason == "" && a.ownCluster(s.Cluster()) {
			return nil
		}
	}
	t, err := k.tenant(s.Tenant())
	if err != nil {
		return unknown(s.Tenant(), err)
	}
	if t != nil && slices.Contains(t.Admins, role) {
		return nil
	}
	if reason == "" {
		reason = needs(action, s.String())
	}
	return &Refusal{Kind: ErrForbidden, Reason: reason, Cause: "role " + role}
}

func unknown(what string, err error) *Refusal {
	return &Refusal{Kind: ErrUnknown, Reason: "permissions cannot be read now", Cause: what + ": " + err.Error()}
}

// needs words a refusal. It reads the same whether or not the topic exists.
func needs(action Action, full string) string {
	if action == Produce {
		return "permission to produce to " + full + " is required"
	}
	return "permission to consume from " + full + " is required"
}

// ownCluster reports whether a name's cluster, if it has one, is this one.
func (a *Authorizer) ownCluster(cluster string) bool {
	return cluster == "" || cluster == "global" || a.o.Cluster == "" || cluster == a.o.Cluster
}

// refuse says why a role may not do something on a topic, "" if it may. A
// subscription that has roles of its own is for them alone.
func (p *policies) refuse(role string, action Action, s subject, subscription string, wildcards bool) string {
	if subscription != "" {
		if list := p.subscriptions[subscription]; len(list) > 0 && !slices.Contains(list, role) {
			return "the subscription is restricted to other roles"
		}
		if p.prefix && !strings.HasPrefix(subscription, role) {
			return "the subscription name must start with the role"
		}
	}
	lists := []roles{p.namespace}
	if !s.pattern {
		lists = append(lists, p.topics[s.String()])
		if s.Partition() != topic.NotPartitioned {
			lists = append(lists, p.topics[s.Partitioned()])
		}
	}
	for _, list := range lists {
		if list.allow(role, action, wildcards) {
			return ""
		}
	}
	return needs(action, s.String())
}

// allow reports whether the list gives a role an action, by its name or by a
// name that starts or ends with *.
func (r roles) allow(role string, action Action, wildcards bool) bool {
	if r[role]&action != 0 {
		return true
	}
	if !wildcards {
		return false
	}
	for pattern, actions := range r {
		if actions&action == 0 {
			continue
		}
		if head, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(role, head) {
			return true
		}
		if tail, ok := strings.CutPrefix(pattern, "*"); ok && strings.HasSuffix(role, tail) {
			return true
		}
	}
	return false
}

// names lists the namespaces and tenants that a decision depends on.
func (access *Access) names() (namespaces, tenants []string) {
	add := func(name topic.Name) {
		if !name.Valid() {
			return
		}
		if !slices.Contains(namespaces, name.Namespace()) {
			namespaces = append(namespaces, name.Namespace())
		}
		if !slices.Contains(tenants, name.Tenant()) {
			tenants = append(tenants, name.Tenant())
		}
	}
	for _, pattern := range []*topic.Name{access.Pattern, access.DeadLetterPattern} {
		if pattern != nil {
			add(*pattern)
		}
	}
	for _, list := range [][]topic.Name{access.Topics, access.DeadLetterTopics} {
		for _, name := range list {
			add(name)
		}
	}
	return namespaces, tenants
}

// hold keeps fresh what a session's permission depends on, until release.
func (a *Authorizer) hold(access *Access) {
	namespaces, tenants := access.names()
	for _, n := range namespaces {
		a.namespaces.hold(n, true)
	}
	for _, t := range tenants {
		a.tenants.hold(t, false) // few roles need it: what was not asked for so far is not either
	}
}

func (a *Authorizer) release(access *Access) {
	namespaces, tenants := access.names()
	for _, n := range namespaces {
		a.namespaces.release(n)
	}
	for _, t := range tenants {
		a.tenants.release(t)
	}
}
