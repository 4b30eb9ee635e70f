package embedded

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
)

// topicName is a topic's full name taken apart. There are two forms,
// domain://tenant/namespace/topic and, from before Pulsar 2.0,
// domain://property/cluster/namespace/topic.
type topicName struct {
	full       string
	persistent bool
	namespace  string // tenant/namespace or property/cluster/namespace
	partition  int32  // of a name ending in -partition-N; else -1
}

const partitionSuffix = bridge.PartitionSuffix

func parseTopic(full string) (topicName, error) {
	n := topicName{full: full, partition: -1}
	domain, rest, ok := strings.Cut(full, "://")
	if !ok || (domain != "persistent" && domain != "non-persistent") {
		return n, errorf(bridge.ErrInvalid, "topic %q: the name must begin with persistent:// or non-persistent://", full)
	}
	n.persistent = domain == "persistent"
	parts := strings.SplitN(rest, "/", 4)
	for _, part := range parts {
		if part == "" {
			return n, errorf(bridge.ErrInvalid, "topic %q: a part of the name is empty", full)
		}
	}
	if len(parts) < 3 {
		return n, errorf(bridge.ErrInvalid, "topic %q: the name must be tenant/namespace/topic", full)
	}
	n.namespace = strings.Join(parts[:len(parts)-1], "/")
	if i := strings.LastIndex(full, partitionSuffix); i >= 0 {
		digits := full[i+len(partitionSuffix):]
		if p, err := strconv.ParseInt(digits, 10, 32); err == nil && strconv.FormatInt(p, 10) == digits && p >= 0 {
			n.partition = int32(p)
		}
	}
	return n, nil
}

// base is the name without -partition-N.
func (n *topicName) base() string {
	if n.partition < 0 {
		return n.full
	}
	return n.full[:strings.LastIndex(n.full, partitionSuffix)]
}

func partitionName(base string, i int) string { return base + partitionSuffix + strconv.Itoa(i) }

// errorf makes the error that the bridge decides on: a kind and one line.
func errorf(kind error, format string, args ...any) error {
	return &bridge.Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// resolve returns the topics behind a full name: all partitions, or the topic
// itself. Those that do not exist yet are created. Called with mu held.
func (u *Upstream) resolve(full string) ([]*topic, error) {
	name, err := u.known(full)
	if err != nil {
		return nil, err
	}
	n, partitioned := u.partitioned[full]
	if !partitioned {
		t, err := u.topicFor(name)
		if err != nil {
			return nil, err
		}
		return []*topic{t}, nil
	}
	topics := make([]*topic, 0, n)
	for i := range n {
		name, err := parseTopic(partitionName(full, i))
		if err != nil {
			return nil, err
		}
		t, err := u.topicFor(name)
		if err != nil {
			return nil, err
		}
		topics = append(topics, t)
	}
	return topics, nil
}

// known parses a topic's name and makes sure that its namespace exists. Called with mu held.
func (u *Upstream) known(full string) (topicName, error) {
	name, err := parseTopic(full)
	if err != nil {
		return name, err
	}
	if !u.hasNamespace(name.namespace) {
		return name, errorf(bridge.ErrNotFound, "namespace %s of topic %s does not exist", name.namespace, full)
	}
	return name, nil
}

// hasNamespace reports whether a namespace exists. A broker (4.0.7) takes every
// name of the form property/cluster/namespace, known or not. Called with mu held.
func (u *Upstream) hasNamespace(name string) bool {
	_, ok := u.namespaces[name]
	return ok || strings.Count(name, "/") == 2
}

// topicFor returns the topic of exactly this name. Called with mu held.
func (u *Upstream) topicFor(name topicName) (*topic, error) {
	if t := u.topics[name.full]; t != nil {
		t.step = u.step
		return t, nil
	}
	if err := u.charge(topicCost(name.full), "topic "+name.full); err != nil {
		return nil, err
	}
	u.lastLedger++
	t := &topic{u: u, topicName: name, ledger: u.lastLedger, step: u.step, subs: map[string]*subscription{}, producers: map[string]*producer{}}
	u.topics[name.full] = t
	u.matchNewTopic(t)
	return t, nil
}
