package gateway

import (
	"errors"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/pulsar"
)

// cluster is an upstream whose brokers can be told of roles.
type cluster interface {
	HoldPrincipal(role string, k pulsar.Credentials) error
	RenewPrincipal(role string, k pulsar.Credentials)
	ReleasePrincipal(role string)
}

// principals tells a cluster of the roles that have sessions.
type principals struct {
	to   cluster
	show bool // what clients have shown, too
}

// tellPrincipals returns who tells up of the roles that have sessions; nil: it does not want
// to know, as it asks nobody what they may do.
func tellPrincipals(up bridge.Upstream, show bool) auth.Principals {
	to, ok := up.(cluster)
	if !ok {
		return nil
	}
	return &principals{to, show}
}

// Hold implements [auth.Principals].
func (p *principals) Hold(role string, k auth.Credentials) error {
	err := p.to.HoldPrincipal(role, p.shown(k))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bridge.ErrTooManyRoles):
		return &auth.Refusal{Kind: auth.ErrTooManyRoles, Reason: "clients of as many roles as maxOriginalPrincipals allows are connected", Cause: "role " + role}
	}
	return &auth.Refusal{Kind: auth.ErrForbidden, Reason: "the role cannot be told to the brokers", Cause: err.Error()}
}

// Renew implements [auth.Principals].
func (p *principals) Renew(role string, k auth.Credentials) { p.to.RenewPrincipal(role, p.shown(k)) }

// Release implements [auth.Principals].
func (p *principals) Release(role string) { p.to.ReleasePrincipal(role) }

func (p *principals) shown(k auth.Credentials) pulsar.Credentials {
	if !p.show {
		return pulsar.Credentials{}
	}
	return pulsar.Credentials(k)
}
