package pulsar

import client "github.com/pulsegate/pulsegate/pulsar"

// Addresses are where the brokers are, and where their admin API answers, "" if
// that is not known.
func (u *Upstream) Addresses() (brokers, admin string) { return u.opts.lookupURL(), u.opts.AdminURL }

// Connections are those to brokers, and the brokers to which there is none.
func (u *Upstream) Connections() []client.ConnStatus { return u.cluster.Connections() }

// ConnCounts are the sums of what became of connections.
func (u *Upstream) ConnCounts() client.ConnCounts { return u.cluster.ConnCounts() }
