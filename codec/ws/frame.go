package ws

import "sync"

// Frame is one server text message, encoded once for many sessions. Its bytes
// are never changed; it is safe for concurrent use.
type Frame struct {
	plain    []byte
	once     sync.Once
	deflated []byte // set by once
}

// NewFrame encodes a message. The bytes of json are copied: header and message
// lie in one buffer.
func NewFrame(json []byte) *Frame {
	return &Frame{plain: appendFrame(make([]byte, 0, serverHeader+len(json)), bitFin|byte(OpText), json)}
}

// BuildFrame encodes the message that add appends to the slice it is given, as
// append does; add must not keep it. The frame's memory is exactly its length,
// since many frames are kept for long.
func BuildFrame(add func(dst []byte) []byte) *Frame {
	scratch := getBuffer(0)
	scratch.b = AppendText(scratch.b, add)
	f := &Frame{plain: append(make([]byte, 0, len(scratch.b)), scratch.b...)}
	putBuffer(scratch)
	return f
}

// Plain is the uncompressed frame, header included. The caller must not change
// it.
func (f *Frame) Plain() []byte { return f.plain }

// Deflated is the frame for sessions that negotiated permessage-deflate: the
// compressed one, made at the first call, or the plain one where compression
// does not pay. The caller must not change it.
func (f *Frame) Deflated() []byte {
	f.once.Do(f.deflate)
	return f.deflated
}

func (f *Frame) deflate() {
	f.deflated = f.plain
	if z := compress(textPayload(f.plain)); z != nil {
		f.deflated = appendFrame(make([]byte, 0, serverHeader+len(z.b)), bitFin|bitRsv1|byte(OpText), z.b)
		putBuffer(z)
	}
}

// Len is the length of the plain frame in bytes, header included.
func (f *Frame) Len() int { return len(f.plain) }

// Payload is the message in the frame. The caller must not change it.
func (f *Frame) Payload() []byte { return textPayload(f.plain) }
