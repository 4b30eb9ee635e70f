package wire

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Type is BaseCommand.Type. It is also the number of the field of BaseCommand that
// holds the command.
type Type int32

// The types of commands that this package has. A broker may send others, which
// their receiver passes over.
const (
	TypeConnect                     Type = 2
	TypeConnected                   Type = 3
	TypeSubscribe                   Type = 4
	TypeProducer                    Type = 5
	TypeSend                        Type = 6
	TypeSendReceipt                 Type = 7
	TypeSendError                   Type = 8
	TypeMessage                     Type = 9
	TypeAck                         Type = 10
	TypeFlow                        Type = 11
	TypeUnsubscribe                 Type = 12
	TypeSuccess                     Type = 13
	TypeError                       Type = 14
	TypeCloseProducer               Type = 15
	TypeCloseConsumer               Type = 16
	TypeProducerSuccess             Type = 17
	TypePing                        Type = 18
	TypePong                        Type = 19
	TypeRedeliver                   Type = 20 // REDELIVER_UNACKNOWLEDGED_MESSAGES
	TypePartitionedMetadata         Type = 21
	TypePartitionedMetadataResponse Type = 22
	TypeLookup                      Type = 23
	TypeLookupResponse              Type = 24
	TypeReachedEndOfTopic           Type = 27
	TypeSeek                        Type = 28
	TypeGetLastMessageID            Type = 29
	TypeGetLastMessageIDResponse    Type = 30
	TypeActiveConsumerChange        Type = 31
	TypeGetTopics                   Type = 32 // GET_TOPICS_OF_NAMESPACE
	TypeGetTopicsResponse           Type = 33 // GET_TOPICS_OF_NAMESPACE_RESPONSE
	TypeAuthChallenge               Type = 36
	TypeAuthResponse                Type = 37
	TypeAckResponse                 Type = 38
	TypeWatchTopicList              Type = 64
	TypeWatchTopicListSuccess       Type = 65
	TypeWatchTopicUpdate            Type = 66
	TypeWatchTopicListClose         Type = 67
	TypeTopicMigrated               Type = 68
)

// Command is one of the commands of this package, by its address.
type Command interface {
	message
	// Type is what the command is in BaseCommand.
	Type() Type
	// Name is the name of its message in PulsarApi.proto.
	Name() string
}

// commands makes an empty command of each type.
var commands = map[Type]func() Command{
	TypeConnect:                     func() Command { return new(Connect) },
	TypeConnected:                   func() Command { return new(Connected) },
	TypeSubscribe:                   func() Command { return new(Subscribe) },
	TypeProducer:                    func() Command { return new(Producer) },
	TypeSend:                        func() Command { return new(Send) },
	TypeSendReceipt:                 func() Command { return new(SendReceipt) },
	TypeSendError:                   func() Command { return new(SendError) },
	TypeMessage:                     func() Command { return new(Message) },
	TypeAck:                         func() Command { return new(Ack) },
	TypeFlow:                        func() Command { return new(Flow) },
	TypeUnsubscribe:                 func() Command { return new(Unsubscribe) },
	TypeSuccess:                     func() Command { return new(Success) },
	TypeError:                       func() Command { return new(Error) },
	TypeCloseProducer:               func() Command { return new(CloseProducer) },
	TypeCloseConsumer:               func() Command { return new(CloseConsumer) },
	TypeProducerSuccess:             func() Command { return new(ProducerSuccess) },
	TypePing:                        func() Command { return new(Ping) },
	TypePong:                        func() Command { return new(Pong) },
	TypeRedeliver:                   func() Command { return new(Redeliver) },
	TypePartitionedMetadata:         func() Command { return new(PartitionedMetadata) },
	TypePartitionedMetadataResponse: func() Command { return new(PartitionedMetadataResponse) },
	TypeLookup:                      func() Command { return new(Lookup) },
	TypeLookupResponse:              func() Command { return new(LookupResponse) },
	TypeReachedEndOfTopic:           func() Command { return new(ReachedEndOfTopic) },
	TypeSeek:                        func() Command { return new(Seek) },
	TypeGetLastMessageID:            func() Command { return new(GetLastMessageID) },
	TypeGetLastMessageIDResponse:    func() Command { return new(GetLastMessageIDResponse) },
	TypeActiveConsumerChange:        func() Command { return new(ActiveConsumerChange) },
	TypeGetTopics:                   func() Command { return new(GetTopics) },
	TypeGetTopicsResponse:           func() Command { return new(GetTopicsResponse) },
	TypeAuthChallenge:               func() Command { return new(AuthChallenge) },
	TypeAuthResponse:                func() Command { return new(AuthResponse) },
	TypeAckResponse:                 func() Command { return new(AckResponse) },
	TypeWatchTopicList:              func() Command { return new(WatchTopicList) },
	TypeWatchTopicListSuccess:       func() Command { return new(WatchTopicListSuccess) },
	TypeWatchTopicUpdate:            func() Command { return new(WatchTopicUpdate) },
	TypeWatchTopicListClose:         func() Command { return new(WatchTopicListClose) },
	TypeTopicMigrated:               func() Command { return new(TopicMigrated) },
}

// New makes an empty command; nil for a type that this package does not have.
func New(t Type) Command {
	if make := commands[t]; make != nil {
		return make()
	}
	return nil
}

// String returns the name of the type's message in PulsarApi.proto.
func (t Type) String() string {
	if c := New(t); c != nil {
		return c.Name()
	}
	return "BaseCommand.Type " + strconv.Itoa(int(t))
}

// Append appends a frame with c, which has no entry, to b.
func Append(b []byte, c Command) []byte {
	f, at := begin(b, c.Type())
	c.fields(&f)
	return f.finish(at)
}

// Parse makes c, which must be empty, the command whose fields are in body, as
// [Next] returned them.
func Parse(body []byte, c Command) error {
	f := taken(body)
	for f.more() {
		c.fields(&f)
	}
	return f.end(c.Name())
}

// begun is where a frame that is being appended starts, and where the fields of its
// command do.
type begun struct{ start, fields int }

// begin begins a frame with a command of type t.
func begin(b []byte, t Type) (f fields, at begun) {
	at.start = len(b)
	f.out = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // total size, command size
	f.put(1, uint64(t))
	at.fields = f.open(number(t))
	return f, at
}

// endCommand ends the command of a frame and writes its size.
func (f *fields) endCommand(at begun) {
	f.close(at.fields)
	binary.BigEndian.PutUint32(f.out[at.start+4:], uint32(len(f.out)-at.start-8))
}

// finish ends a frame that consists of a command.
func (f *fields) finish(at begun) []byte {
	f.endCommand(at)
	binary.BigEndian.PutUint32(f.out[at.start:], uint32(len(f.out)-at.start-4))
	return f.out
}

// parseBase splits a BaseCommand into its type and the command's fields.
func parseBase(b []byte) (t Type, body []byte, err error) {
	// As all encoders write it: the type, and nothing but the command it names.
	if len(b) >= 3 && b[0] == 1<<3 && b[1] < 0x80 {
		num, typ, n := protowire.ConsumeTag(b[2:])
		if n > 0 && typ == protowire.BytesType && num == number(b[1]) {
			body, m := protowire.ConsumeBytes(b[2+n:])
			if m > 0 && 2+n+m == len(b) {
				return Type(num), body[:len(body):len(body)], nil
			}
		}
	}
	return parseBaseSlowly(b)
}

func parseBaseSlowly(b []byte) (t Type, body []byte, err error) {
	type found struct {
		body  []byte
		times int
	}
	var of [256]found // a type that is none of these is not in use
	for f := taken(b); ; f.next() {
		if f.err != nil {
			return 0, nil, fmt.Errorf("BaseCommand: %w", f.err)
		}
		if f.num == 0 {
			break
		}
		switch {
		case f.num == 1 && f.typ == protowire.VarintType:
			t = Type(f.v)
		case f.num > 1 && int(f.num) < len(of) && f.typ == protowire.BytesType:
			of[f.num].body = f.s[:len(f.s):len(f.s)]
			of[f.num].times++
		}
	}
	if t < 2 || int(t) >= len(of) || of[t].times != 1 {
		return 0, nil, fmt.Errorf("BaseCommand: %w: type %d without one command of that type", ErrMalformed, t)
	}
	return t, of[t].body, nil
}
