// Package frames builds and reads the JSON of Pulsar's WebSocket protocol as a
// load generator needs it: as bytes, without allocating, and with a stamp in
// each message by which its receiver knows when it should have been sent, by
// whom, and which one it is.
package frames

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/pulsegate/pulsegate/bench/measure"
)

// Stamp is what a message says of itself.
type Stamp struct {
	Source measure.Source
	Seq    uint64 // counted from 0 for each source
	At     int64  // when it was to be sent: nanoseconds since 1970
}

const (
	magic = 0x70676231 // "pgb1"

	// StampSize is the length of a stamp in bytes, padded so that its base64
	// text needs no padding and what follows can be encoded on its own.
	StampSize = 30
	// stampText is the length of its base64 text.
	stampText = StampSize / 3 * 4
)

// Property is the name of the property that holds the stamp of a message whose
// payload is the user's own.
const Property = "pulsegate-bench"

// Append appends the stamp's bytes, with which a payload of our own begins.
func (s Stamp) Append(dst []byte) []byte {
	var b [StampSize]byte
	binary.BigEndian.PutUint32(b[0:], magic)
	binary.BigEndian.PutUint32(b[4:], s.Source.Run)
	binary.BigEndian.PutUint32(b[8:], s.Source.Sender)
	binary.BigEndian.PutUint64(b[12:], s.Seq)
	binary.BigEndian.PutUint64(b[20:], uint64(s.At))
	return append(dst, b[:]...)
}

func (s Stamp) appendText(dst []byte) []byte {
	var b [StampSize]byte
	return base64.StdEncoding.AppendEncode(dst, s.Append(b[:0]))
}

// ReadStamp reads the stamp that a payload, or the text of its property, holds.
func ReadStamp(payload []byte, property string) (Stamp, bool) {
	if s, ok := readStamp(payload); ok {
		return s, true
	}
	return parseStamp([]byte(property))
}

func readStamp(b []byte) (s Stamp, ok bool) {
	if len(b) < StampSize || binary.BigEndian.Uint32(b) != magic {
		return Stamp{}, false
	}
	s.Source = measure.Source{Run: binary.BigEndian.Uint32(b[4:]), Sender: binary.BigEndian.Uint32(b[8:])}
	s.Seq, s.At = binary.BigEndian.Uint64(b[12:]), int64(binary.BigEndian.Uint64(b[20:]))
	return s, true
}

// parseStamp reads the stamp that text, base64, begins with.
func parseStamp(text []byte) (s Stamp, ok bool) {
	if len(text) < stampText {
		return Stamp{}, false
	}
	var b [StampSize]byte
	if _, err := base64.StdEncoding.Decode(b[:], text[:stampText]); err != nil {
		return Stamp{}, false
	}
	return readStamp(b[:])
}
