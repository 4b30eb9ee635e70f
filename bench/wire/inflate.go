package wire

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// The four bytes that a sender leaves out (RFC 7692 section 7.2.2), and a final
// empty block, so that the message's end is the stream's end.
const inflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

type inflater struct {
	src  bytes.Reader
	tail bytes.Reader
	from io.Reader
	z    io.ReadCloser
	out  bytes.Buffer
}

var inflaters = sync.Pool{New: func() any {
	f := new(inflater)
	f.z = flate.NewReader(nil)
	return f
}}

// inflate decompresses one message, without a context taken over (RFC 7692
// section 7.1.1.1), and hands it to take during the call.
func inflate(payload []byte, take func([]byte)) error {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	f.src.Reset(payload)
	f.tail.Reset([]byte(inflateTail))
	f.from = io.MultiReader(&f.src, &f.tail)
	// Reset of a flate reader returns no error.
	_ = f.z.(flate.Resetter).Reset(f.from, nil)
	f.out.Reset()
	if _, err := f.out.ReadFrom(io.LimitReader(f.z, MaxMessage+1)); err != nil {
		return fmt.Errorf("%w: a compressed message that cannot be read: %w", ErrProtocol, err)
	}
	if f.out.Len() > MaxMessage {
		return fmt.Errorf("%w: a compressed message of more than %d bytes", ErrProtocol, MaxMessage)
	}
	take(f.out.Bytes())
	return nil
}
