package ws

import "unicode/utf8"

// Limits bound what a client can make the server hold. One value serves all
// connections; it is not changed while it is in use.
type Limits struct {
	// MaxMessage is the longest message in bytes, after decompression. Values
	// below 1 mean 1 MiB, values above 1 GiB mean 1 GiB.
	MaxMessage int

	// Inline is the longest message in bytes, after decompression, that Feed hands
	// over itself where its bytes came in several portions. A longer one, and a
	// compressed one of which more than a sixteenth of that came, is left to
	// [Handler.Costly]. 0: there is no such bound.
	Inline int
}

func (l *Limits) maxMessage() int {
	if l.MaxMessage < 1 {
		return 1 << 20
	}
	return min(l.MaxMessage, 1<<30)
}

// maxCompressed is the longest compressed form of a message that is not over
// the limit. Data that does not compress grows a little: five bytes for each
// stored block, of which senders with little memory make one every 8 KiB or so.
func (l *Limits) maxCompressed() int { return l.maxMessage() + l.maxMessage()/1024 + 64 }

// Handler takes what a connection's client sent, in order. Its methods are
// called by [Reader.Feed], on its goroutine. Payloads are valid, and may be
// changed, only during the call. The methods must not call the Reader.
type Handler interface {
	// Message takes one whole message, OpText (valid UTF-8) or OpBinary. False
	// makes Feed return right behind this message.
	Message(op Opcode, payload []byte) (more bool)

	// Costly takes, instead of Message, one whole message that may take long to
	// decompress, to check or to understand. Feed returns right behind it. The
	// handler owns it and calls [Costly.Deliver] or [Costly.Release] on any goroutine.
	Costly(m *Costly)

	// Ping and Pong take the payload of at most 125 bytes. A ping is to be
	// answered with a pong of the same payload.
	Ping(payload []byte)
	Pong(payload []byte)

	// Close takes the client's close frame: a code that is valid on the wire,
	// or [CodeNoStatus], and the reason. It is the last call there is.
	Close(code uint16, reason string)
}

// The bits of Reader.state.
const (
	stateDeflate    = 1 << iota // permessage-deflate was negotiated
	statePayload                // head is complete, its payload is not
	stateFragmented             // a message has begun and not ended
	stateText                   // that message is text
	stateCompressed             // that message is compressed
	stateClosed                 // nothing is read any more
)

// Reader is one connection's incoming side. The zero value is ready for the
// bytes behind the handshake. It is owned by whoever reads the connection: no
// two of its methods may run at once.
//
// A Reader holds no buffer but while a message, or a control frame, is
// incomplete. The buffer is at most twice what has arrived, or 512 bytes; from 16 KiB on, where its
// copies cost most, it may be four times that. A message is refused before it exceeds the limit.
type Reader struct {
	// buf holds, of the message that is incomplete: the payload of its finished
	// frames, then that of the current frame as far as it has come. A control
	// frame between fragments lies behind the former for as long as it is current.
	buf *buffer
	// done is how much of buf belongs to finished frames.
	done int32
	// valid is how much of buf is known to be UTF-8, for plain text.
	valid int32
	// need is how much of the current frame's payload has not come.
	need int32
	// head is the current frame's header; its last four bytes are the key for
	// the next byte of payload.
	head    [maxHeader]byte
	headLen uint8
	state   uint8
	// work is what was done for compressed messages since TakeWork.
	work uint32
}

// TakeWork returns what decompressing messages has cost since it was called
// last, in bytes of plain message that take about as long to handle. It may be
// called from within [Handler.Message].
func (r *Reader) TakeWork() int {
	w := r.work
	r.work = 0
	return int(w)
}

// SetDeflate says that permessage-deflate was negotiated for the connection. It
// is called before the first Feed.
func (r *Reader) SetDeflate(on bool) {
	r.state &^= stateDeflate
	if on {
		r.state |= stateDeflate
	}
}

// Held is how many bytes of memory the Reader has for what is incomplete.
func (r *Reader) Held() int {
	if r.buf == nil {
		return 0
	}
	return cap(r.buf.b)
}

// Release gives the buffers back. The Reader takes no more bytes after it.
func (r *Reader) Release() {
	if r.buf != nil {
		putBuffer(r.buf)
	}
	*r = Reader{state: stateClosed}
}

// Feed takes the next bytes of the connection, in any portions, and calls h for
// what they complete. Payloads are unmasked in place: the bytes consumed are
// spoiled by it, those behind are untouched, and none are kept.
//
// All of data is consumed, incomplete frames included, except when
// [Handler.Message] returned false or [Handler.Costly] was called: then consumed ends behind that message, and
// the caller feeds the rest, data[consumed:], before anything newer.
//
// An error means that the client broke the protocol; it is always a
// [*CloseError]. After an error or the client's close frame nothing the client
// sends counts any more (RFC 6455 sections 5.5.1 and 7.1.7): the buffers are
// given back, the rest of data and whatever is fed later is discarded as
// consumed.
func (r *Reader) Feed(l *Limits, data []byte, h Handler) (consumed int, err error) {
	rest, cerr := r.feed(l, data, h)
	if cerr != nil {
		r.Release()
		return len(data), cerr
	}
	return len(data) - len(rest), nil
}

// feed returns the bytes it did not consume.
func (r *Reader) feed(l *Limits, data []byte, h Handler) ([]byte, *CloseError) {
	for len(data) > 0 && r.state&stateClosed == 0 {
		var more bool
		var err *CloseError
		if r.state&statePayload == 0 {
			more, data, err = r.beginFrame(l, data, h)
		} else {
			more, data, err = r.continueFrame(l, data, h)
		}
		if err != nil || !more {
			return data, err
		}
	}
	if r.state&stateClosed != 0 {
		return nil, nil
	}
	return data, nil
}

// beginFrame takes a frame's header, or what there is of it, and what there is
// of its payload. Like continueFrame it returns whether the handler wants more,
// and the bytes it did not consume.
func (r *Reader) beginFrame(l *Limits, data []byte, h Handler) (bool, []byte, *CloseError) {
	head, data, err := r.takeHeader(data)
	if head == nil {
		return true, data, err
	}
	length, err := r.checkHeader(l, head)
	if err != nil {
		return false, nil, err
	}
	op := Opcode(head[0] & bitsOpcode)
	// A control frame, or a plain message in a single frame, is handed over
	// where it lies.
	if length <= len(data) && (op.control() || head[0]&(bitFin|bitRsv1) == bitFin && op != OpContinuation) {
		payload := data[:length:length]
		_, ascii := unmask(maskKey(head), payload)
		r.headLen = 0
		if op.control() {
			return true, data[length:], r.control(op, payload, h)
		}
		if op == OpText && !ascii && !utf8.Valid(payload) {
			return false, nil, errText
		}
		return h.Message(op, payload), data[length:], nil
	}
	if !op.control() && op != OpContinuation {
		r.state |= stateFragmented
		if op == OpText {
			r.state |= stateText
		}
		if head[0]&bitRsv1 != 0 {
			r.state |= stateCompressed
		}
	}
	r.headLen = uint8(copy(r.head[:], head))
	r.need = int32(length)
	r.state |= statePayload
	return r.continueFrame(l, data, h)
}
