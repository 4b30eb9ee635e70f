package wire

// The commands that come with each message have functions of their own, because
// calls through [Command] reserve memory. They keep what the lists of a command
// have reserved: what a list holds is valid until the command is parsed again.

// AppendFlow is [Append].
func AppendFlow(b []byte, c *Flow) []byte {
	f, at := begin(b, TypeFlow)
	c.fields(&f)
	return f.finish(at)
}

// AppendAck is [Append].
func AppendAck(b []byte, c *Ack) []byte {
	f, at := begin(b, TypeAck)
	c.fields(&f)
	return f.finish(at)
}

// AppendSendReceipt is [Append].
func AppendSendReceipt(b []byte, c *SendReceipt) []byte {
	f, at := begin(b, TypeSendReceipt)
	c.fields(&f)
	return f.finish(at)
}

// ParseFlow is [Parse]. c need not be empty.
func ParseFlow(body []byte, c *Flow) error {
	*c = Flow{}
	f := taken(body)
	for f.more() {
		c.fields(&f)
	}
	return f.end(c.Name())
}

// ParseAck is [Parse]. c need not be empty.
func ParseAck(body []byte, c *Ack) error {
	*c = Ack{MessageIDs: c.MessageIDs[:0], Properties: c.Properties[:0]}
	f := taken(body)
	for f.more() {
		c.fields(&f)
	}
	return f.end(c.Name())
}

// ParseSend is [Parse]. c need not be empty.
func ParseSend(body []byte, c *Send) error {
	c.MessageID.reset()
	*c = Send{MessageID: c.MessageID}
	f := taken(body)
	for f.more() {
		c.fields(&f)
	}
	return f.end(c.Name())
}

// ParseSendReceipt is [Parse]. c need not be empty.
func ParseSendReceipt(body []byte, c *SendReceipt) error {
	c.MessageID.reset()
	*c = SendReceipt{MessageID: c.MessageID}
	f := taken(body)
	for f.more() {
		c.fields(&f)
	}
	return f.end(c.Name())
}

// ParseMessage is [Parse]. c need not be empty.
func ParseMessage(body []byte, c *Message) error {
	c.MessageID.reset()
	*c = Message{MessageID: c.MessageID, AckSet: c.AckSet[:0]}
	f := taken(body)
	for f.more() {
		c.fields(&f)
	}
	return f.end(c.Name())
}

// ParseMetadata parses a MessageMetadata, which is Entry.Metadata. m need not be
// empty; a producer's name that is the same as before needs no memory.
func ParseMetadata(b []byte, m *Metadata) error {
	*m = Metadata{
		ProducerName: m.ProducerName, // is always overwritten
		Properties:   m.Properties[:0], ReplicateTo: m.ReplicateTo[:0], EncryptionKeys: m.EncryptionKeys[:0],
	}
	f := taken(b)
	for f.more() {
		m.fields(&f)
	}
	return f.end("MessageMetadata")
}

// ParseBrokerEntryMetadata parses Entry.Broker. m need not be empty.
func ParseBrokerEntryMetadata(b []byte, m *BrokerEntryMetadata) error {
	*m = BrokerEntryMetadata{}
	f := taken(b)
	for f.more() {
		m.fields(&f)
	}
	return f.end("BrokerEntryMetadata")
}
