package pulsar

import (
	"context"
	"sync"
	"time"
)

// keepPartitions is how long a topic's number of partitions is remembered: sessions that
// come in a storm ask the broker once.
const keepPartitions = time.Second

// partitionCounts remembers how many partitions topics have. Its length is bounded
// by the topics that were asked for within keepPartitions and a sweep.
type partitionCounts struct {
	mu    sync.Mutex
	known map[askedTopic]partitionCount
}

// askedTopic is a topic, and on whose behalf it was asked about: to others a broker might not have answered.
type askedTopic struct{ topic, principal string }

type partitionCount struct {
	n  int
	at time.Time
}

func (p *partitionCounts) get(topic askedTopic) (n int, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.known[topic]
	return c.n, known && time.Since(c.at) < keepPartitions
}

func (p *partitionCounts) put(topic askedTopic, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[askedTopic]partitionCount{}
	}
	p.known[topic] = partitionCount{n, time.Now()}
}

func (p *partitionCounts) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, c := range p.known {
		if now.Sub(c.at) >= keepPartitions {
			delete(p.known, topic)
		}
	}
	if len(p.known) == 0 {
		p.known = nil // a map keeps the size that a storm gave it
	}
}

// Partitions implements [bridge.Upstream]. The answer may be keepPartitions old.
func (u *Upstream) Partitions(ctx context.Context, topic, principal string) (int, error) {
	if n, known := u.known.get(askedTopic{topic, principal}); known {
		return n, nil
	}
	ctx, stop := u.within(ctx)
	defer stop()
	n, err := answered(ctx, "look up "+topic, func(done func(int, error)) { u.cluster.Partitions(topic, principal, done) })
	if err == nil {
		u.known.put(askedTopic{topic, principal}, n)
	}
	return n, err
}
