package pulsar

import (
	"context"
	"sync"
	"time"

	names "github.com/pulsegate/pulsegate/topic"
)

// keepPartitions is how long a topic's partitions are remembered: sessions that
// come in a storm ask the broker once.
const keepPartitions = time.Second

// partitionLists remembers which concrete topics are behind a topic. Its length is bounded
// by the topics that were asked for within keepPartitions and a sweep.
type partitionLists struct {
	mu    sync.Mutex
	known map[string]partitionList
}

type partitionList struct {
	topics []string // never changed
	at     time.Time
}

func (p *partitionLists) get(topic string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l, ok := p.known[topic]; ok && time.Since(l.at) < keepPartitions {
		return l.topics
	}
	return nil
}

func (p *partitionLists) put(topic string, topics []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]partitionList{}
	}
	p.known[topic] = partitionList{topics, time.Now()}
}

func (p *partitionLists) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, l := range p.known {
		if now.Sub(l.at) >= keepPartitions {
			delete(p.known, topic)
		}
	}
	if len(p.known) == 0 {
		p.known = nil // a map keeps the size that a storm gave it
	}
}

// partitions lists the concrete topics behind a topic: its partitions, or
// itself. The list may be keepPartitions old.
func (u *Upstream) partitions(ctx context.Context, topic string) ([]string, error) {
	if topics := u.known.get(topic); topics != nil {
		return topics, nil
	}
	return u.lookUpPartitions(ctx, topic)
}

// lookUpPartitions is partitions as they are now.
func (u *Upstream) lookUpPartitions(ctx context.Context, topic string) ([]string, error) {
	n, err := waitFor(ctx, u, "look up "+topic, func(done func(int, error)) { u.cluster.Partitions(topic, done) }, leaveIt)
	if err != nil {
		return nil, err
	}
	topics := []string{topic}
	if n > 0 {
		topics = make([]string, n)
		for i := range topics {
			topics[i] = names.PartitionName(topic, i)
		}
	}
	u.known.put(topic, topics)
	return topics, nil
}
