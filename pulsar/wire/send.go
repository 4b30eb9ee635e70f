package wire

// Send is CommandSend: publish a message, or a batch. An entry follows.
type Send struct {
	ProducerID, SequenceID uint64
	NumMessages            int32 // of a batch; 0 stands for 1
	TxnIDLeastBits         uint64
	TxnIDMostBits          uint64
	HighestSequenceID      uint64 // of the last message in a batch
	IsChunk                bool
	Marker                 bool
	MessageID              MessageID // for replicators
	HasMessageID           bool
}

// Type implements [Command].
func (c *Send) Type() Type { return TypeSend }

// Name implements [Command].
func (c *Send) Name() string { return "CommandSend" }

func (c *Send) fields(f *fields) {
	f.uint64(1, required, &c.ProducerID)
	f.uint64(2, required, &c.SequenceID)
	f.int32(3, optional, &c.NumMessages)
	f.uint64(4, optional, &c.TxnIDLeastBits)
	f.uint64(5, optional, &c.TxnIDMostBits)
	f.uint64(6, optional, &c.HighestSequenceID)
	f.bool(7, &c.IsChunk)
	f.bool(8, &c.Marker)
	f.messageIDIf(9, &c.HasMessageID, &c.MessageID)
}
