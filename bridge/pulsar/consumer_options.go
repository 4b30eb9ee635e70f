package pulsar

import (
	"sync"

	"github.com/pulsegate/pulsegate/bridge"
	client "github.com/pulsegate/pulsegate/pulsar"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// consumerKind is what the options of a consumer follow from.
type consumerKind struct {
	kind       bridge.SubscriptionType
	principal  string
	nonDurable bool
	earliest   bool
	queue      int
	name       string
	priority   int
	crypto     bridge.CryptoFailureAction
}

// optionsTable keeps the options of the consumers there are, so that those that are alike share them.
type optionsTable struct {
	mu sync.Mutex // guards by and what is in it
	by map[consumerKind]*sharedOptions
}

// sharedOptions are options, and how many consumers have them.
type sharedOptions struct {
	o     client.ConsumerOptions
	kind  consumerKind
	users int
}

// get returns the options for spec. They are to be released.
func (t *optionsTable) get(u *Upstream, spec *bridge.ConsumerSpec) *sharedOptions {
	k := consumerKind{
		kind: spec.Type, principal: spec.Principal, nonDurable: spec.NonDurable, earliest: spec.Earliest, queue: max(spec.Queue, 1), name: spec.Name, priority: spec.PriorityLevel, crypto: spec.CryptoFailure,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.by[k]
	if s == nil {
		s = &sharedOptions{kind: k, o: client.ConsumerOptions{
			Type: subscriptionTypes[k.kind], Principal: k.principal, Name: k.name, PriorityLevel: int32(k.priority), NonDurable: k.nonDurable, Window: k.queue,
			InitialPosition: wire.Latest, Decrypt: u.decrypt(), Sealed: sealedActions[k.crypto],
		}}
		if k.earliest {
			s.o.InitialPosition = wire.Earliest
		}
		if t.by == nil {
			t.by = map[consumerKind]*sharedOptions{}
		}
		t.by[k] = s
	}
	s.users++
	return s
}

func (t *optionsTable) release(s *sharedOptions) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(t.by, s.kind)
	}
}

var subscriptionTypes = map[bridge.SubscriptionType]wire.SubType{
	bridge.Exclusive: wire.Exclusive, bridge.Shared: wire.Shared, bridge.Failover: wire.Failover, bridge.KeyShared: wire.KeyShared,
}
