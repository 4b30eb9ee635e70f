package pulsar

// Addresses are where the brokers are, and where their admin API answers, "" if
// that is not known.
func (u *Upstream) Addresses() (brokers, admin string) { return u.opts.lookupURL(), u.opts.AdminURL }
