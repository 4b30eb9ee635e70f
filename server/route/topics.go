package route

import (
	"strings"
	"unicode/utf8"

	"github.com/pulsegate/pulsegate/topic"
)

// fullName completes a topic's name as Pulsar does: a name alone is in
// public/default, and persistent unless a domain is given. It is as the brokers have it.
func fullName(parameter, name string, o Options) (topic.Name, error) {
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
		return topic.Name{}, invalid("%s: %s must be {domain}://{tenant}/{namespace}/{topic}, {tenant}/{namespace}/{topic} or {topic}", parameter, shown(name))
	}
	last := len(segments) - 1
	if err := checkNamespace(append([]string{domain}, segments[:last]...)); err != nil {
		return topic.Name{}, err
	}
	local := segments[last]
	if strings.TrimSpace(local) == "" || strings.ContainsRune(local, 0) || !utf8.ValidString(local) || len(local) > maxNameBytes {
		return topic.Name{}, invalid("%s: %s has no valid topic name", parameter, shown(name))
	}
	return o.brokerName(parameter, domain+"://"+strings.Join(segments, "/"))
}

// topicList reads the topics parameter: names separated by commas. A topic
// named twice counts once.
func topicList(value string, o Options) (names []topic.Name, err error) {
	seen := map[string]bool{}
	for given := range strings.SplitSeq(value, ",") {
		if given = strings.TrimSpace(given); given == "" {
			return nil, invalid("topics: a name in %s is blank", shown(value))
		}
		name, err := fullName("topics", given, o)
		if err != nil {
			return nil, err
		}
		if full := name.String(); seen[full] {
			continue
		} else if seen[full] = true; o.MaxTopics > 0 && len(seen) > o.MaxTopics {
			return nil, invalid("topics: there are more than the %d that maxTopicsPerSession allows", o.MaxTopics)
		}
		names = append(names, name)
	}
	return names, nil
}

// joined is the names as one text, in which no name has a comma.
func joined(names []topic.Name) string {
	var text strings.Builder
	for i, name := range names {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(name.String())
	}
	return text.String()
}
