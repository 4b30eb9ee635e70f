package bridge

import (
	"regexp"
	"strings"
)

// TopicsPattern names the persistent topics of one namespace whose whole name
// matches, as Pulsar's Java client has it. Partitions match by the name of their topic.
type TopicsPattern struct {
	Namespace string // tenant/namespace
	local     *regexp.Regexp
}

// ParseTopicsPattern reads a pattern such as persistent://tenant/namespace/a.*
// where the last part is a regular expression of RE2's syntax. Without a namespace it is
// one of public/default. It fails with [ErrInvalid].
func ParseTopicsPattern(text string) (*TopicsPattern, error) {
	invalid := func(why string) error {
		return &Error{Kind: ErrInvalid, Detail: "topicsPattern " + text + ": " + why}
	}
	path := text
	if domain, after, ok := strings.Cut(text, "://"); ok {
		if domain != "persistent" {
			return nil, invalid("only persistent topics can be matched")
		}
		path = after
	}
	parts := strings.SplitN(path, "/", 4)
	switch len(parts) {
	case 1:
		parts = []string{"public", "default", path}
	case 2:
		return nil, invalid("the namespace is missing")
	}
	last := len(parts) - 1
	local, err := regexp.Compile("^(?:" + parts[last] + ")$")
	if err != nil {
		return nil, invalid(err.Error())
	}
	return &TopicsPattern{strings.Join(parts[:last], "/"), local}, nil
}

// Matches reports whether the pattern names a topic, which is given by its full
// name and without a partition.
func (p *TopicsPattern) Matches(topic string) bool {
	local, ok := strings.CutPrefix(topic, "persistent://"+p.Namespace+"/")
	return ok && p.local.MatchString(local)
}
