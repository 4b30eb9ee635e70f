package ws

// serverHeader is the longest header of a server's frame, which has no masking
// key.
const serverHeader = 10

// AppendFrame appends one unmasked, unfragmented frame. The payload of a
// control frame is at most 125 bytes (RFC 6455 section 5.5); longer ones are
// cut. It may be the payload that a [Handler] was given.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	if op.control() && len(payload) > maxControl {
		payload = payload[:maxControl]
	}
	return appendFrame(dst, bitFin|byte(op), payload)
}

func appendFrame(dst []byte, first byte, payload []byte) []byte {
	var room [serverHeader]byte
	n := putHeader(room[:], first, len(payload))
	dst = append(dst, room[serverHeader-n:]...)
	return append(dst, payload...)
}

// AppendText appends a text frame with what add appends to the slice it is
// given: the message needs no buffer of its own. The message must be valid
// UTF-8, which is not checked.
func AppendText(dst []byte, add func(dst []byte) []byte) []byte {
	// Room is left for the header of a message from 126 to 65535 bytes, the
	// usual case. Others are moved: short ones cost nothing, long ones little
	// beside being made.
	const usual = 4
	start := len(dst)
	dst = add(append(dst, 0, 0, 0, 0))
	payload := len(dst) - start - usual
	var room [serverHeader]byte
	n := putHeader(room[:], bitFin|byte(OpText), payload)
	if n > usual {
		dst = append(dst, room[:n-usual]...)
	}
	if n != usual {
		copy(dst[start+n:], dst[start+usual:start+usual+payload])
	}
	copy(dst[start:], room[serverHeader-n:])
	return dst[:start+n+payload]
}

// AppendTextDeflated is [AppendText] for a session that negotiated
// permessage-deflate. The message is compressed, unless it is shorter than
// [DeflateThreshold] or would not become shorter: RFC 7692 section 6 leaves the
// choice for each message to the sender.
func AppendTextDeflated(dst []byte, add func(dst []byte) []byte) []byte {
	start := len(dst)
	dst = AppendText(dst, add)
	z := compress(textPayload(dst[start:]))
	if z == nil {
		return dst
	}
	defer putBuffer(z)
	return appendFrame(dst[:start], bitFin|bitRsv1|byte(OpText), z.b)
}

// textPayload returns the payload of a complete server frame.
func textPayload(frame []byte) []byte {
	switch frame[1] {
	case len16:
		return frame[4:]
	case len64:
		return frame[10:]
	}
	return frame[2:]
}
