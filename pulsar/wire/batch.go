package wire

import (
	"encoding/binary"
	"fmt"
)

// AppendSingle appends one message to the payload of a batch. It sets
// m.PayloadSize.
func AppendSingle(b []byte, m *SingleMetadata, payload []byte) []byte {
	m.PayloadSize = int32(len(payload))
	f := fields{out: append(b, 0, 0, 0, 0)}
	m.fields(&f)
	binary.BigEndian.PutUint32(f.out[len(b):], uint32(len(f.out)-len(b)-4))
	return append(f.out, payload...)
}

// NextSingle takes the first message off the payload of a batch, which is
// decompressed. m need not be empty. Readers take as many as
// [Metadata.NumMessagesInBatch] says; what follows those is of no meaning.
func NextSingle(b []byte, m *SingleMetadata) (payload, rest []byte, err error) {
	part, rest, err := sized(b, "SingleMessageMetadata")
	if err != nil {
		return nil, nil, err
	}
	*m = SingleMetadata{Properties: m.Properties[:0]}
	f := taken(part)
	for f.more() {
		m.fields(&f)
	}
	if err := f.end("SingleMessageMetadata"); err != nil {
		return nil, nil, err
	}
	if m.PayloadSize < 0 || int(m.PayloadSize) > len(rest) {
		return nil, nil, fmt.Errorf("batch: %w: a message of %d bytes, with %d left", ErrMalformed, m.PayloadSize, len(rest))
	}
	n := int(m.PayloadSize)
	return rest[:n:n], rest[n:len(rest):len(rest)], nil
}
