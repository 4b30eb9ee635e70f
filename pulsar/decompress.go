package pulsar

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

var errSize = errors.New("its size is not the one that it states")

// decompress appends to out, which is empty, what b was before it was compressed: size bytes, not one more. No more memory is
// reserved than bytes that b may hold.
func decompress(t wire.CompressionType, out, b []byte, size int) ([]byte, error) {
	switch t {
	case wire.NoCompression:
		if len(b) != size {
			return nil, errSize
		}
		return append(out, b...), nil
	case wire.LZ4:
		// A byte stands for 255 others at most, and a short block for a little more.
		if size > 255*len(b)+64 {
			return nil, errSize
		}
		out = room(out, size)
		if size == 0 {
			return out, nil // with or without a token that says so
		}
		n, err := lz4.UncompressBlock(b, out)
		if err == nil && n != size {
			err = errSize
		}
		return out[:max(n, 0)], err
	case wire.SNAPPY:
		n, err := snappy.DecodedLen(b)
		if err != nil {
			return nil, err
		}
		if n != size || n > 64*len(b)+64 {
			return nil, errSize
		}
		return snappy.Decode(room(out, size), b)
	case wire.ZSTD:
		return decompressZstd(out, b, size)
	case wire.ZLIB:
		return decompressZlib(out, b, size)
	}
	return nil, fmt.Errorf("compression %s is not known", t)
}

// room makes out so long.
func room(out []byte, size int) []byte {
	if cap(out) < size {
		return make([]byte, size)
	}
	return out[:size]
}

var zstdDecoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(err) // without options that may be wrong there is nothing to be wrong
	}
	return d
}}

var zlibReaders sync.Pool

// decompressZstd reads a stream: what it yields grows with what it reads.
func decompressZstd(out, b []byte, size int) ([]byte, error) {
	d := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(d)
	if err := d.Reset(bytes.NewReader(b)); err != nil {
		return nil, err
	}
	return readExactly(out, d, size)
}

func decompressZlib(out, b []byte, size int) ([]byte, error) {
	in := bytes.NewReader(b)
	r, _ := zlibReaders.Get().(io.ReadCloser)
	if r == nil {
		var err error
		if r, err = zlib.NewReader(in); err != nil {
			return nil, err
		}
	} else if err := r.(zlib.Resetter).Reset(in, nil); err != nil {
		zlibReaders.Put(r)
		return nil, err
	}
	defer zlibReaders.Put(r)
	return readExactly(out, r, size)
}

// readExactly appends size bytes, after which r must end.
func readExactly(out []byte, r io.Reader, size int) ([]byte, error) {
	if cap(out) == 0 {
		out = make([]byte, 0, min(size+1, 64<<10))
	}
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := r.Read(out[len(out):min(cap(out), size+1)])
		out = out[:len(out)+n]
		switch {
		case len(out) > size:
			return nil, errSize
		case errors.Is(err, io.EOF) && len(out) == size:
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}
