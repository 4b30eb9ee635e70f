package bridge

// SessionInfo is what a session is doing, for an operator.
type SessionInfo struct {
	Topic        string
	Subscription string // "" for all but consumers
	Type         SubscriptionType
	Messages     uint64 // published and confirmed, or delivered
	Unacked      int    // delivered and not acknowledged
	Window       int    // how many it may have of them; 0: as many as it asks for
	InFlight     int    // publishes whose answer is not written
	Sharing      int    // sessions that use the same client at the upstream
}

// ClientKind is what a client at the upstream is.
type ClientKind uint8

// The kinds of clients.
const (
	ClientProducer ClientKind = iota
	ClientConsumer
	ClientTail   // a reader at the end of a topic that sessions share
	ClientReader // one that is behind
)

// String names the kind.
func (k ClientKind) String() string { return [...]string{"producer", "consumer", "tail", "reader"}[k] }

// ClientInfo is a client at the upstream that sessions may share, for an operator.
type ClientInfo struct {
	Kind         ClientKind
	Topic        string
	Subscription string
	Principal    string // see [ProducerSpec.Principal]
	Sessions     int
	Connected    bool // as far as the upstream has noticed
}

// Outlets calls visit with the outlet of each open session, in no order, until it returns
// false. A session that opens or ends meanwhile may be left out, or be visited although it has ended.
func (b *Bridge) Outlets(visit func(Outlet) bool) {
	r := &b.stats
	r.mu.Lock()
	list := make([]Outlet, 0, r.sessions.producers+r.sessions.consumers+r.sessions.readers)
	for _, t := range r.topics {
		for c := range t.producers {
			list = append(list, c.out)
		}
		for c := range t.consumers {
			_, out := c.of.count()
			list = append(list, out)
		}
	}
	r.mu.Unlock()
	for _, out := range list {
		if !visit(out) {
			return
		}
	}
}

// Clients calls visit with each client at the upstream that sessions may share, in no order, until it returns false.
func (b *Bridge) Clients(visit func(*ClientInfo) bool) {
	for _, c := range b.clients() {
		if !visit(&c) {
			return
		}
	}
}

// clients lists them. Subscriptions are asked once the bridge's mutex is released.
func (b *Bridge) clients() []ClientInfo {
	b.mu.Lock()
	list := make([]ClientInfo, 0, len(b.producers)+len(b.groups)+len(b.tails))
	subs := make([]*subscription, 0, len(b.groups))
	for _, e := range b.producers {
		if e.up.Load() != nil {
			list = append(list, ClientInfo{Kind: ClientProducer, Topic: e.spec.Topic, Principal: e.spec.Principal, Sessions: e.lease.count(), Connected: true})
		}
	}
	for _, g := range b.groups {
		subs = append(subs, g.entries...)
	}
	for _, t := range b.tails {
		list = append(list, ClientInfo{Kind: ClientTail, Topic: t.key.topic, Principal: t.key.principal, Sessions: t.lease.count(), Connected: true})
		for _, c := range t.catchUps {
			list = append(list, ClientInfo{Kind: ClientReader, Topic: t.key.topic, Principal: t.key.principal, Sessions: c.lease.count(), Connected: true})
		}
	}
	b.mu.Unlock()
	for _, sub := range subs {
		n, _ := sub.load()
		spec := sub.spec.get()
		list = append(list, ClientInfo{
			Kind: ClientConsumer, Topic: spec.topicName(), Subscription: spec.Subscription, Principal: spec.Principal, Sessions: n, Connected: sub.connected(),
		})
	}
	return list
}

// Describe implements [Session].
func (s *producerSession) Describe(i *SessionInfo) {
	i.Topic = s.e.spec.Topic
	i.Messages = s.stats.published.Load()
	i.InFlight = s.InFlight()
	b := s.e.b
	b.mu.Lock()
	i.Sharing = s.e.lease.count()
	b.mu.Unlock()
}

// Describe implements [Session].
func (s *consumerSession) Describe(i *SessionInfo) {
	sub := s.sub
	spec := sub.spec.get()
	i.Topic, i.Subscription, i.Type = spec.topicName(), spec.Subscription, spec.Type
	i.Messages = s.stats.delivered.Load()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	i.Unacked, i.Sharing = s.owned, sub.ledger.expected
	if !s.pull {
		i.Window = int(s.window)
	}
}

// Describe implements [Session].
func (s *readerSession) Describe(i *SessionInfo) {
	i.Topic, i.Window = s.topic(), int(s.window)
	i.Messages = s.stats.delivered.Load()
	s.mu.Lock()
	i.Unacked = int(s.sent)
	s.mu.Unlock()
	t := s.cursor(0).tail // of the first partition, where there are several
	s.b.mu.Lock()
	i.Sharing = t.lease.count()
	s.b.mu.Unlock()
}
