package wire

// Subscribe is CommandSubscribe: create a consumer.
type Subscribe struct {
	Topic                           string // the full name; of one partition if it has several
	Subscription                    string
	SubType                         SubType
	ConsumerID                      uint64 // chosen by the client, of this connection
	RequestID                       uint64
	ConsumerName                    string
	PriorityLevel                   int32      // 0 is served first
	NonDurable                      bool       // the opposite of durable
	StartMessageID                  *MessageID // of a subscription that is not durable: where it begins
	Metadata                        []KeyValue
	ReadCompacted                   bool
	Schema                          *Schema
	InitialPosition                 InitialPosition // of a subscription that is new
	ReplicateSubscriptionState      bool
	NoTopicCreation                 bool // the opposite of force_topic_creation
	StartMessageRollbackDurationSec uint64
	KeySharedMeta                   *KeySharedMeta
	SubscriptionProperties          []KeyValue
	ConsumerEpoch                   uint64
	HasConsumerEpoch                bool
}

// Type implements [Command].
func (c *Subscribe) Type() Type { return TypeSubscribe }

// Name implements [Command].
func (c *Subscribe) Name() string { return "CommandSubscribe" }

func (c *Subscribe) fields(f *fields) {
	f.string(1, required, &c.Topic)
	f.string(2, required, &c.Subscription)
	f.int32(3, required, (*int32)(&c.SubType))
	f.uint64(4, required, &c.ConsumerID)
	f.uint64(5, required, &c.RequestID)
	f.string(6, optional, &c.ConsumerName)
	f.int32(7, optional, &c.PriorityLevel)
	f.boolNot(8, &c.NonDurable)
	innerIf(f, 9, "MessageIdData", &c.StartMessageID)
	f.keyValues(10, &c.Metadata)
	f.bool(11, &c.ReadCompacted)
	innerIf(f, 12, "Schema", &c.Schema)
	f.int32(13, optional, (*int32)(&c.InitialPosition))
	f.bool(14, &c.ReplicateSubscriptionState)
	f.boolNot(15, &c.NoTopicCreation)
	f.uint64(16, optional, &c.StartMessageRollbackDurationSec)
	innerIf(f, 17, "KeySharedMeta", &c.KeySharedMeta)
	f.keyValues(18, &c.SubscriptionProperties)
	f.uint64If(19, &c.HasConsumerEpoch, &c.ConsumerEpoch)
}

// KeySharedMeta is KeySharedMeta: how Key_Shared hands out keys.
type KeySharedMeta struct {
	Mode                    KeySharedMode // keySharedMode
	HashRanges              []IntRange    // of Sticky: those that this consumer takes
	AllowOutOfOrderDelivery bool
}

func (m *KeySharedMeta) fields(f *fields) {
	f.int32(1, required, (*int32)(&m.Mode))
	inners(f, 3, "IntRange", &m.HashRanges)
	f.bool(4, &m.AllowOutOfOrderDelivery)
}

// IntRange is IntRange, both ends included.
type IntRange struct {
	Start int32
	End   int32
}

func (m *IntRange) fields(f *fields) {
	f.int32(1, required, &m.Start)
	f.int32(2, required, &m.End)
}

// Unsubscribe is CommandUnsubscribe: delete the subscription.
type Unsubscribe struct {
	ConsumerID uint64
	RequestID  uint64
	Force      bool // also with other consumers connected
}

// Type implements [Command].
func (c *Unsubscribe) Type() Type { return TypeUnsubscribe }

// Name implements [Command].
func (c *Unsubscribe) Name() string { return "CommandUnsubscribe" }

func (c *Unsubscribe) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.uint64(2, required, &c.RequestID)
	f.bool(3, &c.Force)
}

// CloseConsumer is CommandCloseConsumer: close a consumer; from a broker: it has
// been closed and may subscribe again, at the assigned broker if one is named.
type CloseConsumer struct {
	ConsumerID                  uint64
	RequestID                   uint64 // of no meaning from a broker
	AssignedBrokerServiceURL    string
	AssignedBrokerServiceURLTLS string
}

// Type implements [Command].
func (c *CloseConsumer) Type() Type { return TypeCloseConsumer }

// Name implements [Command].
func (c *CloseConsumer) Name() string { return "CommandCloseConsumer" }

func (c *CloseConsumer) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.uint64(2, required, &c.RequestID)
	f.string(3, optional, &c.AssignedBrokerServiceURL)
	f.string(4, optional, &c.AssignedBrokerServiceURLTLS)
}

// Seek is CommandSeek: move the subscription, to a message or to a time.
type Seek struct {
	ConsumerID            uint64
	RequestID             uint64
	MessageID             *MessageID
	MessagePublishTime    uint64 // ms since 1970
	HasMessagePublishTime bool
}

// Type implements [Command].
func (c *Seek) Type() Type { return TypeSeek }

// Name implements [Command].
func (c *Seek) Name() string { return "CommandSeek" }

func (c *Seek) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.uint64(2, required, &c.RequestID)
	innerIf(f, 3, "MessageIdData", &c.MessageID)
	f.uint64If(4, &c.HasMessagePublishTime, &c.MessagePublishTime)
}

// GetLastMessageID is CommandGetLastMessageId: what is the topic's last message?
type GetLastMessageID struct {
	ConsumerID uint64
	RequestID  uint64
}

// Type implements [Command].
func (c *GetLastMessageID) Type() Type { return TypeGetLastMessageID }

// Name implements [Command].
func (c *GetLastMessageID) Name() string { return "CommandGetLastMessageId" }

func (c *GetLastMessageID) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.uint64(2, required, &c.RequestID)
}

// GetLastMessageIDResponse is CommandGetLastMessageIdResponse, the answer to
// [GetLastMessageID].
type GetLastMessageIDResponse struct {
	LastMessageID              MessageID // its EntryID is the unsigned form of -1 while there is none
	RequestID                  uint64
	ConsumerMarkDeletePosition *MessageID // up to where all is acknowledged
}

// Type implements [Command].
func (c *GetLastMessageIDResponse) Type() Type { return TypeGetLastMessageIDResponse }

// Name implements [Command].
func (c *GetLastMessageIDResponse) Name() string { return "CommandGetLastMessageIdResponse" }

func (c *GetLastMessageIDResponse) fields(f *fields) {
	f.messageID(1, &c.LastMessageID)
	f.uint64(2, required, &c.RequestID)
	innerIf(f, 3, "MessageIdData", &c.ConsumerMarkDeletePosition)
}
