package ws

// Opcode says what a frame is (RFC 6455 section 5.2).
type Opcode byte

// The opcodes that RFC 6455 section 11.8 defines; all others are reserved.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

func (op Opcode) control() bool { return op >= OpClose }

// String returns the opcode's name in the RFC.
func (op Opcode) String() string {
	switch op {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return "reserved"
}

// The bits of a frame's first two bytes (RFC 6455 section 5.2).
const (
	bitFin     = 0x80
	bitRsv1    = 0x40 // "compressed" once permessage-deflate is negotiated (RFC 7692 section 6)
	bitsRsv    = 0x70
	bitsOpcode = 0x0F
	bitMask    = 0x80
	bitsLength = 0x7F
)

const (
	maxControl = 125 // bytes of a control frame's payload (RFC 6455 section 5.5)
	len16      = 126 // the length follows in 2 bytes
	len64      = 127 // the length follows in 8 bytes
)
