// Package route turns the target of an upgrade request into what the bridge is
// asked for: a producer, a consumer or a reader with all its parameters.
//
// It is pure: no sockets, no clock, no state. Everything a client may write in
// a path or a query string is judged here, and a refusal names the segment or
// parameter at fault and what is accepted.
package route

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/topic"
)

// Kind is what a session does.
type Kind uint8

// The kinds of sessions.
const (
	Producer Kind = iota
	Consumer
	Reader
)

// String returns the kind's name as it stands in paths.
func (k Kind) String() string { return [...]string{"producer", "consumer", "reader"}[k] }

// Request is what one upgrade asks for. Only the fields of its Kind are set.
type Request struct {
	Kind Kind

	// Topics are what the session is on, several or none on a v3 path only; Pattern stands
	// for them if it is not nil. A session must have the permission for these. What is
	// opened is the same names: the specs have their texts, since specs are compared, which
	// tells who shares what, and stay as long as the session does.
	Topics  []topic.Name
	Pattern *topic.Name

	Producer bridge.ProducerSpec

	Consumer bridge.ConsumerSpec
	Consume  bridge.ConsumeOptions

	Reader bridge.ReaderSpec
	Read   bridge.ReadOptions
}

// Topic is the request's topic for the log: its full name, or for a session
// over many topics their list or pattern.
func (r *Request) Topic() string {
	switch r.Kind {
	case Producer:
		return r.Producer.Topic
	case Reader:
		return r.Reader.Topic
	}
	return r.Consumer.Topic + r.Consumer.Topics + r.Consumer.TopicsPattern
}

// SetPrincipal makes the request one on behalf of a role, see [bridge.ProducerSpec.Principal].
func (r *Request) SetPrincipal(role string) {
	r.Producer.Principal, r.Consumer.Principal, r.Reader.Principal = role, role, role
}

// Options are what the server's configuration decides.
type Options struct {
	// MaxTopics bounds the topics that one session may name; 0: no bound.
	MaxTopics int
	// V1LegacyTime gives sessions on v1 paths the publish time format of 2016.
	V1LegacyTime bool
	// V1WithoutCluster opens property/namespace/topic where a client names
	// property/cluster/namespace/topic, on a path of whatever version or in a
	// parameter: what is authorized, opened and shown is that name.
	V1WithoutCluster bool
}

// Error refuses a request: the HTTP status and the reason for the client.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// ErrNotFound says that the path is none of a session.
var ErrNotFound = &Error{Status: http.StatusNotFound, Reason: "Not Found"}

// invalid is the refusal of a path or parameter. Its first words are those that
// existing clients look for.
func invalid(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: "Invalid query params: " + fmt.Sprintf(format, args...)}
}

// maxShown bounds what of a client's value is repeated in a reason, in bytes.
const maxShown = 60

func shown(v string) string {
	if len(v) > maxShown {
		v = strings.ToValidUTF8(v[:maxShown], "") + "..."
	}
	return fmt.Sprintf("%q", v)
}

// Parse reads the target of an upgrade request: path and query as they came,
// not decoded. The request keeps parts of the query, and none of the path. The error is always an [*Error].
func Parse(path, query string, o Options) (*Request, error) {
	e, err := parsePath(path, o)
	if err != nil {
		return nil, err
	}
	p, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	r := &Request{Kind: e.kind}
	switch e.kind {
	case Producer:
		err = p.producer(e, r)
	case Consumer:
		err = p.consumer(e, o, r)
		r.Consume.Format = p.format(e, o)
	case Reader:
		err = p.reader(e, r)
		r.Read.Format = p.format(e, o)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}
