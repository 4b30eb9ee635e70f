package auth

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/topic"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; none is expected to use it up.
const patience = 20 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// fakeAPI answers from texts, by path.
type fakeAPI struct {
	mu    sync.Mutex
	pages map[string]string
	fault error
	asked map[string]int
	gate  chan struct{} // if set, each question takes one
}

func (f *fakeAPI) AdminGet(ctx context.Context, path string, out any) (bool, error) {
	f.mu.Lock()
	f.asked[path]++
	page, ok := f.pages[path]
	fault, gate := f.fault, f.gate
	f.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if fault != nil || !ok {
		return false, fault
	}
	return true, json.Unmarshal([]byte(page), out)
}

func (f *fakeAPI) set(change func(*fakeAPI)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeAPI) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

const (
	nsPath     = "/admin/v2/namespaces/public/default"
	tenantPath = "/admin/v2/tenants/public"
)

var world = map[string]string{
	nsPath: `{"auth_policies":{
		"namespace_auth":{"both":["produce","consume"],"reader":["consume"],"writer":["produce","functions"],"app-*":["consume"],"*-tool":["produce"],"":["produce"]},
		"destination_auth":{"persistent://public/default/t":{"topical":["produce","consume"],"sub-*":["consume"]},"persistent://public/default/p":{"parts":["consume"]}},
		"subscription_auth_roles":{"private":["reader","topical"],"empty":[]}},
		"subscription_auth_mode":"None","replication_clusters":["c"]}`,
	"/admin/v2/namespaces/public/prefix": `{"auth_policies":{"namespace_auth":{"me":["consume"]}},"subscription_auth_mode":"Prefix"}`,
	"/admin/namespaces/prop/c1/ns":       `{"auth_policies":{"namespace_auth":{"me":["consume"]}}}`,
	"/admin/namespaces/prop/c2/ns":       `{"auth_policies":{"namespace_auth":{"me":["consume"]}}}`,
	"/admin/namespaces/prop/global/ns":   `{"auth_policies":{"namespace_auth":{"me":["consume"]}}}`,
	tenantPath:                           `{"adminRoles":["boss"],"allowedClusters":["c"]}`,
}

func authorizer(t *testing.T, change ...func(*AuthorizerOptions)) (*Authorizer, *fakeAPI) {
	t.Helper()
	api := &fakeAPI{pages: maps.Clone(world), asked: map[string]int{}}
	o := AuthorizerOptions{SuperUsers: []string{"root"}, Cluster: "c1", API: api, TTL: time.Hour, Logger: quiet}
	for _, f := range change {
		f(&o)
	}
	a := NewAuthorizer(o)
	t.Cleanup(a.Close)
	return a, api
}

const topicT = "persistent://public/default/t"

// named takes full names apart; one that is not valid stays so.
func named(full ...string) (names []topic.Name) {
	for _, f := range full {
		name, _ := topic.Parse(f)
		names = append(names, name)
	}
	return names
}

func TestRules(t *testing.T) {
	wild, _ := authorizer(t, func(o *AuthorizerOptions) { o.Wildcards = true })
	plain, _ := authorizer(t)
	produce := func(topic string) Access { return Access{Action: Produce, Topics: named(topic)} }
	consume := func(topic, sub string) Access {
		return Access{Action: Consume, Topics: named(topic), Subscription: sub}
	}
	pattern := func(p string) Access { return Access{Action: Consume, Pattern: &named(p)[0], Subscription: "s"} }
	for _, tc := range []struct {
		role        string
		access      Access
		plain, wild bool
		says        string
	}{
		{"root", produce("persistent://no/such/topic"), true, true, ""},
		{"boss", produce(topicT), true, true, ""},
		{"boss", consume(topicT, "private"), true, true, ""},
		{"boss", produce("persistent://other/default/t"), false, false, "permission to produce"},
		{"both", produce(topicT), true, true, ""},
		{"both", consume(topicT, "s"), true, true, ""},
		{"reader", produce(topicT), false, false, "permission to produce to persistent://public/default/t"},
		{"reader", consume(topicT, "s"), true, true, ""},
		{"writer", consume(topicT, ""), false, false, "permission to consume"},
		{"writer", produce("non-persistent://public/default/other"), true, true, ""},
		{"nobody", produce(topicT), false, false, "permission"},
		{"", produce(topicT), true, true, ""}, // never reached: a role is never empty
		{"topical", consume(topicT, "s"), true, true, ""},
		{"topical", consume("persistent://public/default/u", "s"), false, false, "permission"},
		{"topical", pattern(topicT), false, false, "permission"}, // other topics may match
		{"parts", pattern("persistent://public/default/p-partition-3"), false, false, "permission"},
		{"reader", Access{Action: Consume, Pattern: &named(topicT)[0], Subscription: "s", DeadLetterTopics: named("persistent://public/default/dead")}, false, false, "permission to produce"},
		{"parts", consume("persistent://public/default/p-partition-3", "s"), true, true, ""},
		{"parts", consume("persistent://public/default/p-partition-x", "s"), false, false, "permission"},
		{"parts", consume("persistent://public/default/p-partition-007", "s"), false, false, "permission"},
		{"parts", consume("persistent://public/default/p-partition-+3", "s"), false, false, "permission"},
		{"parts", consume("persistent://public/default/p-partition-99999999999", "s"), false, false, "permission"},
		{"app-7", consume(topicT, "s"), false, true, ""},
		{"app-7", produce(topicT), false, false, "permission"},
		{"my-tool", produce(topicT), false, true, ""},
		{"my-tools", produce(topicT), false, false, "permission"},
		{"sub-1", consume(topicT, "s"), false, true, ""},
		{"both", consume(topicT, "private"), false, false, "restricted to other roles"},
		{"reader", consume(topicT, "private"), true, true, ""},
		{"both", consume(topicT, "empty"), true, true, ""},
		{"me", consume("persistent://public/prefix/t", "me-1"), true, true, ""},
		{"me", consume("persistent://public/prefix/t", "my-1"), false, false, "must start with the role"},
		{"me", consume("persistent://public/prefix/t", ""), true, true, ""}, // a reader
		{"me", consume("persistent://prop/c1/ns/t", "s"), true, true, ""},
		{"me", consume("persistent://prop/c2/ns/t", "s"), false, false, "permission"},
		{"me", consume("persistent://prop/global/ns/t", "s"), true, true, ""},
		{"reader", consume("persistent://no/such/t", "s"), false, false, "permission"},
		{"reader", consume("nonsense", "s"), false, false, "not valid"},
		{"reader", pattern("persistent://public/default/.*"), true, true, ""},
		{"topical", pattern("persistent://public/default/t.*"), false, false, "permission"},
		{"reader", Access{Action: Consume, Topics: named(topicT, "persistent://public/prefix/t"), Subscription: "s"}, false, false, "must start"},
		{"reader", Access{Action: Consume, Topics: named(topicT), Subscription: "s", DeadLetterTopics: named("persistent://public/default/d")}, false, false, "permission to produce to persistent://public/default/d"},
		{"reader", Access{Action: Consume, Pattern: &named(topicT)[0], Subscription: "s", DeadLetterPattern: &named(topicT + "-s-DLQ")[0]}, false, false, "permission to produce to " + topicT + "-s-DLQ"},
		{"both", Access{Action: Consume, Pattern: &named(topicT)[0], Subscription: "s", DeadLetterPattern: &named(topicT + "-s-DLQ")[0]}, true, true, ""},
		{"both", Access{Action: Consume, Topics: named(topicT), Subscription: "s", DeadLetterTopics: named("persistent://public/default/d")}, true, true, ""},
	} {
		for i, a := range []*Authorizer{plain, wild} {
			err := a.authorize(t.Context(), tc.role, &tc.access)
			want := []bool{tc.plain, tc.wild}[i]
			if (err == nil) != want {
				t.Errorf("%s on %+v, wildcards %v: %v", tc.role, tc.access, i == 1, err)
			} else if err != nil && tc.says != "" {
				wantRefused(t, tc.role, err, ErrForbidden, tc.says)
			}
		}
	}
}

// Policies are asked for once, by however many at the same time.
func TestOneQuestionForMany(t *testing.T) {
	a, api := authorizer(t)
	api.set(func(f *fakeAPI) { f.gate = make(chan struct{}) })
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := a.authorize(t.Context(), "both", &Access{Action: Produce, Topics: named(topicT)}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "it asks", func() bool { return api.count(nsPath) == 1 })
	close(api.gate)
	wg.Wait()
	if n := api.count(nsPath); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// What was refused on knowledge of a while ago is asked again.
func TestGrantCountsAtOnce(t *testing.T) {
	a, api := authorizer(t)
	access := &Access{Action: Produce, Topics: named(topicT)}
	if err := a.authorize(t.Context(), "new", access); !errors.Is(err, ErrForbidden) {
		t.Fatal(err)
	}
	api.set(func(f *fakeAPI) { f.pages[nsPath] = `{"auth_policies":{"namespace_auth":{"new":["produce"]}}}` })
	eventually(t, "the grant counts", func() bool { return a.authorize(t.Context(), "new", access) == nil })
}

func TestUnknownIsRefused(t *testing.T) {
	a, api := authorizer(t)
	api.set(func(f *fakeAPI) { f.fault = errors.New("connection refused") })
	for _, role := range []string{"both", "nobody"} {
		err := a.authorize(t.Context(), role, &Access{Action: Produce, Topics: named(topicT)})
		wantRefused(t, role, err, ErrUnknown, "cannot be read")
		if no := (*Refusal)(nil); errors.As(err, &no) && strings.Contains(no.Reason, "refused") {
			t.Errorf("the reason tells too much: %s", no.Reason)
		}
	}
	if err := a.authorize(t.Context(), "root", &Access{Action: Produce, Topics: named(topicT)}); err != nil {
		t.Errorf("a super-user is refused: %v", err)
	}
	// The client that has left does not wait.
	api.set(func(f *fakeAPI) { f.fault, f.gate = nil, make(chan struct{}) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	eventually(t, "the pause after a failure is over", func() bool {
		return errors.Is(a.authorize(ctx, "both", &Access{Action: Produce, Topics: named(topicT)}), ErrUnknown) && api.count(nsPath) > 1
	})
}

// Open sessions are told when something they depend on has changed, and only then.
func TestRevocation(t *testing.T) {
	a, api := authorizer(t, func(o *AuthorizerOptions) { o.TTL = 40 * time.Millisecond })
	access := &Access{Action: Produce, Topics: named(topicT)}
	if err := a.authorize(t.Context(), "both", access); err != nil {
		t.Fatal(err)
	}
	a.hold(access)
	before := a.generation.Load()
	eventually(t, "it is kept fresh", func() bool { return api.count(nsPath) > 3 })
	if a.generation.Load() != before || a.reauthorize("both", access) != nil {
		t.Fatal("nothing has changed")
	}
	api.set(func(f *fakeAPI) { f.fault = errors.New("down") })
	n := api.count(nsPath)
	eventually(t, "it asks in vain", func() bool { return api.count(nsPath) > n })
	if a.reauthorize("both", access) != nil {
		t.Fatal("a session is ended because the broker is down")
	}
	api.set(func(f *fakeAPI) {
		f.fault = nil
		f.pages[nsPath] = `{"auth_policies":{"namespace_auth":{"both":["consume"]}}}`
	})
	eventually(t, "the change is told", func() bool { return a.generation.Load() != before })
	// That the role is no tenant's admin either has to be asked for first.
	eventually(t, "the permission is gone", func() bool { return a.reauthorize("both", access) != nil })
	a.release(access)
	eventually(t, "what nobody holds is forgotten", func() bool {
		a.namespaces.mu.Lock()
		defer a.namespaces.mu.Unlock()
		return len(a.namespaces.entries) == 0
	})
}

// A tenant's admin who is one no more loses the session, too.
func TestRevocationOfATenantAdmin(t *testing.T) {
	a, api := authorizer(t, func(o *AuthorizerOptions) { o.TTL = 40 * time.Millisecond })
	access := &Access{Action: Produce, Topics: named(topicT)}
	if err := a.authorize(t.Context(), "boss", access); err != nil {
		t.Fatal(err)
	}
	a.hold(access)
	defer a.release(access)
	api.set(func(f *fakeAPI) { f.pages[tenantPath] = `{"adminRoles":[]}` })
	eventually(t, "the permission is gone", func() bool { return a.reauthorize("boss", access) != nil })
}

func TestCacheIsBounded(t *testing.T) {
	a, _ := authorizer(t)
	held := &Access{Action: Produce, Topics: named(topicT)}
	if err := a.authorize(t.Context(), "both", held); err != nil {
		t.Fatal(err)
	}
	a.hold(held)
	defer a.release(held)
	for i := range maxEntries + 100 {
		name := "persistent://x/" + strings.Repeat("n", i%50) + time.Duration(i).String() + "/t"
		_ = a.authorize(t.Context(), "nobody", &Access{Action: Produce, Topics: named(name)})
	}
	a.namespaces.mu.Lock()
	defer a.namespaces.mu.Unlock()
	if n := len(a.namespaces.entries); n > maxEntries {
		t.Errorf("%d entries", n)
	}
	if e := a.namespaces.entries["public/default"]; e == nil || !e.known {
		t.Error("what a session holds was evicted")
	}
}
