package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Message is one frame pushed to a consumer or reader.
type Message struct {
	Text            string `json:"-"`
	Body            string `json:"-"` // payload, decoded
	MessageID       string
	Payload         string
	Properties      map[string]string
	PublishTime     string
	EventTime       string
	Key             string
	RedeliveryCount int
}

// Next returns the next pushed message.
func (s *Session) Next() Message {
	m := Message{Text: s.Recv()}
	if err := json.Unmarshal([]byte(m.Text), &m); err != nil {
		s.t.Fatalf("%s: %v: %s", s.what, err, m.Text)
	}
	body, err := base64.StdEncoding.DecodeString(m.Payload)
	if err != nil || m.MessageID == "" {
		s.t.Fatalf("%s: no pushed message: %s", s.what, m.Text)
	}
	m.Body = string(body)
	return m
}

// Take reads pushed messages, which must have these payloads in this order.
func (s *Session) Take(bodies ...string) []Message {
	var out []Message
	for _, want := range bodies {
		m := s.Next()
		if m.Body != want {
			s.t.Fatalf("%s: got message %q, want %q", s.what, shorten([]byte(m.Body)), shorten([]byte(want)))
		}
		out = append(out, m)
	}
	return out
}

// TakeAcked is Take with an acknowledgement of each message.
func (s *Session) TakeAcked(bodies ...string) {
	for _, body := range bodies {
		s.Ack(s.Take(body)[0])
	}
}

// Ack acknowledges a message.
func (s *Session) Ack(m Message) { s.Send(fmt.Sprintf(`{"messageId":%q}`, m.MessageID)) }

// Nack acknowledges a message negatively.
func (s *Session) Nack(m Message) {
	s.Send(fmt.Sprintf(`{"type":"negativeAcknowledge","messageId":%q}`, m.MessageID))
}

// Permit allows n more messages in pull mode.
func (s *Session) Permit(n int) {
	s.Send(fmt.Sprintf(`{"type":"permit","permitMessages":%d}`, n))
}
