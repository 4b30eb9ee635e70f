package ws

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// DeflateThreshold is the length in bytes below which a message is sent plain
// to sessions that negotiated permessage-deflate.
const DeflateThreshold = 256

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

// pays reports whether a compressed payload is worth a receiver's work.
func pays(compressed, plain int) bool { return compressed+serverHeader < plain }
