package frames

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/pulsegate/pulsegate/bench/wire"
)

// Content is what all messages of a run have in common.
type Content struct {
	Size       int               // of the payload in bytes, at least [StampSize], when File is nil
	File       []byte            // the payload as it is; its stamp goes into a property
	Properties map[string]string // may be nil
	Keys       int               // so many different keys in turn; 0: no key
}

// Template builds producer requests. It is immutable.
type Template struct {
	before  []byte // up to the stamp
	between []byte // from the stamp to the context's value
	keys    uint64
}

// NewTemplate prepares the part that does not change.
func NewTemplate(c Content) (*Template, error) {
	properties := map[string]string{}
	for name, value := range c.Properties {
		if name == Property {
			return nil, fmt.Errorf("property %s is the load generator's own", Property)
		}
		properties[name] = value
	}
	text, err := json.Marshal(properties)
	if err != nil {
		return nil, fmt.Errorf("properties: %w", err)
	}
	t := &Template{keys: uint64(c.Keys)}
	if c.File != nil {
		t.before = append(t.before, `{"payload":"`...)
		t.before = base64.StdEncoding.AppendEncode(t.before, c.File)
		t.before = append(t.before, `","properties":`...)
		t.before = append(t.before, text[:len(text)-1]...)
		if len(properties) > 0 {
			t.before = append(t.before, ',')
		}
		t.before = append(t.before, `"`+Property+`":"`...)
		t.between = append(t.between, `"},"context":"`...)
		return t, nil
	}
	if c.Size < StampSize {
		return nil, fmt.Errorf("a payload of %d bytes is too small for the stamp by which messages are told apart: it needs %d", c.Size, StampSize)
	}
	t.before = append(t.before, `{"payload":"`...)
	t.between = base64.StdEncoding.AppendEncode(t.between, filler(c.Size-StampSize))
	t.between = append(t.between, '"')
	if len(properties) > 0 {
		t.between = append(append(t.between, `,"properties":`...), text...)
	}
	t.between = append(t.between, `,"context":"`...)
	return t, nil
}

// Raw is what the messages hold when they are not sent as frames.
type Raw struct {
	content Content
	filler  []byte
}

// NewRaw prepares the part that does not change.
func NewRaw(c Content) *Raw {
	return &Raw{c, filler(max(c.Size-StampSize, 0))}
}

// Message is the payload, the key and the properties of one message. The caller
// may keep them, and changes neither.
func (r *Raw) Message(s Stamp) (payload []byte, key string, properties map[string]string) {
	if r.content.Keys > 0 {
		key = "key-" + strconv.FormatUint(s.Seq%uint64(r.content.Keys), 10)
	}
	if r.content.File == nil {
		return append(s.Append(make([]byte, 0, StampSize+len(r.filler))), r.filler...), key, r.content.Properties
	}
	properties = map[string]string{Property: string(s.appendText(nil))}
	maps.Copy(properties, r.content.Properties)
	return r.content.File, key, properties
}

// filler is n bytes that compress, but not to nothing.
func filler(n int) []byte {
	b := make([]byte, n)
	state := uint32(0x9e3779b9)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = "0123456789abcdef"[state>>28]
	}
	return b
}

// Append appends one request as a masked frame. The stamp's number is also its
// context and chooses its key.
func (t *Template) Append(dst []byte, s Stamp, mask uint32) []byte {
	start := len(dst)
	dst = append(wire.Begin(dst), t.before...)
	dst = s.appendText(dst)
	dst = append(dst, t.between...)
	dst = strconv.AppendUint(dst, s.Seq, 10)
	if t.keys > 0 {
		dst = append(dst, `","key":"key-`...)
		dst = strconv.AppendUint(dst, s.Seq%t.keys, 10)
	}
	dst = append(dst, `"}`...)
	return wire.End(dst, start, wire.Text, mask)
}

// Size is the length of a request in bytes, but for its number.
func (t *Template) Size() int { return len(t.before) + stampText + len(t.between) }

// AppendAck appends the acknowledgement of a message as a masked frame.
func AppendAck(dst, messageID []byte, mask uint32) []byte {
	start := len(dst)
	dst = append(wire.Begin(dst), `{"messageId":"`...)
	dst = append(append(dst, messageID...), `"}`...)
	return wire.End(dst, start, wire.Text, mask)
}

// AppendPermit appends a consumer's request for n more messages in pull mode.
func AppendPermit(dst []byte, n int, mask uint32) []byte {
	start := len(dst)
	dst = append(wire.Begin(dst), `{"type":"permit","permitMessages":`...)
	dst = append(strconv.AppendInt(dst, int64(n), 10), '}')
	return wire.End(dst, start, wire.Text, mask)
}
