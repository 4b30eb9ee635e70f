package codec

import (
	"slices"
	"strconv"
	"time"
)

// Message is one message to push to a consumer or reader. The encoder only reads it.
type Message struct {
	ID              MessageID
	Payload         []byte
	Properties      map[string]string
	PublishTime     time.Time // the zero time: none is sent
	EventTime       time.Time // the zero time: none is sent
	Key             string
	HasKey          bool
	RedeliveryCount uint32
	Encryption      *EncryptionContext // only when the message is passed on undecrypted
}

const (
	// messageMemory and propertyMemory are about what a message takes in memory, and each of its properties, beyond its texts and its payload, in
	// bytes: a sender may make of few bytes very many properties.
	messageMemory  = 256
	propertyMemory = 96
)

// Memory is about what the message takes in memory, in bytes.
func (m *Message) Memory() int {
	n := messageMemory + len(m.Payload) + len(m.Key) + propertiesMemory(m.Properties)
	if e := m.Encryption; e != nil {
		n += messageMemory + len(e.Param) + len(e.Algorithm)
		for i := range e.Keys {
			key := &e.Keys[i]
			n += propertyMemory + len(key.Name) + len(key.Value) + propertiesMemory(key.Metadata)
		}
	}
	return n
}

func propertiesMemory(properties map[string]string) int {
	n := len(properties) * propertyMemory
	for name, value := range properties {
		n += len(name) + len(value)
	}
	return n
}

// Format is what pushed messages look like on one session.
type Format struct {
	// LegacyTime writes the publish time as the 2016 API did: "2016-08-30 16:45:57.785", in UTC.
	LegacyTime bool
	// Context is repeated in every message of a session opened with one.
	Context    string
	HasContext bool
}

// AppendMessage appends m as a JSON object. It allocates only to grow dst, and to sort more than
// sortedOnStack properties. Times are written in UTC with three digits of milliseconds.
func AppendMessage(dst []byte, m *Message, f Format) []byte {
	dst = append(dst, `{"messageId":"`...)
	dst = m.ID.AppendText(dst)
	dst = append(dst, `","payload":"`...)
	dst = appendBase64(dst, m.Payload)
	dst = append(dst, `","properties":`...)
	dst = appendProperties(dst, m.Properties)
	if !m.PublishTime.IsZero() {
		dst = append(dst, `,"publishTime":"`...)
		if f.LegacyTime {
			dst = appendTime(dst, m.PublishTime, ' ')
		} else {
			dst = append(appendTime(dst, m.PublishTime, 'T'), 'Z')
		}
		dst = append(dst, '"')
	}
	if f.HasContext {
		dst = AppendContext(dst, f.Context)
	}
	dst = append(dst, `,"redeliveryCount":`...)
	dst = strconv.AppendUint(dst, uint64(m.RedeliveryCount), 10)
	if !m.EventTime.IsZero() {
		dst = append(dst, `,"eventTime":"`...)
		dst = append(appendTime(dst, m.EventTime, 'T'), `Z"`...)
	}
	if m.HasKey {
		dst = append(dst, `,"key":`...)
		dst = appendString(dst, m.Key)
	}
	if m.Encryption != nil {
		dst = append(dst, `,"encryptionContext":`...)
		dst = m.Encryption.append(dst)
	}
	return append(dst, '}')
}

// sortedOnStack is how many properties are sorted without allocating.
const sortedOnStack = 16

// appendProperties appends a JSON object of strings, sorted by name.
func appendProperties(dst []byte, properties map[string]string) []byte {
	var few [sortedOnStack]string
	names := few[:0]
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = appendString(dst, properties[name])
	}
	return append(dst, '}')
}
