package bridge

// Limits are the bounds among the [Options] that may change while sessions are
// open. Zero means what it means there.
type Limits struct {
	MaxTopics        int
	TailBytes        int
	MaxInFlight      int
	MaxInFlightBytes int
	MaxPublishBytes  int64
}

func (o *Options) limits() Limits {
	return Limits{
		MaxTopics: o.MaxTopics, TailBytes: o.TailBytes,
		MaxInFlight: o.MaxInFlight, MaxInFlightBytes: o.MaxInFlightBytes, MaxPublishBytes: o.MaxPublishBytes,
	}
}

// SetLimits makes other limits count, at once for open sessions, too, but for the
// topics of a session over many, and what a producer at the broker may have on
// its way: they are decided when it is opened. It may be called from any goroutine.
func (b *Bridge) SetLimits(l Limits) {
	o := Options{TailBytes: l.TailBytes, MaxInFlight: l.MaxInFlight, MaxInFlightBytes: l.MaxInFlightBytes}
	o.setDefaults()
	l.TailBytes, l.MaxInFlight, l.MaxInFlightBytes = o.TailBytes, o.MaxInFlight, o.MaxInFlightBytes
	b.limits.Store(&l)
}
