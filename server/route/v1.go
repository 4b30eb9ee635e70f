package route

import "github.com/pulsegate/pulsegate/topic"

// brokerName is the name under which the brokers have the topic that a client gives the
// full name of. where is the place that a refusal names.
func (o Options) brokerName(where, full string) (string, error) {
	if !o.V1WithoutCluster {
		return full, nil
	}
	name, err := topic.Parse(full)
	if err == nil {
		name, err = name.WithoutCluster()
	}
	if err != nil {
		return "", invalid("%s: %s cannot be mapped to {property}/{namespace}/{topic}: a topic's name has no / on this cluster", where, shown(full))
	}
	return name.String(), nil
}

// StatsTopic is the name of the topic that a client asks for the statistics of by its
// full name; ok is false for one that no session can be on.
func (o Options) StatsTopic(full string) (name string, ok bool) {
	name, err := o.brokerName("", full)
	return name, err == nil
}
