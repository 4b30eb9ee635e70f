package ws

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// DeflateThreshold is the length in bytes below which a message is sent plain
// to sessions that negotiated permessage-deflate. Compressing costs about 10 µs
// however short the message is, for the code tables of its block. A JSON message of
// 128 bytes becomes longer by it, and one of 256 saves 80 bytes of a packet that
// has as many of headers; from 512 on it is half the message and more.
const DeflateThreshold = 512

// deflateTail ends every flushed deflate stream and is left out of the message
// (RFC 7692 section 7.2.1).
const deflateTail = "\x00\x00\xff\xff"

var writers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the library
	}
	return w
}}

// compress returns the compressed form of one message in a pooled buffer, which
// the caller gives back, or nil where the message is better sent as it is.
func compress(message []byte) *buffer {
	if len(message) < DeflateThreshold {
		return nil
	}
	z := getBuffer(len(message))
	deflate(z, message)
	if len(z.b) >= len(message) {
		putBuffer(z)
		return nil
	}
	return z
}

// deflate appends the compressed form of one message to dst.
func deflate(dst *buffer, message []byte) {
	w := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	w.Reset(dst)
	// A buffer takes every write, so there is no error to meet.
	_, _ = w.Write(message)
	_ = w.Flush()
	w.Reset(nil)
	dst.b = dst.b[:len(dst.b)-len(deflateTail)]
}
