package pulsar

import client "github.com/pulsegate/pulsegate/pulsar"

// HoldPrincipal is [client.Client.Hold]: somebody is there for whose role specs name it as their principal.
func (u *Upstream) HoldPrincipal(role string, k client.Credentials) error {
	return wrap("sessions on behalf of "+role, u.cluster.Hold(role, k))
}

// RenewPrincipal is [client.Client.Renew].
func (u *Upstream) RenewPrincipal(role string, k client.Credentials) { u.cluster.Renew(role, k) }

// ReleasePrincipal is [client.Client.Release].
func (u *Upstream) ReleasePrincipal(role string) { u.cluster.Release(role) }
