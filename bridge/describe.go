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
	// Upstream are the clients at the upstream that it uses, by [ClientInfo.ID]. A session whose client is its own, which no
	// other will ever use, has none; a reader has more than one on a topic with partitions, and where it is behind. They are
	// not to be changed.
	Upstream []uint64
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
	ID           uint64 // see [SessionInfo.Upstream]: from 1, never given twice in a process
	Kind         ClientKind
	Topic        string
	Subscription string
	Principal    string // see [ProducerSpec.Principal]
	Sessions     int
	Connected    bool // as far as the upstream has noticed
}
