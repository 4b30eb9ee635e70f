package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is what every error is that tells of bytes which are not what the
// protocol asks for. The connection they came from cannot be used any more.
var ErrMalformed = errors.New("malformed")

// number is the number of a field in its message.
type number = protowire.Number

// Whether a field must be there.
const (
	optional = false
	required = true
)

// fields walks through the fields of one message in the order of their numbers,
// either to append those that are set to out, or to take them from in.
//
// Taking makes passes. A pass takes fields as long as they come in the order in
// which the message's fields method asks for them, which is how all encoders
// write; so one pass is enough for a message with nothing unknown in it. What a
// whole pass did not ask for is unknown and skipped.
type fields struct {
	out []byte // appending: what was there and what is written

	taking bool
	in     []byte // what follows the current field
	num    number // of the current field, 0: there is none
	typ    protowire.Type
	v      uint64 // its value if it is a varint
	s      []byte // its value if it has a length

	passed bool   // a pass was made
	took   bool   // this pass took something
	seen   uint64 // a bit for each field taken; numbers go up to 63
	needed uint64 // a bit for each field that must be there
	err    error
}

// taken starts taking the fields of the message in b.
func taken(b []byte) fields {
	f := fields{taking: true, in: b}
	f.next()
	return f
}

// next makes the field that follows the current one.
func (f *fields) next() {
	f.num = 0
	if len(f.in) == 0 {
		return
	}
	num, typ, n := protowire.ConsumeTag(f.in)
	if n < 0 {
		f.fail(n)
		return
	}
	b, m := f.in[n:], 0
	switch typ {
	case protowire.VarintType:
		f.v, m = protowire.ConsumeVarint(b)
	case protowire.BytesType:
		f.s, m = protowire.ConsumeBytes(b)
	default:
		m = protowire.ConsumeFieldValue(num, typ, b)
	}
	if m < 0 {
		f.fail(m)
		return
	}
	f.num, f.typ, f.in = num, typ, b[m:]
}

// fail keeps the first error and ends the walk. n is an error code of protowire.
func (f *fields) fail(n int) {
	f.stop(fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n)))
}

func (f *fields) stop(err error) {
	if f.err == nil {
		f.err = err
	}
	f.num, f.in = 0, nil
}

// more reports whether another pass is needed.
func (f *fields) more() bool {
	if !f.passed {
		f.passed = true // also for an empty message, so that what must be there is known
		return true
	}
	if f.num != 0 && !f.took {
		f.next()
	}
	f.took = false
	return f.num != 0
}

// end tells what is wrong with the message, which is called name.
func (f *fields) end(name string) error {
	if f.err != nil {
		return fmt.Errorf("%s: %w", name, f.err)
	}
	if missing := f.needed &^ f.seen; missing != 0 {
		n := 0
		for missing>>n&1 == 0 {
			n++
		}
		return fmt.Errorf("%s: %w: field %d is missing", name, ErrMalformed, n)
	}
	return nil
}

// at reports whether the current field is number n in wire type t. A field of
// another type than it should have is unknown, as protobuf wants it.
func (f *fields) at(n number, t protowire.Type) bool { return f.num == n && f.typ == t }

// done goes on to the next field after the current one was taken.
func (f *fields) done() {
	f.seen |= 1 << f.num
	f.took = true
	f.next()
}

// tag appends the tag of a field. Nearly all are one byte.
func (f *fields) tag(n number, t protowire.Type) {
	if n < 16 {
		f.out = append(f.out, byte(n)<<3|byte(t))
		return
	}
	f.out = protowire.AppendTag(f.out, n, t)
}

// put appends a varint field. Most values are one byte.
func (f *fields) put(n number, v uint64) {
	f.tag(n, protowire.VarintType)
	if v < 0x80 {
		f.out = append(f.out, byte(v))
		return
	}
	f.out = protowire.AppendVarint(f.out, v)
}

// open begins a field that holds a message; close, given what open returned,
// ends it and writes its length.
func (f *fields) open(n number) int {
	f.tag(n, protowire.BytesType)
	f.out = append(f.out, 0)
	return len(f.out)
}

func (f *fields) close(at int) {
	n := len(f.out) - at
	if n < 0x80 {
		f.out[at-1] = byte(n)
		return
	}
	var size [binary.MaxVarintLen64]byte
	more := binary.PutUvarint(size[:], uint64(n)) - 1
	f.out = append(f.out, size[:more]...) // makes room
	copy(f.out[at+more:], f.out[at:at+n])
	copy(f.out[at-1:], size[:more+1])
}

// leave ends the taking of a message inside the current field, with the error
// of that, and goes on.
func (f *fields) leave(err error) {
	if err != nil {
		f.stop(err)
		return
	}
	f.done()
}
