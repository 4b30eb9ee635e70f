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

// llibBuffers are those that hold buffers of input, each a *[]byte: records, of which llibUsed says how much is used up, the
// handshake messages in them, and the plaintext.
var (
	llibBuffers = fieldsOf("rawInput", "hand", "inputBuf")
	llibUsed    = fieldsOf("rawInputOff")
)

const (
	recordsIn = iota
	messagesIn
)

// llibReadKeys is where a connection has the secret that its keys for reading are made from.
var llibReadKeys = func() (offset uintptr) {
	in, ok := reflect.TypeFor[tls.Conn]().FieldByName("in")
	if !ok || in.Type.Kind() != reflect.Struct {
		return 0
	}
	secret, ok := in.Type.FieldByName("trafficSecret")
	if !ok || secret.Type != reflect.TypeFor[[]byte]() {
		return 0
	}
	return in.Offset + secret.Offset
}()

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

// buffer is the i-th of [llibBuffers]; there are some.
func buffer(c *tls.Conn, i int) **[]byte {
	return (**[]byte)(unsafe.Add(unsafe.Pointer(c), llibBuffers[i].Offset))
}

// heldInput is how much memory c has for its peer's input.
func heldInput(c *tls.Conn) (bytes int) {
	for i := range llibBuffers {
		bytes += heldIn(c, i)
	}
	return bytes
}

// heldIn is the size of the i-th of [llibBuffers].
func heldIn(c *tls.Conn, i int) int {
	if len(llibBuffers) == 0 || *buffer(c, i) == nil {
		return 0
	}
	return cap(**buffer(c, i))
}

// waiting is how many bytes of records came and are not used up.
func waiting(c *tls.Conn) int {
	if len(llibBuffers) == 0 || len(llibUsed) == 0 || *buffer(c, recordsIn) == nil {
		return 0
	}
	return len(**buffer(c, recordsIn)) - *(*int)(unsafe.Add(unsafe.Pointer(c), llibUsed[0].Offset))
}

// fitInput keeps the beginning of a record in a buffer that is no larger than that takes, and none for
// no handshake message. The caller has had the former moved to its buffer's front.
func fitInput(c *tls.Conn) {
	if len(llibBuffers) == 0 {
		return
	}
	if b := *buffer(c, recordsIn); b != nil && classOf(len(*b)) < cap(*b) {
		fit := buffers.Malloc(len(*b))
		copy(*fit, *b)
		buffers.Free(b)
		*buffer(c, recordsIn) = fit
	}
	if b := *buffer(c, messagesIn); b != nil && len(*b) == 0 {
		buffers.Free(b)
		*buffer(c, messagesIn) = nil
	}
}

// readKeys is the secret of c's keys for reading, another slice after each TLS 1.3 key update.
func readKeys(c *tls.Conn) (first *byte) {
	if llibReadKeys == 0 {
		return nil
	}
	return unsafe.SliceData(*(*[]byte)(unsafe.Add(unsafe.Pointer(c), llibReadKeys)))
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
	recordBuffer = 17 << 10               // the largest record with its header and padding
	readsBuffer  = MaxRead + recordBuffer // a large read behind the beginning of a record
)

// classOf is the size of the buffer that n bytes get.
func classOf(n int) int {
	switch {
	case n <= smallBuffer:
		return smallBuffer
	case n <= recordBuffer:
		return recordBuffer
	case n <= readsBuffer:
		return readsBuffer
	}
	return n
}

// Malloc implements [tls.Allocator].
func (p *bufferPool) Malloc(size int) *[]byte {
	room := classOf(size)
	var b *[]byte
	switch room {
	case smallBuffer:
		b, _ = p.small.Get().(*[]byte)
	case recordBuffer:
		b, _ = p.record.Get().(*[]byte)
	case readsBuffer:
		b, _ = p.read.Get().(*[]byte)
	}
	if b == nil {
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
	grown := p.Malloc(max(n+len(more), 2*n)) // so that what comes in small pieces is copied about once
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
