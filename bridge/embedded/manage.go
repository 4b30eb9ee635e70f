package embedded

import (
	"maps"
	"slices"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	names "github.com/pulsegate/pulsegate/topic"
)

// maxPartitions bounds what one CreatePartitionedTopic makes.
const maxPartitions = 10_000

// TopicStats is the state of a topic, of all its partitions together.
type TopicStats struct {
	Producers     []string // names, sorted
	Subscriptions map[string]SubscriptionStats
}

// SubscriptionStats is the state of one subscription.
type SubscriptionStats struct {
	Type    bridge.SubscriptionType
	Durable bool
	// Backlog counts the entries that are not acknowledged, delivered or not: a
	// batch counts once.
	Backlog int64
	// Unacked counts the messages that consumers have and did not acknowledge.
	Unacked   int64
	Consumers []ConsumerStats // in the order in which they are served
}

// ConsumerStats is the state of one member of a subscription.
type ConsumerStats struct {
	Name    string
	Unacked int
	Permits int
}

// CreateTenant makes a tenant known. One that exists is [bridge.ErrBusy].
func (u *Upstream) CreateTenant(name string) error {
	if name == "" || strings.Contains(name, "/") {
		return errorf(bridge.ErrInvalid, "tenant %q: not a valid name", name)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.tenants[name]; ok {
		return errorf(bridge.ErrBusy, "tenant %s already exists", name)
	}
	if err := u.charge(topicCost(name), "tenant "+name); err != nil {
		return err
	}
	u.tenants[name] = struct{}{}
	return nil
}

// CreateNamespace makes a namespace known: tenant/namespace, or
// property/cluster/namespace. One that exists is [bridge.ErrBusy], an unknown
// tenant [bridge.ErrNotFound].
func (u *Upstream) CreateNamespace(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return errorf(bridge.ErrInvalid, "namespace %q: must be tenant/namespace or property/cluster/namespace", name)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.tenants[parts[0]]; !ok {
		return errorf(bridge.ErrNotFound, "tenant %s of namespace %s does not exist", parts[0], name)
	}
	if _, ok := u.namespaces[name]; ok {
		return errorf(bridge.ErrBusy, "namespace %s already exists", name)
	}
	if err := u.charge(topicCost(name), "namespace "+name); err != nil {
		return err
	}
	u.namespaces[name] = struct{}{}
	return nil
}

// CreatePartitionedTopic makes a topic of n partitions, at least 1. A topic of
// that name, partitioned or not, is [bridge.ErrBusy].
func (u *Upstream) CreatePartitionedTopic(full string, n int) error {
	if n < 1 || n > maxPartitions {
		return errorf(bridge.ErrInvalid, "topic %s: the number of partitions must be 1 to %d, not %d", full, maxPartitions, n)
	}
	u.mu.Lock()
	defer u.handOver()
	name, err := u.known(full)
	if err != nil {
		return err
	}
	if name.Partition() >= 0 {
		return errorf(bridge.ErrInvalid, "topic %s: a name ending in -partition-N cannot be partitioned", full)
	}
	if len(u.existing(full)) > 0 {
		return errorf(bridge.ErrBusy, "topic %s already exists", full)
	}
	u.partitioned[full] = n
	topics, err := u.resolve(full)
	if err != nil {
		// The partitions made so far are dropped with other idle topics.
		delete(u.partitioned, full)
		return err
	}
	for _, t := range topics {
		t.declared = true
	}
	return nil
}

// CreateTopic makes a topic without partitions. One that exists is [bridge.ErrBusy].
func (u *Upstream) CreateTopic(full string) error {
	u.mu.Lock()
	defer u.handOver()
	name, err := u.known(full)
	if err != nil {
		return err
	}
	if len(u.existing(full)) > 0 {
		return errorf(bridge.ErrBusy, "topic %s already exists", full)
	}
	t, err := u.topicFor(name)
	if err != nil {
		return err
	}
	t.declared = true
	return nil
}

// existing returns the topics behind a full name that exist. Called with mu held.
func (u *Upstream) existing(full string) []*topic {
	n, partitioned := u.partitioned[full]
	if !partitioned {
		if t := u.topics[full]; t != nil {
			return []*topic{t}
		}
		return nil
	}
	var topics []*topic
	for i := range n {
		if t := u.topics[names.PartitionName(full, i)]; t != nil {
			topics = append(topics, t)
		}
	}
	return topics
}

// found is existing for calls that need at least one. Called with mu held.
func (u *Upstream) found(full string) ([]*topic, error) {
	if _, err := u.known(full); err != nil {
		return nil, err
	}
	topics := u.existing(full)
	if len(topics) == 0 {
		return nil, errorf(bridge.ErrNotFound, "topic %s does not exist", full)
	}
	return topics, nil
}

// Terminate lets nothing more be published to a topic and returns the id of its
// last message, of the last partition if it has several; EntryID -1: it is empty.
func (u *Upstream) Terminate(full string) (codec.MessageID, error) {
	u.mu.Lock()
	defer u.handOver()
	topics, err := u.found(full)
	if err != nil {
		return codec.MessageID{}, err
	}
	var last codec.MessageID
	for _, t := range topics {
		// A batch being collected was accepted before.
		for _, p := range t.producers {
			p.flush()
		}
		t.terminated = true
		last = t.lastID()
	}
	return last, nil
}

// DeleteTopic deletes a topic with all its partitions, messages and
// subscriptions. Without force, connected producers, consumers or readers make
// it fail with [bridge.ErrBusy]; with it, consumers and readers are told that
// they are lost.
func (u *Upstream) DeleteTopic(full string, force bool) error {
	u.mu.Lock()
	defer u.handOver()
	topics, err := u.found(full)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if force {
			break
		}
		n := len(t.producers) + len(t.readers)
		for _, s := range t.subs {
			n += len(s.members)
		}
		if n > 0 {
			return errorf(bridge.ErrBusy, "topic %s has %d connected producers and consumers", t.String(), n)
		}
	}
	delete(u.partitioned, full)
	for _, t := range topics {
		t.remove()
	}
	return nil
}

// remove deletes one topic and ends who is on it.
func (t *topic) remove() {
	u := t.u
	lost := errorf(bridge.ErrNotFound, "topic %s was deleted", t.String())
	t.deleted = true
	delete(u.topics, t.String())
	for _, s := range t.subs {
		for _, mb := range slices.Clone(s.members) {
			mb.c.part(mb)
			if len(mb.c.members) == 0 && mb.c.pattern == nil {
				mb.c.end(lost)
			}
		}
		if t.subs[s.name] == s {
			s.remove()
		}
	}
	for _, c := range slices.Clone(t.readers) {
		c.r.end(lost)
	}
	for t.log.len() > 0 {
		t.drop()
	}
	u.release(topicCost(t.String()))
}

// TopicStats tells the state of a topic.
func (u *Upstream) TopicStats(full string) (TopicStats, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := TopicStats{Subscriptions: map[string]SubscriptionStats{}}
	topics, err := u.found(full)
	if err != nil {
		return st, err
	}
	names := map[string]struct{}{}
	for _, t := range topics {
		for name := range t.producers {
			names[name] = struct{}{}
		}
		for name, s := range t.subs {
			sum := st.Subscriptions[name]
			sum.Type, sum.Durable = s.typ, s.durable
			sum.Backlog += s.entries()
			for i, mb := range s.members {
				sum.Unacked += int64(mb.unacked)
				if i == len(sum.Consumers) {
					sum.Consumers = append(sum.Consumers, ConsumerStats{Name: mb.c.name, Permits: mb.c.permits})
				}
				sum.Consumers[i].Unacked += mb.unacked
			}
			st.Subscriptions[name] = sum
		}
	}
	st.Producers = slices.Sorted(maps.Keys(names))
	return st, nil
}

// entries counts the entries of the backlog.
func (s *subscription) entries() int64 {
	n, last := int64(0), int64(-1)
	for seq := s.mark; seq < s.t.end(); seq++ {
		if i := int(seq - s.mark); i < s.window.len() && s.window.at(i).state == acked {
			continue
		}
		if e := s.t.message(seq).entry; e != last {
			n, last = n+1, e
		}
	}
	return n
}
