package pulsar

import client "github.com/pulsegate/pulsegate/pulsar"

// Addresses are where the brokers are, and where their admin API answers, "" if
// that is not known.
func (u *Upstream) Addresses() (brokers, admin string) { return u.opts.lookupURL(), u.opts.AdminURL }

// Connections are those to brokers, and the brokers to which there is none.
func (u *Upstream) Connections() []client.ConnStatus { return u.cluster.Connections() }

// RequestCounts are what became of requests to brokers.
func (u *Upstream) RequestCounts() []client.RequestCount { return u.cluster.RequestCounts() }

// DroppedChunked is how many messages in chunks were given up.
func (u *Upstream) DroppedChunked() int64 { return u.cluster.DroppedChunked() }

// Principals tells on behalf of how many roles connections are used, and how many there may be.
func (u *Upstream) Principals() (used, most int) { return u.cluster.Principals() }

// ConnCounts are the sums of what became of connections.
func (u *Upstream) ConnCounts() client.ConnCounts { return u.cluster.ConnCounts() }
