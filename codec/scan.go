package codec

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may nest, the outermost counted. Jackson has the same bound.
const maxDepth = 1000

// kind is a JSON value's type, named by the byte it starts with.
type kind byte

const (
	kindString kind = '"'
	kindNumber kind = '0'
	kindTrue   kind = 't'
	kindFalse  kind = 'f'
	kindNull   kind = 'n'
	kindObject kind = '{'
	kindArray  kind = '['
)

func (k kind) String() string {
	switch k {
	case kindString:
		return "a string"
	case kindNumber:
		return "a number"
	case kindTrue, kindFalse:
		return "a boolean"
	case kindNull:
		return "null"
	case kindObject:
		return "an object"
	default:
		return "an array"
	}
}

// value is one JSON value as the scanner found it. Of arrays and objects only the opening has been read; whoever
// got the value reads on with element or field, or leaves the rest to skipRest.
type value struct {
	kind    kind
	escaped bool   // a string with at least one escape in it
	raw     []byte // a scalar's characters as sent, a string's without the quotes; aliases the frame
}

// isText tells whether v can stand where a string is expected.
func (v *value) isText() bool {
	return v.kind != kindNull && v.kind != kindObject && v.kind != kindArray
}

// text is the text v stands for, a copy.
func (v *value) text() string {
	if v.escaped {
		return string(unescape(v.raw))
	}
	return string(v.raw)
}

// bytes is the text v stands for. It may alias the frame.
func (v *value) bytes() []byte {
	if v.escaped {
		return unescape(v.raw)
	}
	return v.raw
}

// scanner reads JSON (RFC 8259) front to back. Its methods report false after a syntax error, which fault and
// pos then describe.
type scanner struct {
	data  []byte
	pos   int
	fault string
}

func (s *scanner) fail(reason string) bool {
	if s.fault == "" {
		s.fault = reason
	}
	return false
}

// syntaxError is the error for a frame the scanner gave up on.
func (s *scanner) syntaxError() *Error {
	if s.pos >= len(s.data) {
		return &Error{CodeDeserialize, "the frame ends early: " + s.fault}
	}
	return &Error{CodeDeserialize, "at byte " + strconv.Itoa(s.pos) + ": " + s.fault}
}

// peek skips white space and returns the byte that follows, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.pos++
	}
	return 0
}

// object reads the opening of the frame's object.
func (s *scanner) object() bool {
	if s.peek() != '{' {
		return s.fail("expected a JSON object")
	}
	s.pos++
	return true
}

// field reads the next field's name and colon. It reports false at the object's end, and once there was an error.
// first says that the object has just been opened. The name may alias the frame.
func (s *scanner) field(first bool) (name []byte, ok bool) {
	if s.fault != "" {
		return nil, false
	}
	c := s.peek()
	if c == '}' {
		s.pos++
		return nil, false
	}
	if !first {
		if c != ',' {
			return nil, s.fail("expected ',' or '}' after a field")
		}
		s.pos++
		c = s.peek()
	}
	if c != '"' {
		return nil, s.fail("expected a field name in double quotes")
	}
	var v value
	if !s.scanString(&v) {
		return nil, false
	}
	if s.peek() != ':' {
		return nil, s.fail("expected ':' after a field name")
	}
	s.pos++
	return v.bytes(), true
}

// element moves to the array's next element. It reports false at the array's end, and once there was an error.
// first says that the array has just been opened.
func (s *scanner) element(first bool) bool {
	if s.fault != "" {
		return false
	}
	c := s.peek()
	if c == ']' {
		s.pos++
		return false
	}
	if first {
		return true
	}
	if c != ',' {
		return s.fail("expected ',' or ']' after an element")
	}
	s.pos++
	if s.peek() == ']' {
		return s.fail("expected a value after ','")
	}
	return true
}

// value reads a scalar, or the opening of an array or object.
func (s *scanner) value(v *value) bool {
	switch c := s.peek(); c {
	case '"':
		return s.scanString(v)
	case '{', '[':
		s.pos++
		*v = value{kind: kind(c)}
		return true
	case 't':
		return s.literal(v, "true")
	case 'f':
		return s.literal(v, "false")
	case 'n':
		return s.literal(v, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.scanNumber(v)
	default:
		return s.fail("expected a JSON value")
	}
}

func (s *scanner) literal(v *value, word string) bool {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return s.fail("unknown word; expected a JSON value")
	}
	*v = value{kind: kind(word[0]), raw: s.data[s.pos:end]}
	s.pos = end
	return true
}

func (s *scanner) scanNumber(v *value) bool {
	start := s.pos
	if s.data[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
		if s.pos < len(s.data) && isDigit(s.data[s.pos]) {
			return s.fail("a number must not start with 0")
		}
	} else if !s.digits() {
		return s.fail("expected a digit")
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("expected a digit after the decimal point")
		}
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.fail("expected a digit in the exponent")
		}
	}
	*v = value{kind: kindNumber, raw: s.data[start:s.pos]}
	return true
}

// digits skips digits and tells whether there was one.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// Masks for looking at eight bytes at once.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// scanString reads a string, its opening quote next, and checks its escapes and UTF-8.
func (s *scanner) scanString(v *value) bool {
	s.pos++
	start := s.pos
	var escaped bool
	var seen uint64 // every byte or-ed together, to know whether all are ASCII
	for {
		for s.pos+8 <= len(s.data) {
			w := binary.LittleEndian.Uint64(s.data[s.pos:])
			quotes, slashes := w^lowBits*'"', w^lowBits*'\\'
			// Each term has the high bit of the lowest byte that matches set, and none below it.
			stop := ((quotes-lowBits)&^quotes | (slashes-lowBits)&^slashes | (w-lowBits*' ')&^w) & highBits
			if stop != 0 {
				n := bits.TrailingZeros64(stop) / 8
				seen |= w & (1<<(8*n) - 1)
				s.pos += n
				break
			}
			seen |= w
			s.pos += 8
		}
		for s.pos < len(s.data) && !stopsString(s.data[s.pos]) {
			seen |= uint64(s.data[s.pos])
			s.pos++
		}
		if s.pos >= len(s.data) {
			return s.fail("a string is not terminated")
		}
		switch s.data[s.pos] {
		case '"':
			raw := s.data[start:s.pos]
			if seen&highBits != 0 && !utf8.Valid(raw) {
				return s.fail("the string that ends here is not valid UTF-8")
			}
			s.pos++
			*v = value{kind: kindString, escaped: escaped, raw: raw}
			return true
		case '\\':
			escaped = true
			if !s.escape() {
				return false
			}
		default:
			return s.fail("a control character in a string must be escaped")
		}
	}
}

// stopsString tells whether c needs a closer look inside a string.
func stopsString(c byte) bool { return c == '"' || c == '\\' || c < ' ' }

// escape skips one escape sequence.
func (s *scanner) escape() bool {
	if s.pos+1 >= len(s.data) {
		s.pos = len(s.data)
		return s.fail("a string is not terminated")
	}
	switch s.data[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return true
	case 'u':
		if _, ok := hex4(s.data[s.pos+2:]); !ok {
			return s.fail("expected four hexadecimal digits after \\u")
		}
		s.pos += 6
		return true
	default:
		return s.fail("unknown escape sequence in a string")
	}
}

// skipRest reads to the end of the array or object that was opened last, at the given depth (1 for the frame's
// own object). It does not recurse, so nesting costs a client's frame no stack.
func (s *scanner) skipRest(k kind, depth int) bool {
	var objects [maxDepth/64 + 1]uint64 // bit d: the level d is an object
	bottom, first := depth, true
	for {
		if first {
			if depth > maxDepth {
				return s.fail("more than 1000 levels of nesting")
			}
			bit := uint64(1) << (depth % 64)
			objects[depth/64] &^= bit
			if k == kindObject {
				objects[depth/64] |= bit
			}
		}
		var more bool
		if objects[depth/64]>>(depth%64)&1 == 1 {
			_, more = s.field(first)
		} else {
			more = s.element(first)
		}
		if s.fault != "" {
			return false
		}
		first = false
		if !more {
			if depth == bottom {
				return true
			}
			depth--
			continue
		}
		var v value
		if !s.value(&v) {
			return false
		}
		if v.kind == kindObject || v.kind == kindArray {
			k, first = v.kind, true
			depth++
		}
	}
}

// skip reads what is left of v at the given depth; scalars have been read already.
func (s *scanner) skip(v *value, depth int) bool {
	if v.kind != kindObject && v.kind != kindArray {
		return true
	}
	return s.skipRest(v.kind, depth)
}
