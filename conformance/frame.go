package conformance

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Opcodes of RFC 6455 section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// Reserved bits of RFC 6455 section 5.2. RFC 7692 uses RSV1 for "compressed".
const (
	RSV1 = 0x40
	RSV2 = 0x20
	RSV3 = 0x10
)

// lengthForm picks how a frame's length is written; only the shortest form is
// legal (RFC 6455 section 5.2).
type lengthForm byte

const (
	shortest lengthForm = iota
	twoBytes
	eightBytes
)

// Frame is one WebSocket frame with every bit open to the sender, legal or not.
type Frame struct {
	More     bool // FIN is 0: more fragments follow
	RSV      byte // RSV1, RSV2, RSV3
	Op       byte
	Payload  []byte
	Unmasked bool       // leave the mask away, which a client must not
	Form     lengthForm // how the length is written
	Length   uint64     // if not 0, the length the header claims
}

// mask is the masking key of every frame sent: fixed, so that a trace is
// readable and a failure repeatable.
var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// Bytes returns the frame as it goes on the wire.
func (f Frame) Bytes() []byte {
	first := f.Op | f.RSV
	if !f.More {
		first |= 0x80
	}
	n := uint64(len(f.Payload))
	if f.Length != 0 {
		n = f.Length
	}
	var bit byte = 0x80
	if f.Unmasked {
		bit = 0
	}
	b := []byte{first}
	switch {
	case f.Form == eightBytes || n > 0xffff:
		b = append(b, bit|127)
		b = binary.BigEndian.AppendUint64(b, n)
	case f.Form == twoBytes || n > 125:
		b = append(b, bit|126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, bit|byte(n))
	}
	if f.Unmasked {
		return append(b, f.Payload...)
	}
	b = append(b, mask[:]...)
	for i, c := range f.Payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// maxFrame bounds what a server may send in one frame, in bytes.
const maxFrame = 16 << 20

// readFrame reads one frame of a server, which must not be masked.
func readFrame(r *bufio.Reader) (Frame, error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return Frame{}, err
	}
	f := Frame{More: h[0]&0x80 == 0, RSV: h[0] & 0x70, Op: h[0] & 0x0f, Unmasked: true}
	if h[1]&0x80 != 0 {
		return f, fmt.Errorf("the server masked a frame (RFC 6455 section 5.1)")
	}
	n := uint64(h[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(r, h[:2]); err != nil {
			return f, err
		}
		n = uint64(binary.BigEndian.Uint16(h[:2]))
		if n < 126 {
			return f, fmt.Errorf("length %d not in its shortest form (RFC 6455 section 5.2)", n)
		}
	case 127:
		if _, err := io.ReadFull(r, h[:8]); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(h[:8])
		if n <= 0xffff {
			return f, fmt.Errorf("length %d not in its shortest form (RFC 6455 section 5.2)", n)
		}
	}
	if n > maxFrame {
		return f, fmt.Errorf("frame of %d bytes", n)
	}
	if f.Op >= OpClose && (n > 125 || f.More) {
		return f, fmt.Errorf("control frame %x of %d bytes, more %v (RFC 6455 section 5.5)", f.Op, n, f.More)
	}
	f.Payload = make([]byte, n)
	_, err := io.ReadFull(r, f.Payload)
	return f, err
}
