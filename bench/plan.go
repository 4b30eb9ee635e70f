//go:build linux

package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/pulsegate/pulsegate/bench/frames"
)

// ErrPlan is wrapped by errors in a [Plan], as opposed to those of the server.
var ErrPlan = errors.New("bad plan")

// Kind is what a session does.
type Kind string

// The kinds of sessions, as in the paths of the protocol.
const (
	Producer Kind = "producer"
	Consumer Kind = "consumer"
	Reader   Kind = "reader"
)

// Group is a number of sessions of the same sort. Session i is on topic i modulo
// the number of topics.
type Group struct {
	Name     string // for reports
	Kind     Kind
	Sessions int

	// Idle producers send nothing.
	Idle bool
	// Apart: on topics of their own, to which nobody here sends.
	Apart bool

	// Subscription is the first part of the subscription names of consumers.
	Subscription string
	// Subscriptions is how many subscriptions a topic has, over which its
	// consumers spread; 0: each consumer has its own.
	Subscriptions int
	// Params are query parameters, such as subscriptionType.
	Params url.Values

	// NoAck: what comes is not acknowledged.
	NoAck bool
	// Permits > 0 makes consumers pull: so many messages are permitted at a
	// time, and again when half of them have come.
	Permits int
	// SlowBytes > 0 makes the session read only so many bytes per second. What it
	// does not get in time is not counted as lost.
	SlowBytes int
	// Lifetime > 0: each session is closed after so long and opened again.
	Lifetime time.Duration
}

// Plan is what [Run] does.
type Plan struct {
	Scenario string // its name, for reports
	Target   Target
	Groups   []Group // opened in this order

	Topics    int
	TopicBase string // topics are named base-0, base-1, …

	Message frames.Content
	// Rate is how many messages per second all producers together are to send;
	// 0: each sends the next as soon as its window has room.
	Rate float64
	// Window is how many messages of a producer may be unanswered.
	Window int
	// Once: each producer sends one message, after the measurement, which so tells
	// what sessions cost that only wait. Latencies are those of that message.
	Once bool
	// Backlog > 0: so many messages are published before the consumers and
	// readers open; the run ends when all are delivered.
	Backlog int

	RampUp   time.Duration // opening is spread over so long; 0: as fast as it goes
	WarmUp   time.Duration // messages sent so early do not count in rates and latencies
	Duration time.Duration // of the measurement
	Drain    time.Duration // how long to wait at the end for what is under way

	Opening     int           // handshakes under way at a time
	OpenTimeout time.Duration // for one handshake
	// Reconnect is the delay after which a session whose connection broke or was
	// closed by the server is opened again; 0: never.
	Reconnect time.Duration

	Loops   int
	Sources []netip.Addr // addresses to connect from, in turn; empty: chosen

	// Processes is over how many processes the sessions are spread; 1: this one
	// alone. More are started with Worker.
	Processes int
	Worker    []string // the command that calls [ServeWorker]

	PIDs   []int    // of the server's processes, if they are on this machine
	Scrape []string // URLs of the server's metrics
}

func (p *Plan) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrPlan, fmt.Sprintf(format, args...))
	}
	switch {
	case len(p.Groups) == 0:
		return bad("no sessions")
	case p.Topics < 1:
		return bad("%d topics", p.Topics)
	case p.Window < 1:
		return bad("a window of %d messages", p.Window)
	case p.Rate < 0:
		return bad("a rate of %v messages per second", p.Rate)
	case p.Opening < 1:
		return bad("%d handshakes at a time", p.Opening)
	case p.Processes < 1:
		return bad("%d processes", p.Processes)
	case p.Processes > 1 && len(p.Worker) == 0:
		return bad("%d processes, but no command to start them", p.Processes)
	case p.Loops < 1:
		return bad("%d event loops", p.Loops)
	case p.OpenTimeout <= 0:
		return bad("%v for a handshake", p.OpenTimeout)
	case p.Duration <= 0:
		return bad("a duration of %v", p.Duration)
	case p.RampUp < 0 || p.WarmUp < 0 || p.Drain < 0 || p.Reconnect < 0:
		return bad("a negative duration")
	case p.Backlog < 0:
		return bad("a backlog of %d messages", p.Backlog)
	case p.Once && p.Backlog > 0:
		return bad("a backlog, and one message at the end")
	}
	for _, g := range p.Groups {
		switch {
		case g.Sessions < 1:
			return bad("%s: %d sessions", g.Name, g.Sessions)
		case g.Permits < 0 || g.SlowBytes < 0 || g.Lifetime < 0 || g.Subscriptions < 0:
			return bad("%s: a negative value", g.Name)
		}
	}
	return nil
}

func (p *Plan) sessions() (n int) {
	for _, g := range p.Groups {
		n += g.Sessions
	}
	return n
}

// senders is the number of producers that send.
func (p *Plan) senders() (n int) {
	for _, g := range p.Groups {
		if g.Kind == Producer && !g.Idle {
			n += g.Sessions
		}
	}
	return n
}

// interval is the time from a producer's message to its next, in nanoseconds; 0: no
// rate.
func (p *Plan) interval() float64 {
	if p.Once {
		return float64(time.Second) // there is no second one; it only makes the first one due at its time
	}
	if p.Rate == 0 {
		return 0
	}
	return float64(time.Second) * float64(p.senders()) / p.Rate
}

// shift is how much later than the first one a sender begins, so that they do not all send at a
// time, in nanoseconds. A message that is the only one is due at its time.
func (p *Plan) shift(sender uint32) int64 {
	if p.Once {
		return 0
	}
	senders := p.senders()
	return int64(p.interval() * float64(int(sender)%senders) / float64(senders))
}

// loose: what the sessions miss does not count as lost.
func (g *Group) loose() bool { return g.SlowBytes > 0 || g.Apart }

// deliveryName tells the subscription of a session apart from all others of the
// run. It is empty when no other session is on it.
func (g *Group) deliveryName(number, topic, topics int) string {
	if g.Kind != Consumer || g.Subscriptions == 0 {
		return ""
	}
	return fmt.Sprint(topic, "/", g.subscription(number, topics))
}

func (p *Plan) topic(g *Group, i int) string {
	if g.Apart {
		return p.TopicBase + "-apart-" + strconv.Itoa(i)
	}
	return p.TopicBase + "-" + strconv.Itoa(i)
}

// subscription names the subscription of the consumer with a number in its group,
// without its topic.
func (g *Group) subscription(number, topics int) string {
	if g.Subscriptions == 0 {
		return g.Subscription + "-" + strconv.Itoa(number)
	}
	return g.Subscription + "-" + strconv.Itoa(number/topics%g.Subscriptions)
}

// request is the request target of a session's handshake.
func (p *Plan) request(g *Group, number int, more url.Values) string {
	path := p.Target.path(g.Kind, p.topic(g, number%p.Topics))
	if g.Kind == Consumer {
		path += "/" + url.PathEscape(g.subscription(number, p.Topics))
	}
	query := url.Values{}
	for _, from := range []url.Values{g.Params, p.Target.Params, more} {
		for name, values := range from {
			query[name] = values
		}
	}
	if g.Permits > 0 {
		query.Set("pullMode", "true")
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}
