package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Sizes in bytes.
const (
	// DefaultMaxMessageSize, in bytes, is that of a broker which tells none.
	DefaultMaxMessageSize = 5 << 20
	// FramePadding is by how many bytes both sides let a frame be longer than the
	// largest message.
	FramePadding = 10 << 10
)

// Frame is what one frame holds. Its slices point into what it was cut from.
type Frame struct {
	Type Type
	Body []byte // the command's fields, for [Parse]
	Rest []byte // what follows the command, for [ParseEntry]
}

// Next cuts the first frame off b. n is how many bytes of b it has, the size in front of it included. If
// b does not hold all of it, err is nil, n is more than len(b), and f is to be ignored. A frame
// whose total size is more than limit bytes is an error.
func Next(b []byte, limit int) (f Frame, n int, err error) {
	if len(b) < 4 {
		return Frame{}, 4, nil
	}
	total := binary.BigEndian.Uint32(b)
	if total < 4 || uint64(total) > uint64(max(limit, 0)) {
		return Frame{}, 0, fmt.Errorf("frame: %w: a size of %d bytes, where %d are allowed", ErrMalformed, total, limit)
	}
	if n = 4 + int(total); n > len(b) {
		return Frame{}, n, nil
	}
	command := binary.BigEndian.Uint32(b[4:])
	if command > total-4 {
		return Frame{}, 0, fmt.Errorf("frame: %w: a command of %d bytes in a frame of %d", ErrMalformed, command, total)
	}
	end := 8 + int(command)
	f.Rest = b[end:n:n]
	f.Type, f.Body, err = parseBase(b[8:end])
	return f, n, err
}

// ErrChecksum says that an entry is not what its sender wrote. The frame around it
// is sound.
var ErrChecksum = errors.New("checksum of the message does not match")

// Magic numbers in front of what an entry may begin with.
const (
	magicChecksum = 0x0e01
	magicBroker   = 0x0e02
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Entry is what follows SEND or MESSAGE in a frame. Its slices point into what it
// was parsed from.
type Entry struct {
	Broker   []byte // for [ParseBrokerEntryMetadata], nil: there is none
	Metadata []byte // for [ParseMetadata]
	Payload  []byte

	checksum bool
	sum      uint32
	summed   []byte
}

// ParseEntry finds the parts of an entry. It does not look at the checksum.
func ParseEntry(b []byte) (e Entry, err error) {
	if len(b) >= 2 && binary.BigEndian.Uint16(b) == magicBroker {
		if e.Broker, b, err = sized(b[2:], "BrokerEntryMetadata"); err != nil {
			return Entry{}, err
		}
	}
	if len(b) >= 2 && binary.BigEndian.Uint16(b) == magicChecksum {
		if len(b) < 6 {
			return Entry{}, fmt.Errorf("entry: %w: cut short in its checksum", ErrMalformed)
		}
		e.checksum, e.sum = true, binary.BigEndian.Uint32(b[2:])
		b = b[6:]
		e.summed = b
	}
	e.Metadata, e.Payload, err = sized(b, "MessageMetadata")
	return e, err
}

// sized takes what is called name from b, after its size.
func sized(b []byte, name string) (part, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, fmt.Errorf("entry: %w: cut short in front of its %s", ErrMalformed, name)
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, fmt.Errorf("entry: %w: a %s of %d bytes, with %d left", ErrMalformed, name, n, len(b)-4)
	}
	end := 4 + int(n)
	return b[4:end:end], b[end:len(b):len(b)], nil
}

// Check returns [ErrChecksum] if the entry has a checksum and does not match it.
func (e *Entry) Check() error {
	if e.checksum && crc32.Checksum(e.summed, castagnoli) != e.sum {
		return ErrChecksum
	}
	return nil
}

// AppendSendHead appends to b all of a SEND frame except the payload, which has to
// follow it: so that a large payload need not be copied.
func AppendSendHead(b []byte, c *Send, m *Metadata, payload []byte) []byte {
	f, at := begin(b, TypeSend)
	c.fields(&f)
	f.endCommand(at)
	return f.entry(at, m, payload)
}

// AppendSend appends a SEND frame to b.
func AppendSend(b []byte, c *Send, m *Metadata, payload []byte) []byte {
	return append(AppendSendHead(b, c, m, payload), payload...)
}

// AppendMessage appends a MESSAGE frame to b, as a broker does. broker may be nil.
func AppendMessage(b []byte, c *Message, broker *BrokerEntryMetadata, m *Metadata, payload []byte) []byte {
	f, at := begin(b, TypeMessage)
	c.fields(&f)
	f.endCommand(at)
	if broker != nil {
		f.out = binary.BigEndian.AppendUint16(f.out, magicBroker)
		size := len(f.out)
		f.out = append(f.out, 0, 0, 0, 0)
		broker.fields(&f)
		binary.BigEndian.PutUint32(f.out[size:], uint32(len(f.out)-size-4))
	}
	return append(f.entry(at, m, payload), payload...)
}

// entry ends a frame with all of an entry except its payload.
func (f *fields) entry(at begun, m *Metadata, payload []byte) []byte {
	f.out = binary.BigEndian.AppendUint16(f.out, magicChecksum)
	sum := len(f.out)
	f.out = append(f.out, 0, 0, 0, 0, 0, 0, 0, 0) // checksum, metadata size
	m.fields(f)
	binary.BigEndian.PutUint32(f.out[sum+4:], uint32(len(f.out)-sum-8))
	crc := crc32.Update(crc32.Checksum(f.out[sum+4:], castagnoli), castagnoli, payload)
	binary.BigEndian.PutUint32(f.out[sum:], crc)
	binary.BigEndian.PutUint32(f.out[at.start:], uint32(len(f.out)-at.start-4+len(payload)))
	return f.out
}
