package ws

import "encoding/binary"

// maxHeader is the longest header of a client's frame: two bytes, eight of
// length, four of masking key.
const maxHeader = 14

// takeHeader returns the next frame's header, whole, or nil while it is
// incomplete, and the bytes behind it. The header lies in data or in r.head.
func (r *Reader) takeHeader(data []byte) (head, rest []byte, err *CloseError) {
	if r.headLen == 0 && len(data) >= 2 {
		size, err := r.headerSize(data)
		if err != nil {
			return nil, nil, err
		}
		if len(data) >= size {
			return data[:size:size], data[size:], nil
		}
	}
	data = r.storeHeader(data, 2)
	if r.headLen < 2 {
		return nil, nil, nil
	}
	size, err := r.headerSize(r.head[:])
	if err != nil {
		return nil, nil, err
	}
	data = r.storeHeader(data, size)
	if int(r.headLen) < size {
		return nil, nil, nil
	}
	return r.head[:size], data, nil
}

// storeHeader moves bytes from data into r.head until that has size of them.
func (r *Reader) storeHeader(data []byte, size int) []byte {
	if int(r.headLen) >= size {
		return data
	}
	n := copy(r.head[r.headLen:size], data)
	r.headLen += uint8(n)
	return data[n:]
}

// headerSize checks what the first two bytes of a frame say, and returns the
// length of its header.
func (r *Reader) headerSize(h []byte) (int, *CloseError) {
	op, length := Opcode(h[0]&bitsOpcode), h[1]&bitsLength
	rsv := h[0] & bitsRsv
	if r.state&stateDeflate != 0 && (op == OpText || op == OpBinary) {
		rsv &^= bitRsv1
	}
	switch {
	case rsv != 0:
		return 0, errReservedBits
	case op > OpBinary && op < OpClose, op > OpPong:
		return 0, errReservedOpcode
	case h[1]&bitMask == 0:
		return 0, errUnmasked
	case op.control() && h[0]&bitFin == 0:
		return 0, errControlSplit
	case op.control() && length > maxControl:
		return 0, errControlLong
	case op == OpContinuation && r.state&stateFragmented == 0:
		return 0, errNotStarted
	case (op == OpText || op == OpBinary) && r.state&stateFragmented != 0:
		return 0, errNotFinished
	}
	switch length {
	case len16:
		return 8, nil
	case len64:
		return maxHeader, nil
	}
	return 6, nil
}

// checkHeader checks the length that a whole header announces, together with
// what there is of its message, and returns it.
func (r *Reader) checkHeader(l *Limits, h []byte) (int, *CloseError) {
	length, err := payloadLength(h)
	if err != nil || Opcode(h[0]&bitsOpcode).control() {
		return int(length), err
	}
	limit := l.maxMessage()
	if h[0]&bitRsv1 != 0 || r.state&stateCompressed != 0 {
		limit = l.maxCompressed()
	}
	if length > uint64(limit-int(r.done)) {
		return 0, errTooBig
	}
	return int(length), nil
}

// payloadLength returns the length that the complete header h announces. The
// fewest bytes must be used for it (RFC 6455 section 5.2).
func payloadLength(h []byte) (uint64, *CloseError) {
	switch length := h[1] & bitsLength; length {
	case len16:
		n := binary.BigEndian.Uint16(h[2:])
		if n < len16 {
			return 0, errLengthNotMinimal
		}
		return uint64(n), nil
	case len64:
		n := binary.BigEndian.Uint64(h[2:])
		switch {
		case n>>63 != 0:
			return 0, errLengthNegative
		case n < 1<<16:
			return 0, errLengthNotMinimal
		}
		return n, nil
	default:
		return uint64(length), nil
	}
}

// maskKey returns the masking key of the complete header h, as [unmask] takes it.
func maskKey(h []byte) uint32 { return binary.LittleEndian.Uint32(h[len(h)-4:]) }

// putHeader writes the header of an unmasked, unfragmented frame to the end of
// room, which has at least 10 bytes, and returns its length.
func putHeader(room []byte, first byte, payload int) int {
	end := len(room)
	switch {
	case payload < len16:
		room[end-2], room[end-1] = first, byte(payload)
		return 2
	case payload < 1<<16:
		room[end-4], room[end-3] = first, len16
		binary.BigEndian.PutUint16(room[end-2:], uint16(payload))
		return 4
	default:
		room[end-10], room[end-9] = first, len64
		binary.BigEndian.PutUint64(room[end-8:], uint64(payload))
		return 10
	}
}
