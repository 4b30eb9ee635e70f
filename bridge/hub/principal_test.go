package hub

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

// roles sorts the principals that a kind of upstream client has, of those that are open.
func roles[T any](list []T, of func(T) string) (all []string) {
	for _, x := range list {
		all = append(all, of(x))
	}
	slices.Sort(all)
	return all
}

// Sessions share upstream clients with those of the same role only.
func TestRolesDoNotShare(t *testing.T) {
	u := &bridgetest.Upstream{Last: bridgetest.EmptyEnd}
	h := newHub(t, u, Options{Linger: time.Second})
	want := []string{"alice", "bob"}
	for range 2 {
		for _, role := range want {
			produce(t, h, bridge.ProducerSpec{Topic: topic, Principal: role})
			shared := sharedSpec
			shared.Principal = role
			consume(t, h, shared, minute)
			spec := latest()
			spec.Principal = role
			reader(t, h, spec, bridge.ReadOptions{Window: 9})
		}
	}
	// An operator sees whose each is: a producer, a subscription and a tail.
	of := map[string]int{}
	h.Clients(func(c *bridge.ClientInfo) bool {
		of[c.Principal+" "+c.Kind.String()] += c.Sessions
		return true
	})
	for _, role := range want {
		for _, kind := range []string{"producer", "consumer", "tail"} {
			if of[role+" "+kind] != 2 {
				t.Errorf("clients: %v", of)
			}
		}
	}
	u.Mu.Lock()
	defer u.Mu.Unlock()
	if got := roles(u.Producers, func(p *bridgetest.Producer) string { return p.Spec.Principal }); !slices.Equal(got, want) {
		t.Errorf("producers of %v", got)
	}
	if got := roles(u.Consumers, func(c *bridgetest.Consumer) string { return c.Spec.Principal }); !slices.Equal(got, want) {
		t.Errorf("consumers of %v", got)
	}
	if got := roles(u.Readers, func(c *bridgetest.Consumer) string { return c.ReaderSpec.Principal }); !slices.Equal(got, want) {
		t.Errorf("readers of %v", got)
	}
}

// A session that consumes or reads ends when its role has lost its permission: the client is told why.
func TestSessionOfARoleThatIsDenied(t *testing.T) {
	u := &bridgetest.Upstream{Last: bridgetest.EmptyEnd}
	h := newHub(t, u, Options{})
	c, r := consume(t, h, sharedSpec, minute), reader(t, h, latest(), bridge.ReadOptions{Window: 9})
	u.Consumers[0].Receiver.Lost(&bridge.Error{Kind: bridge.ErrForbidden, Detail: "alice may not"})
	u.Readers[0].Receiver.Lost(&bridge.Error{Kind: bridge.ErrUnauthorized, Detail: "alice is not known"})
	for o, want := range map[*bridgetest.Outlet]codec.Code{c: codec.CodeAuthorize, r: codec.CodeAuthenticate} {
		o.Mu.Lock()
		if o.Code != want || !strings.Contains(o.Ended, "alice") {
			t.Errorf("ended with %v: %s", o.Code, o.Ended)
		}
		o.Mu.Unlock()
	}
}
