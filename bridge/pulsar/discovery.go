package pulsar

import (
	"context"
	"math"
	"time"

	names "github.com/pulsegate/pulsegate/topic"
)

const (
	// partitionDiscovery is how often a partitioned topic is asked for new partitions, as Java does.
	partitionDiscovery = time.Minute
	// never is an interval for what the client library cannot be told to leave.
	never = math.MaxInt64 / 4 * time.Nanosecond
)

// matching makes a member for each topic, and each partition, that matches the
// pattern and that known does not have.
func (c *consumer) matching(ctx context.Context, known map[string]bool) ([]*member, error) {
	listed, err := attempt(ctx, c.u, "list the topics of "+c.pattern.Namespace,
		func() ([]string, error) { return topicsOf(c.u.client, c.pattern.Namespace) }, func([]string) {})
	if err != nil {
		return nil, err
	}
	var found []*member
	for _, topic := range listed {
		if base, _ := names.SplitPartition(topic); !known[topic] && c.pattern.Matches(base) {
			found = append(found, c.newMember(topic, base))
		}
	}
	return found, nil
}

// grown makes a member for each new partition of bases, which are topics.
func (c *consumer) grown(ctx context.Context, bases []string, known map[string]bool) (found []*member) {
	for _, base := range bases {
		members, err := c.membersOf(ctx, base, c.u.lookUpPartitions)
		if err != nil {
			c.u.log.Debug("look for new partitions", "topic", base, "error", err)
		}
		for _, m := range members {
			if !known[m.topic] {
				found = append(found, m)
			}
		}
	}
	return found
}

// search looks in the background for new topics of a pattern, or new partitions.
func (c *consumer) search() {
	if c.pattern == nil && len(c.bases) == 0 || c.searching || c.ctx.Err() != nil {
		return
	}
	c.searching = true
	known := make(map[string]bool, len(c.members))
	for topic := range c.members {
		known[topic] = true
	}
	bases := make([]string, 0, len(c.bases))
	for base := range c.bases {
		bases = append(bases, base)
	}
	c.work.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.u.opts.OperationTimeout)
		defer cancel()
		var found []*member
		if c.pattern != nil {
			var err error
			if found, err = c.matching(ctx, known); err != nil {
				c.u.log.Debug("look for new topics", "pattern", c.spec.TopicsPattern, "error", err)
			}
		} else {
			found = c.grown(ctx, bases, known)
		}
		c.todo.push(command{kind: cmdFound, members: found})
	})
}

// found subscribes to what a search has found, from the first message on: what was
// published before must not be lost.
func (c *consumer) found(members []*member) {
	c.searching = false
	if room := c.spec.TopicsLeft(len(c.members)); len(members) > room {
		members = members[:room]
		if !c.full {
			c.full = true
			c.u.log.Warn("a session has as many topics as it may have; more that match or were added are not consumed",
				"subscription", c.spec.Subscription, "topics", c.spec.MaxTopics)
		}
	}
	for _, m := range members {
		m.fresh = true
		c.join(m)
		c.reopen(m)
	}
}
