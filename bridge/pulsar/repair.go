package pulsar

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// received looks at what the client library received, and changes what that
// would do harm with.
//
// pulsar-client-go v0.19.0 mishandles four things that a broker sends:
//
//   - REACHED_END_OF_TOPIC, which the consumers of a terminated topic get once
//     all is acknowledged. The library does not know it and closes the
//     connection, which all topics share; the consumers reconnect, the broker
//     sends it again, and nobody gets anything done any more. It also is what tells
//     the end of a topic.
//   - A message with neither payload nor properties, outside of a batch: the
//     library takes it for corrupt and acknowledges it, so that it is lost. One
//     with an empty payload that its producer compressed comes as what the compression made of it.
//   - A batch of which some messages are acknowledged: it leaves those out, and
//     does not tell which.
//   - CLOSE_CONSUMER, which it acts on too late: see [links].
//
// The library logs each command with its payload before it acts on it, and
// that is the only place where it shows them; so our logger calls this. The contract
// tests fail if that ceases to work. It runs on the connection's goroutine, which
// owns both.
func received(logged []any, watch watcher) {
	if len(logged) != 2 {
		return
	}
	m, ok := logged[0].(proto.Message)
	if !ok {
		return
	}
	command := m.ProtoReflect()
	kinds := commandType(command.Descriptor())
	if kinds == nil {
		return
	}
	switch command.Get(kinds.field).Enum() {
	case kinds.endOfTopic:
		watch.endReached(command.Get(kinds.ending).Message().Get(kinds.endingConsumer).Uint())
		command.Set(kinds.field, protoreflect.ValueOfEnum(kinds.pong)) // to which nothing is done
	case kinds.message:
		kinds.lookForAcks(command.Get(kinds.delivery).Message(), watch)
		if frame, ok := logged[1].(frameBuffer); ok {
			if repaired := repairEmpty(frame.ReadableSlice()); repaired != nil {
				frame.Clear()
				frame.Write(repaired)
			}
		}
	}
}

// watcher is told what a broker sends before the client library acts on it. Its methods must not block.
type watcher interface {
	// endReached says that a consumer's topic is terminated and all of it acknowledged.
	endReached(consumer uint64)
	// partlyAcked says that an entry which arrives now is a batch of which only those messages are
	// not acknowledged whose bits are set in left.
	partlyAcked(consumer uint64, e entryID, left []int64)
}

// frameBuffer is what of the library's buffers is of use here.
type frameBuffer interface {
	ReadableSlice() []byte
	Clear()
	Write([]byte)
}

// commandKinds is the type field of BaseCommand (PulsarApi.proto) and some of
// its values, and where those commands have what is of use here.
type commandKinds struct {
	field                                    protoreflect.FieldDescriptor
	endOfTopic, pong, message, closeConsumer protoreflect.EnumNumber

	closing, consumer                     protoreflect.FieldDescriptor // CLOSE_CONSUMER
	ending, endingConsumer                protoreflect.FieldDescriptor // REACHED_END_OF_TOPIC
	delivery, deliveredTo, left           protoreflect.FieldDescriptor // MESSAGE
	deliveredID, deliveredIn, deliveredAt protoreflect.FieldDescriptor // its id, with ledger and entry
}

var knownCommand atomic.Pointer[commandKinds]

// commandType returns nil for messages that are not a BaseCommand.
func commandType(d protoreflect.MessageDescriptor) *commandKinds {
	if k := knownCommand.Load(); k != nil && k.field.ContainingMessage() == d {
		return k
	}
	if d.FullName() != "pulsar.proto.BaseCommand" {
		return nil
	}
	k := &commandKinds{
		field: d.Fields().ByName("type"), closing: d.Fields().ByName("close_consumer"),
		ending: d.Fields().ByName("reachedEndOfTopic"), delivery: d.Fields().ByName("message"),
	}
	number := func(of protoreflect.FieldDescriptor, name protoreflect.Name) protoreflect.EnumNumber {
		return of.Enum().Values().ByName(name).Number()
	}
	k.endOfTopic, k.pong = number(k.field, "REACHED_END_OF_TOPIC"), number(k.field, "PONG")
	k.message, k.closeConsumer = number(k.field, "MESSAGE"), number(k.field, "CLOSE_CONSUMER")
	k.consumer = k.closing.Message().Fields().ByName("consumer_id")
	k.endingConsumer = k.ending.Message().Fields().ByName("consumer_id")
	fields := k.delivery.Message().Fields()
	k.deliveredTo, k.left, k.deliveredID = fields.ByName("consumer_id"), fields.ByName("ack_set"), fields.ByName("message_id")
	fields = k.deliveredID.Message().Fields()
	k.deliveredIn, k.deliveredAt = fields.ByName("ledgerId"), fields.ByName("entryId")
	knownCommand.Store(k)
	return k
}

// lookForAcks hands on what a MESSAGE says of the messages in it that are acknowledged.
func (k *commandKinds) lookForAcks(m protoreflect.Message, watch watcher) {
	list := m.Get(k.left).List()
	if list.Len() == 0 {
		return
	}
	left := make([]int64, list.Len())
	for i := range left {
		left[i] = list.Get(i).Int()
	}
	id := m.Get(k.deliveredID).Message()
	watch.partlyAcked(m.Get(k.deliveredTo).Uint(),
		entryID{int64(id.Get(k.deliveredIn).Uint()), int64(id.Get(k.deliveredAt).Uint())}, left)
}

const (
	// emptyMark is the property that repairEmpty gives a message; with one the
	// library takes it for sound. It is removed before delivery.
	emptyMark = "pulsegate.empty"

	magicBrokerMetadata = 0x0e02
	magicChecksum       = 0x0e01

	fieldProperties      = 4 // of MessageMetadata
	fieldCompression     = 8
	fieldUncompressed    = 9
	fieldMessagesInBatch = 11
	fieldEncryptionKeys  = 13
	fieldKey             = 1 // of KeyValue
	fieldValue           = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// repairEmpty takes away what compression made of a message's empty payload, and
// gives a message without payload a property. It returns nil for any other, and
// for one that is a batch, encrypted, or has nothing to repair. A frame is, in the words
// of the binary protocol: [magic, size, broker metadata] magic, CRC-32C of the rest, size,
// metadata, payload.
func repairEmpty(frame []byte) []byte {
	rest := frame
	if len(rest) >= 6 && binary.BigEndian.Uint16(rest) == magicBrokerMetadata {
		size := int(binary.BigEndian.Uint32(rest[2:]))
		if size > len(rest)-6 {
			return nil
		}
		rest = rest[6+size:]
	}
	if len(rest) < 10 || binary.BigEndian.Uint16(rest) != magicChecksum {
		return nil
	}
	size := int(binary.BigEndian.Uint32(rest[6:]))
	if size > len(rest)-10 {
		return nil
	}
	metadata, payload := rest[10:10+size], rest[10+size:]
	if len(payload) > 0 && !emptyCompressed(metadata) || has(metadata, fieldMessagesInBatch) {
		return nil
	}
	marked := has(metadata, fieldProperties)
	if marked && len(payload) == 0 || crc32.Checksum(rest[6:], castagnoli) != binary.BigEndian.Uint32(rest[2:]) {
		return nil
	}
	out := slices.Clone(frame[:len(frame)-len(payload)])
	if !marked {
		var property []byte
		property = protowire.AppendTag(property, fieldKey, protowire.BytesType)
		property = protowire.AppendString(property, emptyMark)
		property = protowire.AppendTag(property, fieldValue, protowire.BytesType)
		property = protowire.AppendString(property, "")
		out = protowire.AppendTag(out, fieldProperties, protowire.BytesType)
		out = protowire.AppendBytes(out, property)
	}
	head := out[len(frame)-len(rest):]
	binary.BigEndian.PutUint32(head[6:], uint32(len(head)-10))
	binary.BigEndian.PutUint32(head[2:], crc32.Checksum(head[6:], castagnoli))
	return out
}

// emptyCompressed reports the metadata of a payload that is compressed, not
// encrypted, and was empty before.
func emptyCompressed(metadata []byte) bool {
	compressed := false
	for len(metadata) > 0 {
		number, kind, n := protowire.ConsumeTag(metadata)
		if n < 0 || number == fieldEncryptionKeys {
			return false
		}
		metadata = metadata[n:]
		if kind == protowire.VarintType && (number == fieldCompression || number == fieldUncompressed) {
			value, n := protowire.ConsumeVarint(metadata)
			if n < 0 || number == fieldUncompressed && value != 0 {
				return false
			}
			compressed = compressed || number == fieldCompression && value != 0
		}
		if n = protowire.ConsumeFieldValue(number, kind, metadata); n < 0 {
			return false
		}
		metadata = metadata[n:]
	}
	return compressed
}

// has reports that a protobuf message has a field, or cannot be read.
func has(message []byte, field protowire.Number) bool {
	for len(message) > 0 {
		number, _, n := protowire.ConsumeField(message)
		if n < 0 || number == field {
			return true
		}
		message = message[n:]
	}
	return false
}
