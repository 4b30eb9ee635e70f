//go:build pulsar && linux

package attack

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/pulsegate/pulsegate/bench/frames"
	"github.com/pulsegate/pulsegate/bench/loop"
	"github.com/pulsegate/pulsegate/bench/measure"
	"github.com/pulsegate/pulsegate/bench/wire"
)

// victimKind is what a victim does.
type victimKind int

const (
	publisher victimKind = iota
	consumer
	reader
	asker // a producer that only asks for what is refused
)

func (k victimKind) String() string {
	return [...]string{"publisher", "consumer", "reader", "asker"}[k]
}

// victim is one session of the victims and its connection. It belongs to their loop.
type victim struct {
	v       *victims
	kind    victimKind
	passing bool  // it is opened for the probe, and closed once it is open
	due     int64 // when it was to be opened, with passing

	conn loop.Conn
	in   wire.Reader
	head []byte // the answer to the handshake so far
	open bool

	sender   uint32
	next     uint64 // number of the next message or request
	before   uint64 // what next was when the phase began
	start    int64  // when number 0 is due
	every    int64
	answered measure.Sequence
	read     measure.Sources[measure.Sequence] // of a reader
	timer    loop.Timer
	renewal  loop.Timer
}

func (s *victim) target() string {
	switch s.kind {
	case consumer:
		return "/ws/v2/consumer/" + s.v.topic + "/victims?subscriptionType=Shared"
	case reader:
		return "/ws/v2/reader/" + s.v.topic
	}
	return "/ws/v2/producer/" + s.v.topic
}

func (s *victim) dial() {
	if s.passing {
		s.v.pending++
	}
	if err := s.v.loop.Dial(&s.conn, s.v.addr, s.v.addr.Addr(), s); err != nil {
		s.gone(err)
	}
}

// Connected implements [loop.Handler].
func (s *victim) Connected() {
	s.conn.Send(wire.AppendUpgrade(s.conn.Out(), s.v.addr.String(), s.target(), s.v.headers...))
}

// Data implements [loop.Handler].
func (s *victim) Data(b []byte) {
	if !s.open {
		s.head = append(s.head, b...)
		n, err := wire.ReadAnswer(s.head, false)
		if err != nil {
			s.conn.Close()
			s.gone(err)
			return
		}
		if n == 0 {
			return
		}
		b = s.head[n:]
		s.head = nil
		s.isOpen()
		if s.passing {
			return
		}
	}
	if err := s.in.Feed(b, s); err != nil {
		s.conn.Close()
		s.gone(err)
	}
}

func (s *victim) isOpen() {
	v := s.v
	s.open = true
	if s.passing {
		v.pending--
		v.record(open, s.due)
		s.conn.Send(wire.AppendClose(s.conn.Out(), 1000, "", rand.Uint32()))
		return
	}
	if v.opened++; v.opened == len(v.sessions) {
		close(v.ready)
	}
}

// begin makes a session send, the i-th of all of them: not all at the same time.
func (s *victim) begin(now int64, i int) {
	switch s.kind {
	case publisher:
		s.every = int64(publishEvery)
	case asker:
		s.every = int64(replyEvery)
	}
	s.start = now + int64(i)*int64(publishEvery)/int64(len(s.v.sessions))
	if s.every > 0 {
		s.v.loop.Set(&s.timer, s.start, s.send)
	}
	if s.v.token != "" {
		s.v.loop.Set(&s.renewal, s.start, s.renew)
	}
}

func (s *victim) dueAt(n uint64) int64 { return s.start + int64(n)*s.every }

// send sends what is due.
func (s *victim) send() {
	if s.v.ending || !s.conn.Open() {
		return
	}
	out := s.conn.Out()
	for now := s.v.loop.Now(); s.dueAt(s.next) <= now; s.next++ {
		if s.kind == publisher {
			stamp := frames.Stamp{Source: measure.Source{Sender: s.sender}, Seq: s.next, At: s.dueAt(s.next)}
			out = s.v.template.Append(out, stamp, rand.Uint32())
		} else {
			// Without a payload a request is refused with the context that it has.
			out = wire.AppendFrame(out, wire.Text, fmt.Appendf(nil, `{"context":"%d"}`, s.next), rand.Uint32())
		}
	}
	s.conn.Send(out)
	s.v.loop.Set(&s.timer, s.dueAt(s.next), s.send)
}

// renew logs in again, as clients do whose tokens run out.
func (s *victim) renew() {
	if s.v.leaving || !s.conn.Open() {
		return
	}
	s.conn.Send(wire.AppendFrame(s.conn.Out(), wire.Text, renewal(s.v.token), rand.Uint32()))
	s.v.loop.Set(&s.renewal, s.renewal.At()+int64(renewEvery), s.renew)
}

func renewal(token string) []byte {
	return fmt.Appendf(nil, `{"type":"AUTH_RESPONSE","authResponse":{"clientVersion":"v0","protocolVersion":0,`+
		`"response":{"authMethodName":"token","authData":%q}}}`, token)
}

// Message implements [wire.Handler].
func (s *victim) Message(payload []byte) {
	if s.passing {
		return
	}
	if s.kind == publisher || s.kind == asker {
		s.answer(payload)
		return
	}
	m, err := frames.ParseMessage(payload)
	if err != nil || !m.Stamped {
		s.v.lose("%s got %.100q: %v", s.kind, payload, err)
		return
	}
	s.conn.Send(frames.AppendAck(s.conn.Out(), m.ID, rand.Uint32()))
	seen := &s.v.consumed
	if s.kind == reader {
		seen = &s.read
	}
	if seen.Get(m.Stamp.Source).Saw(m.Stamp.Seq) {
		s.v.record(deliver, m.Stamp.At)
	}
}

func (s *victim) answer(payload []byte) {
	r, err := frames.ParseReply(payload)
	switch {
	case err != nil:
		s.v.lose("%s got %v", s.kind, err)
	case s.kind == publisher && r.Error != "":
		s.answered.Saw(r.Seq)
		s.v.lose("message was refused: %s", r.Error)
	case s.answered.Saw(r.Seq) && s.kind == publisher:
		s.v.record(publish, s.dueAt(r.Seq))
	case s.kind == asker:
		s.v.record(reply, s.dueAt(r.Seq))
	}
}

// Ping implements [wire.Handler].
func (s *victim) Ping(payload []byte) {
	s.conn.Send(wire.AppendFrame(s.conn.Out(), wire.Pong, payload, rand.Uint32()))
}

// Closed implements [wire.Handler].
func (s *victim) Closed(code uint16, reason string) {
	s.conn.Close()
	s.gone(fmt.Errorf("the server closed it: %d %s", code, reason))
}

// Ended implements [loop.Handler].
func (s *victim) Ended(err error) {
	if !s.open && s.head != nil {
		if _, refusal := wire.ReadAnswer(s.head, true); refusal != nil {
			err = refusal
		}
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the server ended the connection")
	}
	s.gone(err)
}

// gone: the session ended. One that is opened for the probe does, once it was open.
func (s *victim) gone(err error) {
	s.in.Release()
	switch {
	case s.passing && s.open, s.v.leaving:
	case s.passing:
		s.v.pending--
		s.v.lose("new session was refused: %v", err)
	default:
		s.v.lose("%s lost its session: %v", s.kind, err)
	}
}
