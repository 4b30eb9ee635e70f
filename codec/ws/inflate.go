package ws

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflateTail is appended to a compressed message: the four bytes its sender
// left out (RFC 7692 section 7.2.2), and a final empty block, by which the end
// of the message becomes the end of a deflate stream.
const inflateTail = deflateTail + "\x01\x00\x00\xff\xff"

// maxRestarts bounds the final blocks inside one message. A sender may use them
// (RFC 7692 section 7.2.3.4), but after each the window is set up again,
// which takes up to 32 KiB of copying for as little as two bytes of message.
const maxRestarts = 256

// window is how far back a deflate stream refers, in bytes (RFC 1951 section 2).
const window = 32 << 10

// inflater is the state for decompressing one message.
type inflater struct {
	src bytes.Reader
	fr  io.ReadCloser
}

var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	z.fr = flate.NewReader(&z.src)
	return z
}}

// inflate decompresses one message, whose payload with [inflateTail] behind it
// is stream, into a pooled buffer, which the caller gives back. It stops as soon
// as the message exceeds limit, so that a message costs no more than its limit
// allows, whatever it would have become. The time is linear in the length of the
// stream and of the output; at worst, with code tables every 12 bytes, it is
// about 0.2 s for 1 MiB; see [Handler].Costly.
func inflate(stream []byte, limit int) (*buffer, *CloseError) {
	z := inflaters.Get().(*inflater)
	defer func() {
		z.src.Reset(nil)
		inflaters.Put(z)
	}()
	z.src.Reset(stream)
	var history []byte
	out := getBuffer(min(2*len(stream), limit+1))
	for restarts := 0; ; restarts++ {
		// Reset of a flate reader returns no error.
		_ = z.fr.(flate.Resetter).Reset(&z.src, history)
		var err *CloseError
		if out, err = inflateBlocks(out, z.fr, limit); err != nil {
			putBuffer(out)
			return nil, err
		}
		// Nothing is left after the final block that was appended. A message that
		// ends in a final block of its own, without the empty block that should
		// follow it, leaves all of the tail.
		if left := z.src.Len(); left == 0 || left == len(inflateTail) {
			return out, nil
		}
		if restarts == maxRestarts {
			putBuffer(out)
			return nil, errRestarts
		}
		history = out.b[max(0, len(out.b)-window):]
	}
}

// inflateBlocks appends to out what r gives up to the next final block.
func inflateBlocks(out *buffer, r io.Reader, limit int) (*buffer, *CloseError) {
	for {
		out = out.grow(1)
		room := out.b[len(out.b):cap(out.b)]
		n, err := r.Read(room[:min(len(room), limit+1-len(out.b))])
		out.b = out.b[:len(out.b)+n]
		switch {
		case len(out.b) > limit:
			return out, errTooBig
		case err == io.EOF:
			return out, nil
		case err != nil:
			return out, errInflate
		}
	}
}
