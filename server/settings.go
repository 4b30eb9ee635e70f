package server

import (
	"time"

	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/server/http1"
	"github.com/pulsegate/pulsegate/server/life"
	"github.com/pulsegate/pulsegate/server/route"
)

// settings are the options that may change while the server serves. A snapshot is
// never changed: the loops and handlers read the one that [Server.set] has just
// then, and [Server.Apply] puts another in its place. What lasts longer, such as a
// session, reads again each time.
type settings struct {
	maxConnections  int
	maxURLBytes     int
	maxHeaderBytes  int
	maxUnread       int
	countByAddress  bool // sessions of an address are bounded
	noIdlePing      bool
	deadLettersFree bool
	tlsRefresh      time.Duration

	frames  ws.Limits
	origins map[string]bool
	route   route.Options
	ticks   timeouts
}

// timeouts are the options' in ticks; 0: none.
type timeouts struct {
	second, handshake, begun, close, closeMost, linger, idle, ping, slow, answer, spread uint32
}

func (s *Server) settingsOf(o *Options) *settings {
	n := &settings{
		maxConnections:  o.MaxConnections,
		maxURLBytes:     o.MaxURLBytes,
		maxHeaderBytes:  o.MaxHeaderBytes,
		maxUnread:       o.MaxUnread,
		countByAddress:  o.MaxSessionsPerAddress > 0,
		noIdlePing:      o.NoIdlePing,
		deadLettersFree: o.DeadLettersFree,
		tlsRefresh:      o.TLSRefresh,
		frames:          ws.Limits{MaxMessage: o.MaxMessage, Inline: inlineMessage},
		origins:         http1.OriginSet(o.AllowedOrigins),
		route:           route.Options{MaxTopics: o.MaxTopics, V1LegacyTime: s.o.V1LegacyTime, V1WithoutCluster: s.o.V1WithoutCluster},
		ticks: timeouts{
			second:    uint32(time.Second / s.o.tick),
			handshake: s.ticks(o.HandshakeTimeout),
			begun:     s.ticks(begunTimeout),
			close:     s.ticks(closeTimeout),
			closeMost: s.ticks(closeMost),
			linger:    s.ticks(lingerTimeout),
			answer:    s.ticks(answerTimeout),
			spread:    uint32(s.o.DrainSpread / s.o.tick), // rounded down: it is a bound
		},
	}
	if o.SlowTimeout > 0 {
		n.ticks.slow = s.ticks(o.SlowTimeout)
	}
	if o.IdleTimeout > 0 {
		n.ticks.idle = s.ticks(o.IdleTimeout)
	}
	if o.PingInterval > 0 {
		n.ticks.ping = s.ticks(o.PingInterval)
	}
	return n
}

// set is what counts now.
func (s *Server) set() *settings { return s.settings.Load() }

// Apply makes other limits, timeouts and origins count. Of o these fields count:
// the Max… ones, HandshakeTimeout, SlowTimeout, IdleTimeout, PingInterval,
// NoIdlePing, AllowedOrigins, DeadLettersFree and TLSRefresh; a zero means what it
// means to [New]. Nobody is closed for a limit that has become lower; timeouts and
// what a message may have count for open sessions, too. Only one goroutine may call it.
func (s *Server) Apply(o Options) {
	s.apply(&o)
	s.warnImpossible(int(s.places.most.Load()))
	s.lookAtCertificates()
}

func (s *Server) apply(o *Options) {
	if o.MaxConnections <= 0 {
		o.MaxConnections = machineConnections()
	}
	s.places.most.Store(int64(o.MaxConnections))
	s.requests.most.Store(int64(o.MaxConcurrentRequests))
	s.probes.most.Store(int64(o.MaxConcurrentRequests))
	s.streams.most.Store(int64(o.MaxConcurrentRequests))
	s.addresses.most.Store(int64(o.MaxSessionsPerAddress))
	s.settings.Store(s.settingsOf(o))
}

// adopt makes new settings count for the connections there are: their deadlines,
// and, when sessions begin to be counted by address, how many there are.
func (w *worker) adopt() {
	before, now := w.settings, w.s.set()
	if before == now {
		return
	}
	w.settings = now // those in between were perhaps never seen here
	w.wheel.All(func(c *conn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if now.countByAddress && !c.counted && (c.state().Opens() || c.state().Stage() == life.Session) {
			c.counted = w.s.addresses.count(c.remote().Addr())
		}
		w.scheduleLocked(c)
	})
}
