package tlsio

import (
	"bytes"
	"reflect"
	"sync"
	"unsafe"

	"github.com/lesismal/llib/std/crypto/tls"
)

// This file makes llib's connections small. llib is a copy of Go's own TLS that
// can also be run without a goroutine per connection. Nothing here touches what
// llib protects data with, and TestLinkedVersion says when another version of it
// has other fields.

// llibHandshake are the fields of a [tls.Conn] that only a handshake needs. llib
// keeps them as long as the connection: 2 to 7 KB for nothing.
var llibHandshake = fieldsOf("hs", "hs13", "clientHello", "serverHello", "echServer", "certMsg", "certMsgVerified",
	"hand", "handOff", "peerCertificates", "verifiedChains", "ocspResponse", "scts", "ticketKeys", "resumptionSecret", "ekm")

// llibInput are the fields that hold the plaintext of the record read last.
var llibInput = fieldsOf("input", "inputBuf")

// forgetHandshake drops what is left of a complete handshake. A message that
// began behind it is lost, and the connection with it; no client sends one so early.
func forgetHandshake(c *tls.Conn) { zero(c, llibHandshake) }

// forgetInput drops what was read; the caller has read all of it.
func forgetInput(c *tls.Conn) {
	if len(llibInput) != 2 {
		return
	}
	p := unsafe.Pointer(c)
	*(*bytes.Reader)(unsafe.Add(p, llibInput[0].Offset)) = bytes.Reader{}
	if b := (**[]byte)(unsafe.Add(p, llibInput[1].Offset)); *b != nil {
		buffers.Free(*b)
		*b = nil
	}
}

func zero(c *tls.Conn, fields []reflect.StructField) {
	for _, f := range fields {
		reflect.NewAt(f.Type, unsafe.Add(unsafe.Pointer(c), f.Offset)).Elem().SetZero()
	}
}

// fieldsOf finds fields of a [tls.Conn]. With none of them nothing is dropped,
// which costs memory only.
func fieldsOf(names ...string) []reflect.StructField {
	var fields []reflect.StructField
	for _, name := range names {
		f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
		if !ok {
			return nil
		}
		fields = append(fields, f)
	}
	return fields
}

// buffers gives llib the buffers of one read. All of it goes back when the
// read is over, but for the beginning of a record whose rest has not come.
var buffers = &bufferPool{}

// bufferPool implements [tls.Allocator]. Buffers of a record are kept for
// reuse, so that a message does not cost two allocations.
type bufferPool struct{ small, record, read sync.Pool }

const (
	smallBuffer  = 1 << 10
	recordBuffer = 17 << 10              // the largest record with its header and padding
	readsBuffer  = 64<<10 + recordBuffer // a large read behind the beginning of a record
)

// Malloc implements [tls.Allocator].
func (p *bufferPool) Malloc(size int) *[]byte {
	pool, room := &p.small, smallBuffer
	switch {
	case size > readsBuffer:
		b := make([]byte, size)
		return &b
	case size > recordBuffer:
		pool, room = &p.read, readsBuffer
	case size > smallBuffer:
		pool, room = &p.record, recordBuffer
	}
	b, ok := pool.Get().(*[]byte)
	if !ok {
		made := make([]byte, room)
		b = &made
	}
	*b = (*b)[:size]
	return b
}

// Free implements [tls.Allocator]. What was in the buffer is overwritten: it
// was a client's.
func (p *bufferPool) Free(b *[]byte) {
	clear((*b)[:cap(*b)])
	switch cap(*b) {
	case smallBuffer:
		p.small.Put(b)
	case recordBuffer:
		p.record.Put(b)
	case readsBuffer:
		p.read.Put(b)
	}
}

// Append implements [tls.Allocator].
func (p *bufferPool) Append(b *[]byte, more ...byte) *[]byte {
	n := len(*b)
	if n+len(more) <= cap(*b) {
		*b = append(*b, more...)
		return b
	}
	grown := p.Malloc(max(n+len(more), min(2*n, readsBuffer)))
	copy(*grown, *b)
	*grown = append((*grown)[:n], more...)
	p.Free(b)
	return grown
}

// AppendString implements [tls.Allocator].
func (p *bufferPool) AppendString(b *[]byte, more string) *[]byte {
	return p.Append(b, []byte(more)...)
}

// Realloc implements [tls.Allocator].
func (p *bufferPool) Realloc(b *[]byte, size int) *[]byte {
	n := len(*b)
	if size > n {
		return p.Append(b, make([]byte, size-n)...)
	}
	*b = (*b)[:size]
	return b
}
