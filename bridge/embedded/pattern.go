package embedded

import (
	"regexp"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
)

// pattern is a compiled TopicsPattern: the persistent topics of one namespace
// whose whole name matches. Partitions match by the name of their topic.
type pattern struct {
	namespace string
	re        *regexp.Regexp
}

// compile reads a pattern such as persistent://tenant/namespace/a.*; without a
// namespace it is one of public/default. Called with mu held.
func (u *Upstream) compile(text string) (*pattern, error) {
	rest := text
	if domain, after, ok := strings.Cut(text, "://"); ok {
		if domain != "persistent" {
			return nil, errorf(bridge.ErrInvalid, "topicsPattern %q: only persistent topics can be matched", text)
		}
		rest = after
	}
	parts := strings.SplitN(rest, "/", 4)
	if len(parts) == 1 {
		parts = []string{"public", "default", rest}
	}
	p := &pattern{namespace: strings.Join(parts[:len(parts)-1], "/")}
	if !u.hasNamespace(p.namespace) {
		return nil, errorf(bridge.ErrNotFound, "namespace %s of topicsPattern %q does not exist", p.namespace, text)
	}
	var err error
	if p.re, err = regexp.Compile("^" + regexp.QuoteMeta(p.namespace) + "/(?:" + parts[len(parts)-1] + ")$"); err != nil {
		return nil, errorf(bridge.ErrInvalid, "topicsPattern %q: %v", text, err)
	}
	return p, nil
}

func (p *pattern) matches(n *topicName) bool {
	return n.persistent && n.namespace == p.namespace && p.re.MatchString(strings.TrimPrefix(n.base(), "persistent://"))
}

// matching returns the existing topics that match, with all their partitions. Called with mu held.
func (u *Upstream) matching(p *pattern) ([]*topic, error) {
	for base, n := range u.partitioned {
		name, err := parseTopic(base)
		if err != nil || n == 0 || !p.matches(&name) {
			continue
		}
		if _, err := u.resolve(base); err != nil {
			return nil, err
		}
	}
	var topics []*topic
	for _, t := range u.topics {
		if p.matches(&t.topicName) {
			topics = append(topics, t)
		}
	}
	return topics, nil
}

// matchNewTopic subscribes the consumers whose pattern a new topic matches,
// before anything is published to it. One that finds its subscription busy, or
// no memory, goes without. Called with mu held.
func (u *Upstream) matchNewTopic(t *topic) {
	for c := range u.patterns {
		if !c.pattern.matches(&t.topicName) || c.mayJoin(t) != nil {
			continue
		}
		if t.subs[c.spec.Subscription] == nil && u.charge(subscriptionCost, "subscription "+c.spec.Subscription) != nil {
			continue
		}
		c.join(t)
		mb := c.members[len(c.members)-1]
		mb.s.permitted(mb)
	}
}
