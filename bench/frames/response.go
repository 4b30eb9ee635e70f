package frames

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Reply is a server's answer to a request.
type Reply struct {
	Seq   uint64
	Error string // "" when the message was published
}

// Message is what is needed of a pushed message. Its slice aliases the frame.
type Message struct {
	ID         []byte
	Stamp      Stamp
	Stamped    bool
	Redelivery uint32
}

// The readers below look for a field by its text, quotes and colon included. A
// quote inside a JSON string is escaped, so this text cannot be a part of one,
// and the frames of the known servers have no other field of that name. A frame
// in which it is not found is read as JSON.

// text returns the value of a field with a string value that has no escapes.
func text(frame []byte, field string) ([]byte, bool) {
	i := bytes.Index(frame, []byte(field))
	if i < 0 {
		return nil, false
	}
	value := frame[i+len(field):]
	end := bytes.IndexByte(value, '"')
	if end < 0 || bytes.IndexByte(value[:end], '\\') >= 0 {
		return nil, false
	}
	return value[:end], true
}

// ParseReply reads an answer. The error says what is wrong with the frame itself.
func ParseReply(frame []byte) (Reply, error) {
	if context, ok := text(frame, `"context":"`); ok && bytes.Contains(frame, []byte(`"result":"ok"`)) {
		if seq, err := strconv.ParseUint(string(context), 10, 64); err == nil {
			return Reply{Seq: seq}, nil
		}
	}
	var r struct {
		Result   string `json:"result"`
		ErrorMsg string `json:"errorMsg"`
		Context  string `json:"context"`
	}
	if err := json.Unmarshal(frame, &r); err != nil {
		return Reply{}, fmt.Errorf("a reply that cannot be read: %w", err)
	}
	failure := ""
	if r.Result != "ok" {
		failure = r.Result
		if r.ErrorMsg != "" {
			failure += ": " + r.ErrorMsg
		}
	}
	seq, err := strconv.ParseUint(r.Context, 10, 64)
	if err != nil {
		return Reply{}, fmt.Errorf("a reply with a context that was not sent: %.100q %s", r.Context, failure)
	}
	return Reply{Seq: seq, Error: failure}, nil
}

const payloadField = `"payload":"`

// ParseMessage reads a pushed message.
func ParseMessage(frame []byte) (Message, error) {
	var m Message
	var found bool
	m.ID, found = text(frame, `"messageId":"`)
	if !found {
		return parseSlowly(frame)
	}
	// Of a long payload only the beginning is read, if it is a stamp: a shorter one, or one with escapes, does not pass for it.
	if i := bytes.Index(frame, []byte(payloadField)); i >= 0 {
		m.Stamp, m.Stamped = parseStamp(frame[i+len(payloadField):])
	}
	if !m.Stamped {
		if _, found = text(frame, payloadField); !found {
			return parseSlowly(frame)
		}
		if own, ok := text(frame, `"`+Property+`":"`); ok {
			m.Stamp, m.Stamped = parseStamp(own)
		}
	}
	m.Redelivery = number(frame, `"redeliveryCount":`)
	return m, nil
}

func number(frame []byte, field string) uint32 {
	// The count stands behind the payload: looking for it from the end does not
	// read that.
	i := bytes.LastIndex(frame, []byte(field))
	if i < 0 {
		return 0
	}
	var n uint32
	for _, c := range frame[i+len(field):] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

func parseSlowly(frame []byte) (Message, error) {
	var f struct {
		MessageID  *string           `json:"messageId"`
		Payload    string            `json:"payload"`
		Properties map[string]string `json:"properties"`
		Redelivery uint32            `json:"redeliveryCount"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return Message{}, fmt.Errorf("a message that cannot be read: %w", err)
	}
	if f.MessageID == nil {
		return Message{}, fmt.Errorf("a frame that is no message: %.100q", frame)
	}
	m := Message{ID: []byte(*f.MessageID), Redelivery: f.Redelivery}
	if m.Stamp, m.Stamped = parseStamp([]byte(f.Payload)); !m.Stamped {
		m.Stamp, m.Stamped = parseStamp([]byte(f.Properties[Property]))
	}
	return m, nil
}
