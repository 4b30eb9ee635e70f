package wire

import "google.golang.org/protobuf/encoding/protowire"

// KeyValue is KeyValue: a property.
type KeyValue struct{ Key, Value string }

func (m *KeyValue) fields(f *fields) {
	f.string(1, required, &m.Key)
	f.string(2, required, &m.Value)
}

// KeyLongValue is KeyLongValue.
type KeyLongValue struct {
	Key   string
	Value uint64
}

func (m *KeyLongValue) fields(f *fields) {
	f.string(1, required, &m.Key)
	f.uint64(2, required, &m.Value)
}

// keyValues is inners for properties, which messages have: without memory for
// anything but the texts.
func (f *fields) keyValues(n number, list *[]KeyValue) {
	if !f.taking {
		for i := range *list {
			at := f.open(n)
			(*list)[i].fields(f)
			f.close(at)
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		var m KeyValue
		sub := taken(f.s)
		for sub.more() {
			m.fields(&sub)
		}
		*list = append(*list, m)
		f.leave(sub.end("KeyValue"))
	}
}

// Schema is Schema: what the messages of a topic look like.
type Schema struct {
	Name       string
	Data       []byte // schema_data
	Type       SchemaType
	Properties []KeyValue
}

func (m *Schema) fields(f *fields) {
	f.string(1, required, &m.Name)
	f.bytes(3, required, &m.Data)
	f.int32(4, required, (*int32)(&m.Type))
	f.keyValues(5, &m.Properties)
}

// MessageID is MessageIdData: the place of a message in its topic.
type MessageID struct {
	LedgerID, EntryID uint64
	// Partition is of a topic that is one partition; without it the protocol takes -1.
	Partition    int32
	HasPartition bool
	// BatchIndex is the place in a batch; without it the protocol takes -1.
	BatchIndex    int32
	HasBatchIndex bool
	// AckSet has a bit for each message of a batch that is not acknowledged, the
	// first in the lowest bit of the first word.
	AckSet    []int64
	BatchSize int32 // messages in the batch, 0: not told
	// FirstChunk is, of a message in chunks, the place of the first one; its own
	// FirstChunk is not looked at.
	FirstChunk *MessageID // first_chunk_message_id
}

func (m *MessageID) fields(f *fields) {
	m.place(f)
	f.firstChunk(&m.FirstChunk)
}

// place is all but the first chunk, which is a MessageID itself.
func (m *MessageID) place(f *fields) {
	f.uint64(1, required, &m.LedgerID)
	f.uint64(2, required, &m.EntryID)
	f.int32If(3, &m.HasPartition, &m.Partition)
	f.int32If(4, &m.HasBatchIndex, &m.BatchIndex)
	f.int64s(5, &m.AckSet)
	f.int32(6, optional, &m.BatchSize)
}

func (f *fields) firstChunk(id **MessageID) {
	const n = 7
	if !f.taking {
		if *id != nil {
			at := f.open(n)
			(*id).place(f)
			f.close(at)
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		if *id == nil {
			*id = new(MessageID)
		}
		sub := taken(f.s)
		for sub.more() {
			(*id).place(&sub)
		}
		f.leave(sub.end("MessageIdData"))
	}
}

// messageID is inner for an id, without memory of its own.
func (f *fields) messageID(n number, m *MessageID) {
	if !f.taking {
		at := f.open(n)
		m.fields(f)
		f.close(at)
		return
	}
	f.needed |= 1 << n
	for f.at(n, protowire.BytesType) {
		f.takeID(m)
	}
}

// messageIDIf is messageID for one that need not be there.
func (f *fields) messageIDIf(n number, has *bool, m *MessageID) {
	if !f.taking {
		if *has {
			f.messageID(n, m)
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		*has = true
		f.takeID(m)
	}
}

// messageIDs is messageID for any number of them.
func (f *fields) messageIDs(n number, list *[]MessageID) {
	if !f.taking {
		for i := range *list {
			f.messageID(n, &(*list)[i])
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		*list = append(*list, MessageID{})
		f.takeID(&(*list)[len(*list)-1])
	}
}

// takeID takes the id in the current field.
func (f *fields) takeID(m *MessageID) {
	sub := taken(f.s)
	for sub.more() {
		m.fields(&sub)
	}
	f.leave(sub.end("MessageIdData"))
}

// reset makes m empty and keeps what its list has reserved.
func (m *MessageID) reset() { *m = MessageID{AckSet: m.AckSet[:0]} }
