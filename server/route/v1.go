package route

import "github.com/pulsegate/pulsegate/topic"

// brokerName is the name under which the brokers have the topic that a client gives the
// full name of. where is the place that a refusal names. A name need not be valid where
// none is changed: then the broker refuses it, and nobody but a super-user comes that far.
func (o Options) brokerName(where, full string) (topic.Name, error) {
	name, err := topic.Parse(full)
	if !o.V1WithoutCluster {
		return name, nil
	}
	if err == nil {
		name, err = name.WithoutCluster()
	}
	if err != nil {
		return topic.Name{}, invalid("%s: %s cannot be mapped to {property}/{namespace}/{topic}: a topic's name has no / on this cluster", where, shown(full))
	}
	return name, nil
}

// StatsTopic is the name of the topic that a client asks for the statistics of by its
// full name; ok is false for one that no session can be on.
func (o Options) StatsTopic(full string) (name string, ok bool) {
	if !o.V1WithoutCluster {
		return full, true
	}
	mapped, err := o.brokerName("", full)
	return mapped.String(), err == nil
}
