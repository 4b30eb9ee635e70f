package wire

// Flow is CommandFlow: the consumer takes so many more messages.
type Flow struct {
	ConsumerID     uint64
	MessagePermits uint32
}

// Type implements [Command].
func (c *Flow) Type() Type { return TypeFlow }

// Name implements [Command].
func (c *Flow) Name() string { return "CommandFlow" }

func (c *Flow) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.uint32(2, required, &c.MessagePermits)
}

// Message is CommandMessage: a message, or a batch, for a consumer. An entry
// follows.
type Message struct {
	ConsumerID       uint64
	MessageID        MessageID
	RedeliveryCount  uint32
	AckSet           []int64 // as in [MessageID.AckSet]; empty: none of the batch is acknowledged
	ConsumerEpoch    uint64
	HasConsumerEpoch bool
}

// Type implements [Command].
func (c *Message) Type() Type { return TypeMessage }

// Name implements [Command].
func (c *Message) Name() string { return "CommandMessage" }

func (c *Message) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.messageID(2, &c.MessageID)
	f.uint32(3, optional, &c.RedeliveryCount)
	f.int64s(4, &c.AckSet)
	f.uint64If(5, &c.HasConsumerEpoch, &c.ConsumerEpoch)
}

// Ack is CommandAck: messages are acknowledged.
type Ack struct {
	ConsumerID         uint64
	AckType            AckType
	MessageIDs         []MessageID // message_id
	ValidationError    ValidationError
	HasValidationError bool
	Properties         []KeyLongValue
	TxnIDLeastBits     uint64
	TxnIDMostBits      uint64
	RequestID          uint64 // asks for an [AckResponse]
	HasRequestID       bool
}

// Type implements [Command].
func (c *Ack) Type() Type { return TypeAck }

// Name implements [Command].
func (c *Ack) Name() string { return "CommandAck" }

func (c *Ack) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.int32(2, required, (*int32)(&c.AckType))
	f.messageIDs(3, &c.MessageIDs)
	f.int32If(4, &c.HasValidationError, (*int32)(&c.ValidationError))
	inners(f, 5, "KeyLongValue", &c.Properties)
	f.uint64(6, optional, &c.TxnIDLeastBits)
	f.uint64(7, optional, &c.TxnIDMostBits)
	f.uint64If(8, &c.HasRequestID, &c.RequestID)
}

// AckResponse is CommandAckResponse, the answer to [Ack].
type AckResponse struct {
	ConsumerID     uint64
	TxnIDLeastBits uint64
	TxnIDMostBits  uint64
	Error          ServerError
	HasError       bool
	Message        string
	RequestID      uint64
	HasRequestID   bool
}

// Type implements [Command].
func (c *AckResponse) Type() Type { return TypeAckResponse }

// Name implements [Command].
func (c *AckResponse) Name() string { return "CommandAckResponse" }

func (c *AckResponse) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.uint64(2, optional, &c.TxnIDLeastBits)
	f.uint64(3, optional, &c.TxnIDMostBits)
	f.int32If(4, &c.HasError, (*int32)(&c.Error))
	f.string(5, optional, &c.Message)
	f.uint64If(6, &c.HasRequestID, &c.RequestID)
}

// Redeliver is CommandRedeliverUnacknowledgedMessages: send messages again, those
// named or, if none is, all that are not acknowledged.
type Redeliver struct {
	ConsumerID       uint64
	MessageIDs       []MessageID // message_ids
	ConsumerEpoch    uint64
	HasConsumerEpoch bool
}

// Type implements [Command].
func (c *Redeliver) Type() Type { return TypeRedeliver }

// Name implements [Command].
func (c *Redeliver) Name() string { return "CommandRedeliverUnacknowledgedMessages" }

func (c *Redeliver) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.messageIDs(2, &c.MessageIDs)
	f.uint64If(3, &c.HasConsumerEpoch, &c.ConsumerEpoch)
}

// ReachedEndOfTopic is CommandReachedEndOfTopic: the topic is terminated and
// everything in it was delivered.
type ReachedEndOfTopic struct {
	ConsumerID uint64
}

// Type implements [Command].
func (c *ReachedEndOfTopic) Type() Type { return TypeReachedEndOfTopic }

// Name implements [Command].
func (c *ReachedEndOfTopic) Name() string { return "CommandReachedEndOfTopic" }

func (c *ReachedEndOfTopic) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
}

// ActiveConsumerChange is CommandActiveConsumerChange: a consumer of a Failover
// subscription is now the one that is served, or no longer.
type ActiveConsumerChange struct {
	ConsumerID uint64
	IsActive   bool
}

// Type implements [Command].
func (c *ActiveConsumerChange) Type() Type { return TypeActiveConsumerChange }

// Name implements [Command].
func (c *ActiveConsumerChange) Name() string { return "CommandActiveConsumerChange" }

func (c *ActiveConsumerChange) fields(f *fields) {
	f.uint64(1, required, &c.ConsumerID)
	f.bool(2, &c.IsActive)
}
