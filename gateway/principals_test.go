package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/embedded"
	upstream "github.com/pulsegate/pulsegate/bridge/pulsar"
	"github.com/pulsegate/pulsegate/config"
	"github.com/pulsegate/pulsegate/pulsar"
)

// roleBook notes what a cluster is told.
type roleBook struct {
	bridge.Upstream
	refusal error
	held    []pulsar.Credentials
	renewed []pulsar.Credentials
}

func (b *roleBook) HoldPrincipal(_ string, k pulsar.Credentials) error {
	b.held = append(b.held, k)
	return b.refusal
}
func (b *roleBook) RenewPrincipal(_ string, k pulsar.Credentials) { b.renewed = append(b.renewed, k) }
func (b *roleBook) ReleasePrincipal(string)                       {}

// What clients have shown is handed on only where that is asked for.
func TestCredentialsAreShownWhereAsked(t *testing.T) {
	k := auth.Credentials{Method: auth.MethodToken, Data: "t", Expires: time.Now()}
	for show, want := range map[bool]pulsar.Credentials{false: {}, true: pulsar.Credentials(k)} {
		b := &roleBook{}
		p := tellPrincipals(b, show)
		if err := p.Hold("alice", k); err != nil {
			t.Error(err)
		}
		p.Renew("alice", k)
		if both := slices.Concat(b.held, b.renewed); len(both) != 2 || both[0] != want || both[1] != want {
			t.Errorf("shown: %+v", both)
		}
	}
	inProcess := embedded.New(embedded.Options{})
	defer inProcess.Close()
	if p := tellPrincipals(inProcess, true); p != nil {
		t.Error("topics in this process are told of roles")
	}
}

// The refusal of a role is one that the client is told, with its limit.
func TestRolesThatAreRefused(t *testing.T) {
	cfg := config.Defaults()
	cfg.BrokerServiceURL, cfg.MaxOriginalPrincipals, cfg.ForwardOriginalPrincipal = "pulsar://127.0.0.1:1", 1, true
	up, err := upstream.New(pulsarOptions(cfg, nil, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	p := tellPrincipals(up, true)
	if err := p.Hold("alice", auth.Credentials{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Hold("bob", auth.Credentials{}); !errors.Is(err, auth.ErrTooManyRoles) || !strings.Contains(err.Error(), "maxOriginalPrincipals") {
		t.Error(err)
	}
	p.Release("alice")
	if err := p.Hold("bob", auth.Credentials{}); err != nil {
		t.Error(err)
	}
	if err := p.Hold(pulsar.WebSocketPrincipal, auth.Credentials{}); !errors.Is(err, auth.ErrForbidden) {
		t.Error(err)
	}
}

// oneConnection is a cluster with a connection on behalf of a role.
type oneConnection struct{ bridge.Upstream }

func (oneConnection) Connections() []pulsar.ConnStatus {
	return []pulsar.ConnStatus{{Broker: "broker:6650", Principal: "alice", State: "up"}}
}
func (oneConnection) ConnCounts() pulsar.ConnCounts {
	var n pulsar.ConnCounts
	n.Opened, n.Failed[pulsar.ReasonDenied], n.Lost[pulsar.ReasonTimeout] = 3, 4, 5
	return n
}
func (oneConnection) RequestCounts() []pulsar.RequestCount {
	return []pulsar.RequestCount{{Request: "acknowledge", Outcome: "refused", Count: 6}}
}
func (oneConnection) DroppedChunked() int64        { return 7 }
func (oneConnection) Principals() (used, most int) { return 8, 9 }
func (oneConnection) Ready(context.Context) error  { return nil }

// An operator sees on whose behalf a connection is.
func TestBrokersByRole(t *testing.T) {
	s := &source{up: oneConnection{}}
	if list := s.Brokers(); len(list) != 1 || list[0].Role != "alice" {
		t.Errorf("%+v", list)
	}
}
