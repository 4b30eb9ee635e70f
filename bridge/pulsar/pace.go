package pulsar

import "context"

const (
	// paceTopics bounds the topics that one consumer over many opens at a time, and
	// paceMany those of all such consumers together. To make a topic takes a broker
	// about 10 ms, during which others' publishes wait behind it.
	paceTopics = 2
	paceMany   = 4
	// pacePartitions is the same of one consumer on a partitioned topic.
	pacePartitions = 16
)

// pace lets a consumer open its topics a few at a time, in turn with other
// consumers over many topics: a client may name hundreds in one handshake, and neither
// those of others nor sessions on a single topic are to wait for all of them.
type pace struct {
	own  chan struct{} // places of this consumer
	many chan struct{} // of all consumers over many topics; nil for one on a single topic
}

func (u *Upstream) newPace(many bool) pace {
	if many {
		return pace{make(chan struct{}, paceTopics), u.many}
	}
	return pace{make(chan struct{}, pacePartitions), nil}
}

// enter waits for a place. The caller calls the returned function when what it
// opens is open, or cannot be.
func (p *pace) enter(ctx context.Context, what string) (leave func(), err error) {
	select {
	case p.own <- struct{}{}:
	case <-ctx.Done():
		return nil, gaveUp(ctx, what)
	}
	if p.many == nil {
		return func() { <-p.own }, nil
	}
	select {
	case p.many <- struct{}{}:
	case <-ctx.Done():
		<-p.own
		return nil, gaveUp(ctx, what)
	}
	return func() {
		<-p.many
		<-p.own
	}, nil
}
