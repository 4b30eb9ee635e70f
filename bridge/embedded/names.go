package embedded

import (
	"fmt"
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	names "github.com/pulsegate/pulsegate/topic"
)

// parse takes a full name apart.
func parse(full string) (names.Name, error) {
	n, err := names.Parse(full)
	if err != nil {
		return n, errorf(bridge.ErrInvalid, "%v", err)
	}
	return n, nil
}

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
		name, err := parse(names.PartitionName(full, i))
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
func (u *Upstream) known(full string) (names.Name, error) {
	name, err := parse(full)
	if err != nil {
		return name, err
	}
	if !u.hasNamespace(name.Namespace()) {
		return name, errorf(bridge.ErrNotFound, "namespace %s of topic %s does not exist", name.Namespace(), full)
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
func (u *Upstream) topicFor(name names.Name) (*topic, error) {
	if t := u.topics[name.String()]; t != nil {
		t.step = u.step
		return t, nil
	}
	if err := u.charge(topicCost(name.String()), "topic "+name.String()); err != nil {
		return nil, err
	}
	u.lastLedger++
	t := &topic{u: u, Name: name, ledger: u.lastLedger, step: u.step, subs: map[string]*subscription{}, producers: map[string]*producer{}}
	u.topics[name.String()] = t
	u.matchNewTopic(t)
	return t, nil
}
