package conformance

import (
	"net/url"
	"sort"
	"strings"
	"sync"
)

// Kind names what a target is.
type Kind string

// The targets of the suite.
const (
	Embedded Kind = "embedded" // pulsegate, upstream in its own process
	Broker   Kind = "broker"   // pulsegate on a real Pulsar broker
	Java     Kind = "java"     // Pulsar's Java WebSocket proxy on the same broker
)

// Kinds lists all targets in the order of the matrix.
var Kinds = []Kind{Embedded, Broker, Java}

// Conf is a configuration variant: keys of websocket.conf over the target's
// default configuration. Cases that name equal variants share one process.
type Conf map[string]string

func (c Conf) key() string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(k + "=" + c[k] + "\n")
	}
	return b.String()
}

// Endpoint is where one running server of a target listens.
type Endpoint struct {
	// HTTP is the server's base URL, such as "http://127.0.0.1:8080". The
	// WebSocket endpoints are under the same host and port.
	HTTP string
	// Admin is the base URL of the Pulsar admin API for the topics behind the
	// server. The embedded upstream serves the few paths the table needs on
	// HTTP itself.
	Admin string
	// AdminToken is shown to the admin API, unless empty.
	AdminToken string
	// Binary is the broker's pulsar:// URL; empty for the embedded upstream.
	Binary string
	// Peer is the base URL of another server on the same cluster; empty for the
	// embedded upstream.
	Peer string
	// NoV1Names says that the broker has no names with a cluster in them, as from
	// Pulsar 4.2 on: what a v1 path names is property/namespace/topic there, and the
	// namespace has to exist. No name of a topic has a slash in it then.
	NoV1Names bool
	// Since reports whether the broker is of a release of Pulsar from major.minor on;
	// nil: it can all that any can.
	Since func(major, minor int) bool
}

func (e Endpoint) hostPort() string {
	u, err := url.Parse(e.HTTP)
	if err != nil {
		return e.HTTP
	}
	return u.Host
}

// Target is a kind of server with a way to start it.
type Target struct {
	Kind Kind
	// Start runs a server with the configuration and returns where it listens.
	// It is called once for each variant in use. The server runs until the
	// caller that made the target ends it.
	Start func(Conf) (Endpoint, error)
	// Observed, if set, is told of each message as it comes or goes. It is called by
	// several goroutines at once.
	Observed func(Exchange)

	mu      sync.Mutex
	started map[string]*variant
}

type variant struct {
	once sync.Once
	ep   Endpoint
	err  error
}

// endpoint returns the server for a variant, starting it at the first call.
func (t *Target) endpoint(c Conf) (Endpoint, error) {
	t.mu.Lock()
	if t.started == nil {
		t.started = make(map[string]*variant)
	}
	v := t.started[c.key()]
	if v == nil {
		v = &variant{}
		t.started[c.key()] = v
	}
	t.mu.Unlock()
	v.once.Do(func() { v.ep, v.err = t.Start(c) })
	return v.ep, v.err
}
