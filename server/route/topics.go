package route

import (
	"strings"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/topic"
)

// fullName completes a topic's name as Pulsar does: a name alone is in
// public/default, and persistent unless a domain is given. It is as the brokers have it.
func fullName(parameter, name string, o Options) (string, error) {
	domain, path, found := strings.Cut(name, "://")
	if !found {
		domain, path = "persistent", name
	}
	if d, ok := topic.Domain(domain); ok {
		domain = d
	}
	segments := strings.SplitN(path, "/", 4)
	switch {
	case len(segments) == 1 && !found:
		segments = []string{"public", "default", segments[0]}
	case len(segments) < 3:
		return "", invalid("%s: %s must be {domain}://{tenant}/{namespace}/{topic}, {tenant}/{namespace}/{topic} or {topic}", parameter, shown(name))
	}
	last := len(segments) - 1
	if err := checkNamespace(append([]string{domain}, segments[:last]...)); err != nil {
		return "", err
	}
	local := segments[last]
	if strings.TrimSpace(local) == "" || strings.ContainsRune(local, 0) || !utf8.ValidString(local) || len(local) > maxNameBytes {
		return "", invalid("%s: %s has no valid topic name", parameter, shown(name))
	}
	return o.brokerName(parameter, domain+"://"+strings.Join(segments, "/"))
}

// topicList reads the topics parameter: names separated by commas. A topic
// named twice counts once.
func topicList(value string, o Options) (string, error) {
	var full []string
	seen := map[string]bool{}
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return "", invalid("topics: a name in %s is blank", shown(value))
		}
		name, err := fullName("topics", name, o)
		if err != nil {
			return "", err
		}
		if seen[name] {
			continue
		}
		if seen[name] = true; o.MaxTopics > 0 && len(seen) > o.MaxTopics {
			return "", invalid("topics: there are more than the %d that maxTopicsPerSession allows", o.MaxTopics)
		}
		full = append(full, name)
	}
	return strings.Join(full, ","), nil
}
