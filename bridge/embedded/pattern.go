package embedded

import "github.com/pulsegate/pulsegate/bridge"

// parsePattern reads a TopicsPattern, whose namespace has to exist. Called with mu held.
func (u *Upstream) parsePattern(text string) (*bridge.TopicsPattern, error) {
	p, err := bridge.ParseTopicsPattern(text)
	if err == nil && !u.hasNamespace(p.Namespace) {
		err = errorf(bridge.ErrNotFound, "namespace %s of topicsPattern %q does not exist", p.Namespace, text)
	}
	return p, err
}

// matching returns the existing topics that match, with all their partitions. Called with mu held.
func (u *Upstream) matching(p *bridge.TopicsPattern) ([]*topic, error) {
	for base, n := range u.partitioned {
		name, err := parse(base)
		if err != nil || n == 0 || !p.Matches(name.Partitioned()) {
			continue
		}
		if _, err := u.resolve(base); err != nil {
			return nil, err
		}
	}
	var topics []*topic
	for _, t := range u.topics {
		if p.Matches(t.Partitioned()) {
			topics = append(topics, t)
		}
	}
	return topics, nil
}

// matchNewTopic subscribes the consumers whose pattern a new topic matches,
// before anything is published to it. One that finds its subscription busy, or
// no memory, or has as many topics as it may have, goes without. Called with mu held.
func (u *Upstream) matchNewTopic(t *topic) {
	for c := range u.patterns {
		if !c.pattern.Matches(t.Partitioned()) || c.mayJoin(t) != nil || c.spec.TopicsLeft(len(c.members)) == 0 {
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
