package ws

import (
	"encoding/binary"
)

// continueFrame takes what there is of the current frame's payload into the
// buffer, and ends the frame when that is all of it.
func (r *Reader) continueFrame(l *Limits, data []byte, h Handler) (bool, []byte, *CloseError) {
	n := min(int(r.need), len(data))
	if n > 0 {
		r.grow(n)
		r.buf.b = append(r.buf.b, data[:n]...)
	}
	more, err := r.arrived(l, n, h)
	return more, data[n:], err
}

// arrived takes the last n bytes of buf, which are new and belong to the current frame's
// payload. It returns whether the handler wants more.
func (r *Reader) arrived(l *Limits, n int, h Handler) (bool, *CloseError) {
	ascii := true
	if n > 0 {
		var key uint32
		head := r.head[:r.headLen]
		key, ascii = unmask(maskKey(head), r.buf.b[len(r.buf.b)-n:])
		binary.LittleEndian.PutUint32(head[len(head)-4:], key)
		r.need -= int32(n)
	}
	op := Opcode(r.head[0] & bitsOpcode)
	if !op.control() && r.state&(stateText|stateCompressed) == stateText {
		// Checked as it comes: a long message is refused at its first wrong byte.
		fresh := r.buffered()[r.valid:]
		if !ascii || len(fresh) > n {
			var ok bool
			if n, ok = validPrefix(fresh); !ok {
				return false, errText
			}
		}
		r.valid += int32(n)
	}
	if r.need > 0 {
		return true, nil
	}
	r.state &^= statePayload
	r.headLen = 0
	switch {
	case op.control():
		err := r.control(op, r.buf.b[r.done:], h)
		r.dropControl()
		return true, err
	case r.head[0]&bitFin != 0:
		return r.finishMessage(l, h)
	}
	r.done = int32(len(r.buffered()))
	return true, nil
}

// buffered is what buf holds.
func (r *Reader) buffered() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf.b
}

// dropControl takes a finished control frame's payload out of buf.
func (r *Reader) dropControl() {
	switch {
	case r.buf == nil:
	case r.done == 0:
		putBuffer(r.buf)
		r.buf = nil
	default:
		r.buf.b = r.buf.b[:r.done]
	}
}

// control handles a whole control frame.
func (r *Reader) control(op Opcode, payload []byte, h Handler) *CloseError {
	switch op {
	case OpPing:
		h.Ping(payload)
	case OpPong:
		h.Pong(payload)
	case OpClose:
		code, reason, err := parseClose(payload)
		if err != nil {
			return err
		}
		r.Release()
		h.Close(code, reason)
	}
	return nil
}

// finishMessage hands over the message that buf holds, and leaves the Reader at
// rest.
func (r *Reader) finishMessage(l *Limits, h Handler) (bool, *CloseError) {
	m := Costly{buf: r.buf, state: r.state, valid: r.valid}
	*r = Reader{state: m.state & stateDeflate, work: r.work}
	if m.buf == nil {
		m.buf = getBuffer(0)
	}
	if m.compressed() {
		if came := len(m.buf.b); l.Inline > 0 && came > l.Inline/compressedCost {
			h.Costly(m.keep())
			return false, nil
		} else if err := m.inflate(l); err != nil {
			return false, err
		} else {
			r.work += uint32(came * compressedCost)
		}
	}
	if l.Inline > 0 && len(m.buf.b) > l.Inline {
		h.Costly(m.keep())
		return false, nil
	}
	return m.handOver(h)
}
