package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pulsegate/pulsegate/auth"
	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/server/tlsconf"
)

// Opener opens sessions. Each method returns at once; the outcome comes through
// done, exactly once, unless the returned cancel was called before: then a
// session that opens nevertheless is closed by the opener.
type Opener interface {
	Produce(spec bridge.ProducerSpec, out bridge.Outlet, done bridge.Opened) (cancel func())
	Consume(spec bridge.ConsumerSpec, o bridge.ConsumeOptions, out bridge.Outlet, done bridge.Opened) (cancel func())
	Read(spec bridge.ReaderSpec, o bridge.ReadOptions, out bridge.Outlet, done bridge.Opened) (cancel func())
}

// Observer tells what goes on behind the sockets, for the statistics, the
// metrics and the readiness check. Only Ready may block, until ctx ends.
type Observer interface {
	Ready(ctx context.Context) error
	Stats() map[string]census.TopicStats
	TopicStats(topic string) (census.TopicStats, bool)
	NamespaceRates() []census.NamespaceRates
	Counters() census.Counters
	Gauges() census.Gauges
	Shares() census.Shares
	NamespaceCounters(most int) []census.NamespaceCounters

	// Outlets calls visit with the outlet of each open session, in no order, until it returns false.
	Outlets(visit func(bridge.Outlet) bool)
	// Clients calls visit with each client at the upstream, likewise.
	Clients(visit func(*bridge.ClientInfo) bool)
}

// Bridge is what the server needs of a hub, see package bridge/hub.
type Bridge interface {
	Opener
	Observer
}

// Options configure a [Server]. A zero value means what the field says; bounds have no
// default here, as configurations have them. [Server.Apply] tells which may change later.
type Options struct {
	Bridge Bridge       // required
	Gate   *auth.Gate   // who may connect, and on what; nil: everyone, on everything
	Logger *slog.Logger // slog.Default()

	// Address is the TCP address to listen on, host:port. Port 0 lets the
	// system choose.
	Address   string // "" with TLS: only TLS is spoken
	ReusePort bool   // SO_REUSEPORT, for several processes on one port

	// TLSAddress is where TLS is spoken, as Address, with the certificates of TLS,
	// which are looked at for newer ones every TLSRefresh.
	TLSAddress string
	TLS        *tlsconf.Source // nil: TLS is not spoken
	TLSRefresh time.Duration   // required with TLS

	// TrustForwardedFor takes the client's address from X-Forwarded-For, its
	// first entry. ProxyProtocol demands HAProxy's PROXY header, version 1 or 2,
	// on every connection, in front of TLS, and takes the address from there.
	TrustForwardedFor bool
	ProxyProtocol     bool

	MaxConnections        int           // 0: what the limit of open files allows
	MaxSessionsPerAddress int           // 0: no limit
	MaxConcurrentRequests int           // requests that are no session; 0: no limit
	MaxURLBytes           int           // required
	MaxHeaderBytes        int           // request line included; required
	HandshakeTimeout      time.Duration // for a request to be complete; required

	MaxMessage     int           // bytes of one incoming message; required
	MaxUnread      int           // bytes of output that may wait for a client; required
	SlowTimeout    time.Duration // a session whose client takes none of its output for that long is closed; 0: only IdleTimeout counts
	IdleTimeout    time.Duration // 0: never
	PingInterval   time.Duration // 0: a ping only when a session was silent for half of IdleTimeout
	NoIdlePing     bool          // not even then: a silent session is closed, whether its client is there or not
	AllowedOrigins []string      // empty: any
	Compression    bool          // permessage-deflate for clients that offer it

	MaxTopics int // that one session over many may name; 0: no bound

	// Memory bounds what all connections hold together, with what the bridge
	// holds; nil: nothing does.
	Memory *memory.Budget

	// DeadLettersFree lets a consumer that may not produce have its messages
	// moved to the dead letter topic that is named after topic and subscription.
	DeadLettersFree bool

	// V1LegacyTime gives sessions on v1 paths the publish time format of 2016.
	V1LegacyTime bool

	// V1WithoutCluster maps names of v1 to property/namespace/topic; see [route.Options].
	V1WithoutCluster bool

	// StatusFile decides what /status.html answers, "" for 404.
	StatusFile string

	// DrainSpread is the time over which a drain closes the sessions, evenly and
	// in random order, so that their clients do not come back all at once; 0: none.
	DrainSpread time.Duration

	// Replaced says that other servers take this one's clients when it stops:
	// sessions are closed with 1012 then, which invites them back, and not with 1001.
	Replaced bool

	// Admin serves what lies under /admin/ and is no statistics of the proxy;
	// nil: nothing does. Request bodies are at most 64 KiB.
	Admin http.Handler

	// Broker serves every path that is not the server's own: all but those below /ws/ and
	// proxy-stats, /healthz, /readyz, /asyncapi.yaml, the operator's pages below /gateway/ and /console/, and the metrics, which are
	// then at /pulsegate/metrics.
	// Bodies and answers are streamed, at most MaxConcurrentRequests at once; see [StreamFault].
	Broker http.Handler // nil: those paths are answered 404

	// Operator answers below [operator.Prefix], beside which are the console and /; nil: there are no such pages.
	// PagesApart leaves them to a door of their own.
	Operator   http.Handler
	PagesApart bool

	// MetricsNamespaces is how many namespaces have metrics of their own; 0: none has.
	MetricsNamespaces int

	// Collectors are more metrics to show.
	Collectors []prometheus.Collector

	Version string // for the metric pulsegate_build_info

	streamIdle time.Duration // see there

	tick    time.Duration // resolution of all timeouts, 100 ms
	passed  func() uint32 // ticks since the start, by the system's clock
	workers int           // one for each CPU
	pollers int           // see [pollersFor]
}

func (o Options) withDefaults() (Options, error) {
	if name := o.missing(); name != "" {
		return o, errors.New("server: Options." + name + " is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	setDefault(&o.streamIdle, streamIdle)
	setDefault(&o.tick, 100*time.Millisecond)
	setDefault(&o.workers, runtime.GOMAXPROCS(0))
	setDefault(&o.pollers, pollersFor(runtime.GOMAXPROCS(0)))
	return o, nil
}

// pollersFor is how many pollers share so many processors of Go's scheduler: all but one.
//
// A poller that waits for events does so in a system call, and the scheduler gets its processor back after up
// to 10 ms only. While all processors are kept like that, whatever else has work stands still: workers, and those that read
// from the brokers. With one left over there is always somebody to take it, and what the pollers read
// comes in larger portions.
func pollersFor(processors int) int { return max(1, processors-1) }

// missing names a field that has no default and no meaning of its own when it is zero, "" for none.
func (o *Options) missing() string {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"Bridge", o.Bridge != nil},
		{"MaxURLBytes", o.MaxURLBytes > 0},
		{"MaxHeaderBytes", o.MaxHeaderBytes > 0},
		{"HandshakeTimeout", o.HandshakeTimeout > 0},
		{"MaxMessage", o.MaxMessage > 0},
		{"MaxUnread", o.MaxUnread > 0},
		{"TLSRefresh", o.TLSRefresh > 0 || o.TLS == nil},
	} {
		if !f.set {
			return f.name
		}
	}
	return ""
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
