package sharingtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/codec/ws"
	"github.com/pulsegate/pulsegate/latency"
)

// socket is an Outlet whose client is a test goroutine: it takes what the
// session has whenever it likes to.
type socket struct {
	t       testing.TB
	session bridge.Session
	woken   chan struct{}
	ended   atomic.Value // why the session was ended, a string

	room   int
	frames [][]byte
}

// Wake implements [bridge.Outlet].
func (s *socket) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Resume implements [bridge.Outlet].
func (s *socket) Resume() { s.Wake() }

// End implements [bridge.Outlet].
func (s *socket) End(_ codec.Code, reason string) { s.ended.Store(reason); s.Wake() }

// RemoteAddr implements [bridge.Outlet].
func (s *socket) RemoteAddr() string { return "192.0.2.1:1" }

// Now implements [bridge.Writer].
func (s *socket) Now() time.Duration { return latency.Now() }

// Room implements [bridge.Writer].
func (s *socket) Room() bool { return s.room > 0 }

// Append implements [bridge.Writer].
func (s *socket) Append(add func([]byte) []byte) {
	s.room--
	s.frames = append(s.frames, add(nil))
}

// Shared implements [bridge.Writer].
func (s *socket) Shared(f *ws.Frame) {
	s.room--
	s.frames = append(s.frames, f.Payload())
}

// open attaches a session and waits for it. It returns nil, and the test has
// failed, if there is none.
func open(t testing.TB, start func(bridge.Outlet, bridge.Opened) func()) *socket {
	t.Helper()
	s := &socket{t: t, woken: make(chan struct{}, 1)}
	opened := make(chan error, 1)
	start(s, func(session bridge.Session, err error) {
		s.session = session
		opened <- err
	})
	select {
	case err := <-opened:
		if err != nil {
			t.Errorf("open: %v", err)
			return nil
		}
	case <-time.After(patience):
		t.Error("open: no answer")
		return nil
	}
	return s
}

// take returns up to n frames, waiting for at least one; nil when over comes
// first or the session ended.
func (s *socket) take(n int, over <-chan time.Time) [][]byte {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if frames := s.takeNow(n); len(frames) > 0 {
			return frames
		}
		select {
		case <-s.woken:
			if why := s.ended.Load(); why != nil {
				s.t.Errorf("session ended: %s", why)
				return nil
			}
		case <-over:
			return nil
		case <-late.C:
			s.t.Error("nothing came")
			return nil
		}
	}
}

// takeNow returns up to n frames of those that are there.
func (s *socket) takeNow(n int) [][]byte {
	s.room, s.frames = n, nil
	s.session.Fill(s)
	if len(s.frames) == n {
		s.Wake() // there may be more, which the contract announces by room, not by Wake
	}
	return s.frames
}

// handle sends one frame of the client's.
func (s *socket) handle(format string, args ...any) {
	s.t.Helper()
	if err := s.session.Handle(fmt.Appendf(nil, format, args...)); err != nil {
		s.t.Errorf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (s *socket) ack(id string)  { s.handle(`{"messageId":%q}`, id) }
func (s *socket) nack(id string) { s.handle(`{"type":"negativeAcknowledge","messageId":%q}`, id) }

// pushed is what a client reads of a message.
type pushed struct {
	MessageID       string `json:"messageId"`
	Payload         string `json:"payload"`
	RedeliveryCount int    `json:"redeliveryCount"`

	number int // that the payload names
	id     codec.MessageID
}

// parse reads a message. The test fails, and ok is false, if it is none.
func parse(t testing.TB, frame []byte) (m pushed, ok bool) {
	t.Helper()
	err := json.Unmarshal(frame, &m)
	var payload []byte
	if err == nil {
		payload, err = base64.StdEncoding.DecodeString(m.Payload)
	}
	if err == nil {
		m.number, err = strconv.Atoi(string(payload))
	}
	if err == nil {
		m.id, err = codec.ParseMessageID([]byte(m.MessageID))
	}
	if err != nil {
		t.Errorf("frame %q: %v", frame, err)
	}
	return m, err == nil
}

// encode is the payload of a number.
func encode(number int) string {
	return base64.StdEncoding.EncodeToString(strconv.AppendInt(nil, int64(number), 10))
}
