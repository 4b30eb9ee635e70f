package route

import (
	"regexp/syntax"
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

// topicPattern reads the topicsPattern parameter: a topic's name of which the
// last part is a regular expression.
func topicPattern(value string, o Options) (string, error) {
	pattern, err := fullName("topicsPattern", value, o)
	if err != nil {
		return "", err
	}
	// As it is, and as a part of another: an open \Q would quote what is put behind it.
	for _, text := range []string{pattern, "(?:" + pattern + ")"} {
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			return "", invalid("topicsPattern: %s is not a regular expression in RE2 syntax", shown(value))
		}
		if patternSize(tree) > maxPatternSize {
			return "", invalid("topicsPattern: %s is too large once its repetitions are written out", shown(value))
		}
	}
	return pattern, nil
}

// maxPatternSize bounds what a pattern may be compiled to, in instructions: a
// few bytes such as (?:…){1000} can stand for very many.
const maxPatternSize = 2 * maxNameBytes

// patternSize is about the number of instructions that a parsed pattern is
// compiled to. To parse it writes no repetition out.
func patternSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 2
	}
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min+1, re.Max)
	}
	return size
}
