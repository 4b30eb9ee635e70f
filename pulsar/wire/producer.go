package wire

// Producer is CommandProducer: create a producer.
type Producer struct {
	Topic         string // the full name; of one partition if it has several
	ProducerID    uint64 // chosen by the client, of this connection
	RequestID     uint64
	ProducerName  string // "": the broker chooses
	Encrypted     bool   // this producer encrypts what it sends
	Metadata      []KeyValue
	Schema        *Schema
	Epoch         uint64             // raised with each reconnect, so that an older attempt is told from a newer
	GeneratedName bool               // the opposite of user_provided_producer_name
	AccessMode    ProducerAccessMode // producer_access_mode
	// TopicEpoch is what [ProducerSuccess] said the first time, for all access modes
	// but AccessShared.
	TopicEpoch              uint64
	HasTopicEpoch           bool
	TxnEnabled              bool
	InitialSubscriptionName string
}

// Type implements [Command].
func (c *Producer) Type() Type { return TypeProducer }

// Name implements [Command].
func (c *Producer) Name() string { return "CommandProducer" }

func (c *Producer) fields(f *fields) {
	f.string(1, required, &c.Topic)
	f.uint64(2, required, &c.ProducerID)
	f.uint64(3, required, &c.RequestID)
	f.string(4, optional, &c.ProducerName)
	f.bool(5, &c.Encrypted)
	f.keyValues(6, &c.Metadata)
	innerIf(f, 7, "Schema", &c.Schema)
	f.uint64(8, optional, &c.Epoch)
	f.boolNot(9, &c.GeneratedName)
	f.int32(10, optional, (*int32)(&c.AccessMode))
	f.uint64If(11, &c.HasTopicEpoch, &c.TopicEpoch)
	f.bool(12, &c.TxnEnabled)
	f.string(13, optional, &c.InitialSubscriptionName)
}

// ProducerSuccess is CommandProducerSuccess, the answer to [Producer].
type ProducerSuccess struct {
	RequestID    uint64
	ProducerName string
	// LastSequenceID is the newest that the topic has from a producer of this name;
	// -1, or not told: there is none. It is known only with deduplication.
	LastSequenceID    int64
	HasLastSequenceID bool
	SchemaVersion     []byte
	TopicEpoch        uint64
	HasTopicEpoch     bool
	// NotReady is the opposite of producer_ready: the answer comes again once the
	// producer has its topic for itself.
	NotReady bool
}

// Type implements [Command].
func (c *ProducerSuccess) Type() Type { return TypeProducerSuccess }

// Name implements [Command].
func (c *ProducerSuccess) Name() string { return "CommandProducerSuccess" }

func (c *ProducerSuccess) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.string(2, required, &c.ProducerName)
	f.int64If(3, &c.HasLastSequenceID, &c.LastSequenceID)
	f.bytes(4, optional, &c.SchemaVersion)
	f.uint64If(5, &c.HasTopicEpoch, &c.TopicEpoch)
	f.boolNot(6, &c.NotReady)
}

// CloseProducer is CommandCloseProducer: close a producer; from a broker: it has
// been closed and may be created again, at the assigned broker if one is named.
type CloseProducer struct {
	ProducerID                  uint64
	RequestID                   uint64 // of no meaning from a broker
	AssignedBrokerServiceURL    string
	AssignedBrokerServiceURLTLS string
}

// Type implements [Command].
func (c *CloseProducer) Type() Type { return TypeCloseProducer }

// Name implements [Command].
func (c *CloseProducer) Name() string { return "CommandCloseProducer" }

func (c *CloseProducer) fields(f *fields) {
	f.uint64(1, required, &c.ProducerID)
	f.uint64(2, required, &c.RequestID)
	f.string(3, optional, &c.AssignedBrokerServiceURL)
	f.string(4, optional, &c.AssignedBrokerServiceURLTLS)
}

// SendReceipt is CommandSendReceipt: a message, or a batch, is stored.
type SendReceipt struct {
	ProducerID        uint64
	SequenceID        uint64
	MessageID         MessageID // without one, or with all bits set in both numbers, it was a duplicate
	HasMessageID      bool
	HighestSequenceID uint64 // of the last message in a batch
}

// Type implements [Command].
func (c *SendReceipt) Type() Type { return TypeSendReceipt }

// Name implements [Command].
func (c *SendReceipt) Name() string { return "CommandSendReceipt" }

func (c *SendReceipt) fields(f *fields) {
	f.uint64(1, required, &c.ProducerID)
	f.uint64(2, required, &c.SequenceID)
	f.messageIDIf(3, &c.HasMessageID, &c.MessageID)
	f.uint64(4, optional, &c.HighestSequenceID)
}

// SendError is CommandSendError: a message, or a batch, is not stored.
type SendError struct {
	ProducerID uint64
	SequenceID uint64
	Error      ServerError
	Message    string
}

// Type implements [Command].
func (c *SendError) Type() Type { return TypeSendError }

// Name implements [Command].
func (c *SendError) Name() string { return "CommandSendError" }

func (c *SendError) fields(f *fields) {
	f.uint64(1, required, &c.ProducerID)
	f.uint64(2, required, &c.SequenceID)
	f.int32(3, required, (*int32)(&c.Error))
	f.string(4, required, &c.Message)
}
