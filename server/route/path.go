package route

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/topic"
)

// endpoint is a parsed path.
type endpoint struct {
	kind         Kind
	v1           bool
	many         bool       // a v3 path: the topics are in the query
	topic        topic.Name // zero if many
	subscription string     // of a consumer
}

// maxNameBytes bounds a topic's or subscription's name. Brokers keep names in
// their metadata store, which takes no more.
const maxNameBytes = 4096

// IsSession reports whether path leads to a session, so that a request for it
// is an upgrade or a mistake. Paths of unknown kinds or versions do not.
func IsSession(path string) bool {
	_, _, rest, ok := split(path)
	return ok && rest != nil
}

// split takes a path apart: its version (1, 2 or 3), kind, and the segments
// behind them, which are nil when the path ends with the kind.
func split(path string) (version int, kind Kind, rest []string, ok bool) {
	after, ok := strings.CutPrefix(path, "/ws/")
	if !ok {
		return 0, 0, nil, false
	}
	version = 1
	if v, found := strings.CutPrefix(after, "v2/"); found {
		version, after = 2, v
	} else if v, found := strings.CutPrefix(after, "v3/"); found {
		version, after = 3, v
	}
	name, tail, more := strings.Cut(after, "/")
	switch {
	case name == "consumer":
		kind = Consumer
	case name == "producer" && version < 3:
		kind = Producer
	case name == "reader" && version < 3:
		kind = Reader
	default:
		return 0, 0, nil, false
	}
	if more {
		rest = strings.Split(tail, "/")
	}
	return version, kind, rest, true
}

// parsePath reads a session's path. A producer's or reader's topic may go on
// over several segments, a consumer's ends before the subscription.
func parsePath(path string, o Options) (endpoint, error) {
	version, kind, segments, ok := split(path)
	if !ok || segments == nil {
		return endpoint{}, ErrNotFound
	}
	e := endpoint{kind: kind, v1: version == 1, many: version == 3}
	if e.many {
		if len(segments) != 1 {
			return e, invalid("the path must be /ws/v3/consumer/{subscription}; a / inside the subscription is written %%2F")
		}
		return e, e.setSubscription(segments[0])
	}

	form, names := "{domain}/{tenant}/{namespace}/{topic}", 3
	if e.v1 {
		form, names = "{domain}/{property}/{cluster}/{namespace}/{topic}", 4
	}
	if kind == Consumer {
		if len(segments) != names+2 {
			return e, invalid("a consumer's path must end with %s/{subscription}; a / inside a name is written %%2F", form)
		}
		if err := e.setSubscription(segments[names+1]); err != nil {
			return e, err
		}
		segments = segments[:names+1]
	}
	if len(segments) <= names || segments[names] == "" {
		return e, invalid("the path must end with %s", form)
	}
	if err := checkNamespace(segments[:names]); err != nil {
		return e, err
	}
	local, err := decodeName("topic", joinNonEmpty(segments[names:]))
	if err != nil {
		return e, err
	}
	e.topic, err = o.brokerName("the path", segments[0]+"://"+strings.Join(segments[1:names], "/")+"/"+local)
	return e, err
}

func (e *endpoint) setSubscription(segment string) (err error) {
	if segment == "" {
		return invalid("Empty subscription name")
	}
	name, err := decodeName("subscription", segment)
	e.subscription = strings.Clone(name) // a part of the path would keep the whole of it
	return err
}

func joinNonEmpty(segments []string) string {
	kept := segments[:0:0]
	for _, s := range segments {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "/")
}

// decodeName decodes one name of a path as forms are decoded, which is what
// Pulsar does with them: a + stands for a space.
func decodeName(what, raw string) (string, error) {
	name, err := url.QueryUnescape(raw)
	switch {
	case err != nil:
		return "", invalid("%s %s is not percent-encoded correctly", what, shown(raw))
	case !utf8.ValidString(name):
		return "", invalid("%s %s is not UTF-8", what, shown(raw))
	case strings.TrimSpace(name) == "":
		return "", invalid("%s cannot be blank", what)
	case strings.ContainsRune(name, 0):
		return "", invalid("%s %s contains a NUL character", what, shown(raw))
	case len(name) > maxNameBytes:
		return "", invalid("%s is longer than %d bytes", what, maxNameBytes)
	}
	return name, nil
}

// checkNamespace checks a domain and the names that make a namespace.
func checkNamespace(names []string) error {
	if names[0] != "persistent" && names[0] != "non-persistent" {
		return invalid("domain %s must be persistent or non-persistent", shown(names[0]))
	}
	for _, name := range names[1:] {
		if !topic.IsNamespacePart(name) || len(name) > maxNameBytes {
			return invalid("%s is not a valid name of a tenant, cluster or namespace: letters, digits and - = : . _ are allowed", shown(name))
		}
	}
	return nil
}
