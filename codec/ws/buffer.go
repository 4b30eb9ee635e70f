package ws

import (
	"math/bits"
	"sync"
)

// Buffers come in sizes of powers of two from 512 bytes to 2 MiB; beyond that
// they are left to the garbage collector.
const (
	minClass = 9
	maxClass = 21
)

var pools [maxClass - minClass + 1]sync.Pool

// buffer is a byte slice that goes to a pool and back without an allocation.
type buffer struct{ b []byte }

// getBuffer returns an empty buffer with room for n bytes.
func getBuffer(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		return &buffer{make([]byte, 0, n)}
	}
	if p, ok := pools[class-minClass].Get().(*buffer); ok {
		return p
	}
	return &buffer{make([]byte, 0, 1<<class)}
}

// putBuffer gives p back; the caller must not touch it or its bytes any more.
func putBuffer(p *buffer) {
	class := bits.Len(uint(cap(p.b))) - 1
	if class < minClass || class > maxClass || cap(p.b) != 1<<class {
		return
	}
	p.b = p.b[:0]
	pools[class-minClass].Put(p)
}

// grow returns p, or a larger buffer with its bytes in place of it, with room
// for n bytes more. A nil p is an empty buffer. The size at least doubles, so
// that growing in small steps copies each byte about once.
func (p *buffer) grow(n int) *buffer {
	if p == nil {
		return getBuffer(n)
	}
	if cap(p.b)-len(p.b) >= n {
		return p
	}
	q := getBuffer(max(len(p.b)+n, 2*cap(p.b)))
	q.b = append(q.b, p.b...)
	putBuffer(p)
	return q
}

// Write appends d; it is an [io.Writer] that never fails.
func (p *buffer) Write(d []byte) (int, error) {
	p.b = append(p.b, d...)
	return len(d), nil
}
