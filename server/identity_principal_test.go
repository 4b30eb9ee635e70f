package server

import (
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/operator"
)

// roleCount is told of roles, and takes so many sessions at a time.
type roleCount struct{ left atomic.Int32 }

func (r *roleCount) Hold(string, auth.Credentials) error {
	if r.left.Add(-1) < 0 {
		r.left.Add(1)
		return &auth.Refusal{Kind: auth.ErrTooManyRoles, Reason: "no more"}
	}
	return nil
}
func (r *roleCount) Renew(string, auth.Credentials) {}
func (r *roleCount) Release(string)                 { r.left.Add(1) }

// Where brokers are told of roles, whatever a session asks for is on behalf of its client's role.
func TestSessionsAreOnBehalfOfTheirRoles(t *testing.T) {
	b := echoBridge()
	principal := func() string {
		o := receive(t, b.opens, "an opening")
		return o.producer.Principal + o.consumer.Principal + o.reader.Principal
	}
	count := &roleCount{}
	count.left.Store(3)
	s, _ := guarded(t, b, 0, func(o *Options) { o.Gate = told(t, count) })
	for _, path := range []string{producerPath, consumerPath("s"), "/ws/v2/reader/persistent/public/default/t"} {
		openWith(t, s, path, bearerOf("both"))
		if got := principal(); got != "both" {
			t.Errorf("%s is on behalf of %q", path, got)
		}
	}
	if _, status := openWith(t, s, producerPath, bearerOf("both")); status != http.StatusServiceUnavailable {
		t.Errorf("one role too many: status %d", status)
	}
	plain, _ := guarded(t, b, 0)
	openWith(t, plain, producerPath, bearerOf("both"))
	if got := principal(); got != "" {
		t.Errorf("on behalf of %q", got)
	}
}

// A role is let go of when its session ends, and when it was never opened.
func TestRolesAreLetGo(t *testing.T) {
	count := &roleCount{}
	count.left.Store(1)
	s, _ := guarded(t, echoBridge(), 0, func(o *Options) { o.Gate = told(t, count) })
	for range 3 {
		c, status := openWith(t, s, producerPath, bearerOf("both"))
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", status)
		}
		_ = c.Close()
		eventually(t, "the role to be let go", func() bool { return count.left.Load() == 1 })
	}
}

// told is a gate that tells of roles.
func told(t *testing.T, to auth.Principals) *auth.Gate {
	t.Helper()
	return auth.NewGate(auth.GateOptions{Authenticator: tokens(t), Principals: to, Logger: slog.New(slog.DiscardHandler)})
}

// roleBridge has a client on behalf of a role.
type roleBridge struct{ Bridge }

func (roleBridge) Clients(visit func(*bridge.ClientInfo) bool) {
	visit(&bridge.ClientInfo{Principal: "alice"})
}

// An operator sees on whose behalf a client is.
func TestClientsByRole(t *testing.T) {
	var roles []string
	start(t, roleBridge{echoBridge()}).Clients(func(c *operator.Client) bool {
		roles = append(roles, c.Role)
		return true
	})
	if !slices.Equal(roles, []string{"alice"}) {
		t.Errorf("roles: %q", roles)
	}
}
