package subscribe

import (
	"unique"

	"github.com/pulsegate/pulsegate/bridge"
)

// keptSpec is a [bridge.ConsumerSpec] as a subscription keeps it. Very many differ in their topic and subscription only: the rest
// of all that are alike is there once.
type keptSpec struct {
	topic, subscription string
	rest                unique.Handle[bridge.ConsumerSpec] // without these
}

func keepSpec(s bridge.ConsumerSpec) keptSpec {
	k := keptSpec{topic: s.Topic, subscription: s.Subscription}
	s.Topic, s.Subscription = "", ""
	k.rest = unique.Make(s)
	return k
}

// get is the whole of it.
func (k *keptSpec) get() bridge.ConsumerSpec {
	s := k.rest.Value()
	s.Topic, s.Subscription = k.topic, k.subscription
	return s
}

func (k *keptSpec) topicName() string {
	s := k.get()
	return topicName(&s)
}
