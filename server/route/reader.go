package route

import (
	"strings"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/topic"
)

// reader reads a reader's parameters.
func (p params) reader(e endpoint, r *Request) (err error) {
	s := &r.Reader
	s.Topic, r.Topics = e.topic.String(), []topic.Name{e.topic}
	s.Name = strings.TrimSpace(p["readerName"])
	switch id := p["messageId"]; id {
	case "", "latest":
		s.Start = bridge.StartLatest
	case "earliest":
		s.Start = bridge.StartEarliest
	default:
		s.Start = bridge.StartAtPosition
		if s.Position, err = p.position("messageId"); err != nil {
			return err
		}
	}
	if s.CryptoFailure, err = p.cryptoFailure(); err != nil {
		return err
	}
	s.Queue, err = p.queue()
	r.Read.Window = s.Queue
	return err
}
