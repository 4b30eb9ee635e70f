package ws

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unicode/utf8"
)

// verdict is what a stream of bytes comes to: what the handler was called with,
// and the code the connection is failed with, or 0.
type verdict struct {
	events []string
	code   uint16
}

func (v *verdict) add(what string, payload []byte) {
	if len(payload) > 256 {
		v.events = append(v.events, fmt.Sprintf("%s %d, %x", what, len(payload), sha256.Sum256(payload)))
		return
	}
	v.events = append(v.events, fmt.Sprintf("%s %d %x", what, len(payload), payload))
}

func (v verdict) equal(w verdict) bool { return v.code == w.code && slices.Equal(v.events, w.events) }

func (v verdict) String() string { return fmt.Sprintf("%.300q code %d", v.events, v.code) }

// reference reads the whole stream at once, in the plainest way.
func reference(limit int, deflate bool, stream []byte) (v verdict) {
	fail := func(code uint16) verdict { v.code = code; return v }
	var message []byte
	var op byte
	compressed := false
	for len(stream) >= 2 {
		fin, rsv1, rsv23 := stream[0]&0x80 != 0, stream[0]&0x40 != 0, stream[0]&0x30 != 0
		code, masked, length := stream[0]&15, stream[1]&0x80 != 0, uint64(stream[1]&127)
		control := code >= 8
		switch {
		case rsv23, rsv1 && (!deflate || code != 1 && code != 2), code >= 3 && code <= 7, code >= 11, !masked,
			control && (!fin || length > 125), code == 0 && op == 0, (code == 1 || code == 2) && op != 0:
			return fail(1002)
		}
		size := map[uint64]int{126: 8, 127: 14}[length]
		if size == 0 {
			size = 6
		}
		if len(stream) < size {
			return v
		}
		switch length {
		case 126:
			if length = uint64(binary.BigEndian.Uint16(stream[2:])); length < 126 {
				return fail(1002)
			}
		case 127:
			if length = binary.BigEndian.Uint64(stream[2:]); length < 65536 || length >= 1<<63 {
				return fail(1002)
			}
		}
		if code == 1 || code == 2 {
			op, compressed = code, rsv1
		}
		bound := limit
		if compressed {
			bound = limit + limit/1024 + 64
		}
		if !control && uint64(len(message))+length > uint64(bound) {
			return fail(1009)
		}
		key := stream[size-4 : size]
		payload := []byte{}
		for i := size; i < len(stream) && i < size+int(length); i++ {
			payload = append(payload, stream[i]^key[(i-size)%4])
		}
		whole := uint64(len(payload)) == length
		stream = stream[size+len(payload):]
		if control {
			if !whole {
				return v
			}
			switch code {
			case 8:
				return refClose(v, payload)
			case 9:
				v.add("ping", payload)
			case 10:
				v.add("pong", payload)
			}
			continue
		}
		message = append(message, payload...)
		if op == 1 && !compressed && !refUTF8(message, whole && fin) {
			return fail(1007)
		}
		if !whole {
			return v
		}
		if !fin {
			continue
		}
		if compressed {
			var err error
			message, err = refInflate(message, limit)
			switch {
			case errors.Is(err, errTooBig):
				return fail(1009)
			case errors.Is(err, errRestarts):
				return fail(1008)
			case err != nil:
				return fail(1007)
			}
			if op == 1 && !utf8.Valid(message) {
				return fail(1007)
			}
		}
		v.add(Opcode(op).String(), message)
		message, op, compressed = nil, 0, false
	}
	return v
}

func refClose(v verdict, payload []byte) verdict {
	if len(payload) == 0 {
		v.events = append(v.events, "close 1005 \"\"")
		return v
	}
	if len(payload) == 1 {
		v.code = 1002
		return v
	}
	code := int(payload[0])<<8 | int(payload[1])
	switch {
	case code < 1000, code >= 1004 && code <= 1006, code >= 1015 && code < 3000, code >= 5000:
		v.code = 1002
	case !utf8.Valid(payload[2:]):
		v.code = 1007
	default:
		v.events = append(v.events, fmt.Sprintf("close %d %q", code, payload[2:]))
	}
	return v
}

// refUTF8 walks b character by character; unless final, the last may be cut.
func refUTF8(b []byte, final bool) bool {
	for len(b) > 0 {
		if !final && !utf8.FullRune(b) {
			return true
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return false
		}
		b = b[n:]
	}
	return true
}

// refInflate decompresses with the standard library.
func refInflate(payload []byte, limit int) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	src := bytes.NewReader(append(bytes.Clone(payload), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff))
	var out []byte
	for restarts := 0; ; restarts++ {
		fr := flate.NewReaderDict(src, out)
		more, err := io.ReadAll(io.LimitReader(fr, int64(limit+1-len(out))))
		if out = append(out, more...); len(out) > limit {
			return nil, errTooBig
		}
		if err != nil {
			return nil, err
		}
		if left := src.Len(); left == 0 || left == 9 {
			return out, nil
		}
		if restarts == maxRestarts {
			return nil, errRestarts
		}
	}
}

// collector is a Handler that writes down what it gets. Every pause-th message
// it asks for a pause.
type collector struct {
	verdict
	pause, messages int
}

func (c *collector) Message(op Opcode, p []byte) bool {
	c.add(op.String(), p)
	c.messages++
	return c.pause == 0 || c.messages%c.pause != 0
}
func (c *collector) Ping(p []byte)    { c.add("ping", p) }
func (c *collector) Costly(m *Costly) { m.Release() }
func (c *collector) Pong(p []byte)    { c.add("pong", p) }
func (c *collector) Close(code uint16, reason string) {
	c.events = append(c.events, fmt.Sprintf("close %d %q", code, reason))
}

// feedAll feeds one portion, again and again behind every pause. It reports
// false when the connection has failed.
func (c *collector) feedAll(r *Reader, l *Limits, data []byte) bool {
	data = bytes.Clone(data)
	for first := true; first || len(data) > 0; first = false {
		n, err := r.Feed(l, data, c)
		if err != nil {
			var ce *CloseError
			if !errors.As(err, &ce) || n != len(data) {
				panic("an error that is no CloseError, or leaves bytes")
			}
			c.code = ce.Code
			return false
		}
		if n < len(data) && c.pause == 0 {
			panic("bytes left without a pause")
		}
		data = data[n:]
	}
	return true
}

// frame is a client's frame with a key that depends on its length.
func frame(first byte, payload []byte) []byte {
	n := len(payload)
	var f []byte
	switch {
	case n < 126:
		f = []byte{first, 0x80 | byte(n)}
	case n < 65536:
		f = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	default:
		f = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(n))
	}
	key := []byte{0xA1, 0x5C, byte(n), 0x07}
	f = append(f, key...)
	for i, b := range payload {
		f = append(f, b^key[i%4])
	}
	return f
}

func text(s string) []byte { return frame(0x81, []byte(s)) }

func cat(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

var squeezers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, 6)
	return w
}}

// squeeze is a client's compressed payload, by the standard library.
func squeeze(s []byte) []byte {
	var b bytes.Buffer
	w := squeezers.Get().(*flate.Writer)
	defer squeezers.Put(w)
	w.Reset(&b)
	_, _ = w.Write(s)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}
