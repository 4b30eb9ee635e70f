// Package wire is the client's side of the WebSocket protocol (RFC 6455) as
// pure functions of bytes: the handshake, masked frames out, unmasked frames in.
// It does no I/O.
//
// It is made for load: a [Reader] at rest owns no buffer, frames that arrive in
// one piece are handed over where they lie, and frames are built in the buffer
// from which they are written.
package wire

import (
	"encoding/binary"
	"math/bits"
)

// Opcode is a frame's type (RFC 6455 section 5.2).
type Opcode byte

// The opcodes.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

func (o Opcode) control() bool { return o >= Close }

const (
	bitFin   = 0x80
	bitRsv1  = 0x40
	bitsRsv  = 0x70
	bitMask  = 0x80
	len16    = 126
	len64    = 127
	headRoom = 14 // the longest header: two bytes, eight of length, four of masking key
)

// Begin appends room for a frame's header to dst. The caller appends the
// payload and calls [End] with the same start, which is len(dst) before Begin.
func Begin(dst []byte) []byte {
	var room [headRoom]byte
	return append(dst, room[:]...)
}

// End makes what was appended to dst since [Begin] one masked frame. The payload
// moves down to its header when that is shorter than its room.
func End(dst []byte, start int, op Opcode, key uint32) []byte {
	payload := dst[start+headRoom:]
	n := putHeader(dst[start:start:start+headRoom], op, len(payload), key)
	mask(key, payload)
	if n == headRoom {
		return dst
	}
	copy(dst[start+n:], payload)
	return dst[:start+n+len(payload)]
}

// AppendFrame appends one masked frame (RFC 6455 section 5.3).
func AppendFrame(dst []byte, op Opcode, payload []byte, key uint32) []byte {
	start := len(dst)
	return End(append(Begin(dst), payload...), start, op, key)
}

// AppendClose appends a close frame. A reason longer than a control frame holds
// is the caller's mistake.
func AppendClose(dst []byte, code uint16, reason string, key uint32) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(Begin(dst), code)
	return End(append(dst, reason...), start, Close, key)
}

// putHeader appends the header to room, which has the capacity, and returns its length.
func putHeader(room []byte, op Opcode, payload int, key uint32) int {
	room = append(room, bitFin|byte(op))
	switch {
	case payload < len16:
		room = append(room, bitMask|byte(payload))
	case payload < 1<<16:
		room = binary.BigEndian.AppendUint16(append(room, bitMask|len16), uint16(payload))
	default:
		room = binary.BigEndian.AppendUint64(append(room, bitMask|len64), uint64(payload))
	}
	return len(binary.LittleEndian.AppendUint32(room, key))
}

// mask XORs b with the key's four bytes, little-endian, repeated.
func mask(key uint32, b []byte) {
	k := uint64(key)<<32 | uint64(key)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
}
