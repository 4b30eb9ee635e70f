package ws

import "unicode/utf8"

// compressedCost is how many bytes of plain message take as long to handle as a
// byte of compressed message may.
const compressedCost = 16

// Costly is a whole message that was received and not yet looked at, see
// [Handler.Costly].
type Costly struct {
	buf   *buffer
	state uint8
	valid int32 // how much of buf is known to be UTF-8, for text that is not compressed
}

// keep returns m as something that outlives the call.
func (m Costly) keep() *Costly { return &m }

// compressed reports whether m is to be decompressed. No byte at all is no deflate
// stream, but can only mean an empty message.
func (m *Costly) compressed() bool { return m.state&stateCompressed != 0 && len(m.buf.b) > 0 }

// Len is how many bytes m holds.
func (m *Costly) Len() int { return len(m.buf.b) }

// Deliver does what Feed left undone: it hands the message to h, or says what is
// wrong with it, by a [*CloseError]. It reports what [Handler.Message] did. It is
// called once, and not after Release.
func (m *Costly) Deliver(l *Limits, h Handler) (more bool, err error) {
	if m.compressed() {
		if err := m.inflate(l); err != nil {
			return false, err
		}
	}
	if more, err := m.handOver(h); err != nil {
		return more, err
	} else {
		return more, nil
	}
}

// Release gives the message up.
func (m *Costly) Release() {
	putBuffer(m.buf)
	m.buf = nil
}

// inflate decompresses the message.
func (m *Costly) inflate(l *Limits) *CloseError {
	m.buf = m.buf.grow(len(inflateTail))
	out, err := inflate(append(m.buf.b, inflateTail...), l.maxMessage())
	putBuffer(m.buf)
	m.buf, m.state = out, m.state&^stateCompressed
	if err == nil && m.state&stateText != 0 && utf8.Valid(out.b) {
		m.valid = int32(len(out.b))
	}
	return err
}

// handOver hands the plain message over and gives its buffer back.
func (m *Costly) handOver(h Handler) (more bool, err *CloseError) {
	defer m.Release()
	op := OpBinary
	if m.state&stateText != 0 {
		if int(m.valid) != len(m.buf.b) {
			return false, errText
		}
		op = OpText
	}
	return h.Message(op, m.buf.b), nil
}
