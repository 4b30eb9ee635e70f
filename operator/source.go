package operator

import (
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// Source is the running gateway. Its methods may be called from any goroutine. None but Status waits for
// the network, and that no longer than a second.
type Source interface {
	// Sessions calls visit with each open session, in no order, until it returns false.
	// A session that opens or ends meanwhile may be left out. s is valid during the call only.
	Sessions(visit func(s *Session) bool)

	// CloseSession ends a session with a close frame, and reports whether there is one with that id.
	CloseSession(id uint64, reason string) bool

	// Clients calls visit with each client at the upstream that sessions may share, in no order, until it returns
	// false. c is valid during the call only.
	Clients(visit func(c *Client) bool)

	// Brokers are the connections to brokers, those that are being opened included.
	Brokers() []Broker

	Status() Status

	// Refusals are the last clients that were refused, the newest first.
	Refusals() []Refusal

	// WriteConfig writes the configuration that is in effect, secrets masked.
	WriteConfig(w io.Writer) error

	// Level is the log level; nil where it cannot be changed.
	Level() *slog.LevelVar
}

// Session is one client's session as it is now.
type Session struct {
	ID               uint64         `json:"id"`   // of this process, never used twice
	Kind             string         `json:"kind"` // producer, consumer or reader
	Topic            string         `json:"topic"`
	Subscription     string         `json:"subscription,omitempty"`
	SubscriptionType string         `json:"subscriptionType,omitempty"`
	Role             string         `json:"role,omitempty"` // "" where clients do not log in
	Address          netip.AddrPort `json:"address"`
	UserAgent        string         `json:"userAgent,omitempty"`
	TLS              bool           `json:"tls"`
	Opened           time.Time      `json:"opened"`
	IdleSeconds      float64        `json:"idleSeconds"` // since something was last sent or received

	Received  uint64 `json:"received"`  // WebSocket messages that the client sent
	Messages  uint64 `json:"messages"`  // published and confirmed, or delivered
	SentBytes uint64 `json:"sentBytes"` // to the client

	Unacknowledged int `json:"unacknowledged"` // messages it was sent and has not acknowledged
	Window         int `json:"window"`         // how many it may have of them; 0: none, or as many as it asks for
	InFlight       int `json:"inFlight"`       // publishes whose answer is not written

	UnsentBytes int64   `json:"unsentBytes"` // output that waits for the client to read
	SlowSeconds float64 `json:"slowSeconds"` // for how long it has read none of that
	Sharing     int     `json:"sharing"`     // sessions that use the same client at the upstream, this one included
	// The clients at the upstream that it uses, by their ids; none where its client is its own, which no other may use. A reader
	// of a topic with partitions has one in each, and one more in those in which it is behind.
	Upstream []uint64 `json:"upstream,omitempty"`
}

// Client is one producer, consumer, reader or tail at the upstream that sessions may share.
type Client struct {
	ID           uint64 `json:"id"`   // of this process, never used twice
	Kind         string `json:"kind"` // producer, consumer, reader or tail
	Topic        string `json:"topic"`
	Subscription string `json:"subscription,omitempty"`
	Role         string `json:"role,omitempty"` // on whose behalf it is; "": the gateway's own
	Sessions     int    `json:"sessions"`       // that use it
	Connected    bool   `json:"connected"`
}

// Broker is one connection to a broker.
type Broker struct {
	Address     string    `json:"address"`
	Role        string    `json:"role,omitempty"` // on whose behalf it is; "": the gateway's own
	State       string    `json:"state"`          // opening, up, or down: the last connection broke or could not be opened
	Since       time.Time `json:"since"`          // of the state
	Producers   int       `json:"producers"`
	Consumers   int       `json:"consumers"`
	Requests    int       `json:"requests"`    // without an answer
	UnsentBytes int64     `json:"unsentBytes"` // that wait for the broker to read
	Error       string    `json:"error,omitempty"`
}

// Refusal is a client that was not let in, or whose session was ended.
type Refusal struct {
	Time    time.Time         `json:"time"`
	What    string            `json:"what"`           // such as "session refused"
	Code    int               `json:"code,omitempty"` // HTTP status or close code
	Key     string            `json:"key,omitempty"`
	Reason  string            `json:"reason"`
	Address netip.AddrPort    `json:"address"`
	More    map[string]string `json:"more,omitempty"` // such as topic and kind
}

// Status is the gateway at a glance.
type Status struct {
	Version  string         `json:"version"`
	Started  time.Time      `json:"started"`
	Draining bool           `json:"draining"`
	Ready    string         `json:"ready"` // "yes", or why not
	Sessions map[string]int `json:"sessions"`
	Limits   []Limit        `json:"limits"`
	// The sums since start; rates are what they have grown by.
	Counters map[string]uint64 `json:"counters"`
	LogLevel string            `json:"logLevel,omitempty"`
}

// Limit is a bound and how much of it is used.
type Limit struct {
	Key  string `json:"key"` // of the configuration
	Unit string `json:"unit"`
	Used int64  `json:"used"`
	Most int64  `json:"most"` // 0: no limit
}
