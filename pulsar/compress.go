package pulsar

import (
	"bytes"
	"compress/zlib"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// seal makes of an entry's payload what is stored. What is empty is not compressed: not all clients take
// account of that when they read it.
func (p *Producer) seal(e *entry, by *Sealed) {
	e.full = len(e.payload)
	if by != nil {
		e.full, e.compression, e.seal = by.Size, by.Compression, &by.Encryption
		return
	}
	if e.full > 0 {
		e.payload, e.compression = p.compress(e.payload), p.o.Compression
	}
	if p.o.Encrypter != nil {
		var how Encryption
		e.payload, how = p.o.Encrypter.Encrypt(e.payload)
		e.seal = &how
	}
}

// compress returns b compressed, or b itself. Both ends know how long it was.
func (p *Producer) compress(b []byte) []byte {
	switch p.o.Compression {
	case wire.LZ4:
		return compressLZ4(b)
	case wire.ZLIB:
		return compressZlib(b)
	case wire.ZSTD:
		return zstdEncoder().EncodeAll(b, nil)
	case wire.SNAPPY:
		return snappy.Encode(nil, b)
	}
	return b
}

// zstdEncoder is one for all: EncodeAll may be called from any goroutine.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // without options there is nothing to be wrong
	}
	return e
})

var lz4Compressors = sync.Pool{New: func() any { return new(lz4.Compressor) }}

// compressLZ4 makes a block without a frame around it.
func compressLZ4(b []byte) []byte {
	out := make([]byte, lz4.CompressBlockBound(len(b)))
	c := lz4Compressors.Get().(*lz4.Compressor)
	n, err := c.CompressBlock(b, out)
	lz4Compressors.Put(c)
	if err == nil && n > 0 {
		return out[:n]
	}
	// What cannot be made smaller is one run of literals.
	return append(literals(make([]byte, 0, len(b)+len(b)/255+2), len(b)), b...)
}

// literals appends the token of an LZ4 block that says that n literals follow.
func literals(out []byte, n int) []byte {
	if n < 15 {
		return append(out, byte(n<<4))
	}
	out = append(out, 15<<4)
	for n -= 15; n >= 255; n -= 255 {
		out = append(out, 255)
	}
	return append(out, byte(n))
}

var zlibWriters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

func compressZlib(b []byte) []byte {
	var out bytes.Buffer
	w := zlibWriters.Get().(*zlib.Writer)
	w.Reset(&out)
	// A buffer takes whatever is written to it.
	_, _ = w.Write(b)
	_ = w.Close()
	zlibWriters.Put(w)
	return out.Bytes()
}
