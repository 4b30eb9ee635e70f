package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// MaxMessage bounds a message that a server may send, in bytes.
const MaxMessage = 64 << 20

// ErrProtocol is wrapped by what [Reader.Feed] finds wrong with a server's frames.
var ErrProtocol = errors.New("the server broke the WebSocket protocol")

// NoStatus stands for the code of a close frame without one (RFC 6455 section 7.4.1).
const NoStatus = 1005

// Handler takes what a [Reader] finds. Slices are valid during the call only.
type Handler interface {
	Message(payload []byte)
	Ping(payload []byte)
	// Closed is the server's close frame. Nothing follows it.
	Closed(code uint16, reason string)
}

// Reader is one connection's incoming side. The zero Reader is ready. It belongs
// to one goroutine.
type Reader struct {
	part    *[]byte // an incomplete frame, from its header on; nil: none
	message *[]byte // the payloads of a fragmented message so far; nil: none
	packed  bool    // the fragmented message is compressed
	closed  bool
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer bounds the buffers that the pool keeps.
const keptBuffer = 4 << 20

func release(b **[]byte) {
	if *b != nil && cap(**b) <= keptBuffer {
		**b = (**b)[:0]
		buffers.Put(*b)
	}
	*b = nil
}

// Release gives the reader's buffers back. The reader is as new.
func (r *Reader) Release() {
	release(&r.part)
	release(&r.message)
	*r = Reader{}
}

// Feed takes the next bytes of the connection. It calls h for each whole message
// and control frame, in order. Bytes behind a close frame are ignored.
func (r *Reader) Feed(data []byte, h Handler) error {
	for len(data) > 0 && !r.closed {
		if r.part != nil {
			rest, err := r.complete(data, h)
			if err != nil {
				return err
			}
			data = rest
			continue
		}
		size, err := frameSize(data)
		if err != nil {
			return err
		}
		if size == 0 || size > len(data) {
			r.part = buffers.Get().(*[]byte)
			// Room for more than this is made when the bytes are there.
			if room := min(size, keptBuffer); cap(*r.part) < room {
				*r.part = make([]byte, 0, room)
			}
			*r.part = append(*r.part, data...)
			return nil
		}
		if err := r.frame(data[:size], h); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// complete adds to the incomplete frame what it needs and returns the rest.
func (r *Reader) complete(data []byte, h Handler) (rest []byte, err error) {
	for {
		size, err := frameSize(*r.part)
		if err != nil {
			return nil, err
		}
		need := size - len(*r.part)
		if size == 0 {
			need = 1
		}
		if need == 0 {
			part := r.part
			r.part = nil
			err := r.frame(*part, h)
			release(&part)
			return data, err
		}
		if len(data) == 0 {
			return nil, nil
		}
		need = min(need, len(data))
		*r.part = append(*r.part, data[:need]...)
		data = data[need:]
	}
}

// header returns the length of the header at b and that of the payload; 0, 0
// while the header is incomplete.
func header(b []byte) (head, payload int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	if b[1]&bitMask != 0 {
		return 0, 0, fmt.Errorf("%w: a masked frame", ErrProtocol)
	}
	n := uint64(b[1])
	switch head = 2; n {
	case len16:
		if head = 4; len(b) < head {
			return 0, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case len64:
		if head = 10; len(b) < head {
			return 0, 0, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
	}
	if n > MaxMessage {
		return 0, 0, fmt.Errorf("%w: a frame of %d bytes", ErrProtocol, n)
	}
	return head, int(n), nil
}

// frameSize is the length of the frame at b with its header; 0 while that is incomplete.
func frameSize(b []byte) (int, error) {
	head, payload, err := header(b)
	return head + payload, err
}

// frame handles one whole frame.
func (r *Reader) frame(b []byte, h Handler) error {
	head, _, _ := header(b) // it was checked for its size
	op, fin, payload := Opcode(b[0]&0x0f), b[0]&bitFin != 0, b[head:]
	if rsv := b[0] & bitsRsv; rsv != 0 && (rsv != bitRsv1 || op != Text && op != Binary) {
		return fmt.Errorf("%w: reserved bits %#x", ErrProtocol, rsv)
	}
	if op.control() {
		if !fin || len(payload) > 125 {
			return fmt.Errorf("%w: a control frame in pieces or of %d bytes", ErrProtocol, len(payload))
		}
		return r.control(op, payload, h)
	}
	return r.data(op, fin, b[0]&bitRsv1 != 0, payload, h)
}

func (r *Reader) control(op Opcode, payload []byte, h Handler) error {
	switch op {
	case Ping:
		h.Ping(payload)
	case Pong:
	case Close:
		r.closed = true
		if len(payload) < 2 {
			h.Closed(NoStatus, "")
		} else {
			h.Closed(binary.BigEndian.Uint16(payload), string(payload[2:]))
		}
	default:
		return fmt.Errorf("%w: opcode %d", ErrProtocol, op)
	}
	return nil
}

func (r *Reader) data(op Opcode, fin, packed bool, payload []byte, h Handler) error {
	switch {
	case op > Binary:
		return fmt.Errorf("%w: opcode %d", ErrProtocol, op)
	case (op == Continuation) != (r.message != nil):
		return fmt.Errorf("%w: opcode %d in the wrong place of a fragmented message", ErrProtocol, op)
	case op != Continuation && fin:
		return deliver(payload, packed, h)
	case op != Continuation:
		r.message, r.packed = buffers.Get().(*[]byte), packed
	}
	if len(*r.message)+len(payload) > MaxMessage {
		return fmt.Errorf("%w: a message of more than %d bytes", ErrProtocol, MaxMessage)
	}
	*r.message = append(*r.message, payload...)
	if !fin {
		return nil
	}
	whole := r.message
	r.message = nil
	err := deliver(*whole, r.packed, h)
	release(&whole)
	return err
}

// deliver hands over one whole message.
func deliver(payload []byte, packed bool, h Handler) error {
	if !packed {
		h.Message(payload)
		return nil
	}
	return inflate(payload, h.Message)
}
