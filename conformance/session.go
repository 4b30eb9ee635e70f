package conformance

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
)

// Session is a WebSocket session as an application sees it. Everything a
// server does against the protocol fails the case.
type Session struct {
	*Conn
	t     *T
	what  string // names the session in the trace
	Resp  *http.Response
	pings int
	// Pinged counts the server's pings that were answered on the way.
	Pinged int
	// mute leaves the server's pings unanswered.
	mute bool
}

// do performs a handshake and closes the connection with the case.
func (t *T) do(h Handshake) (*Conn, *http.Response, []byte) {
	c, resp, body, err := dial(t.Endpoint.hostPort(), h, t.deadline)
	if err != nil {
		t.Fatalf("%s: %v", h.Target, err)
	}
	t.logf("%s -> %d %s", h.Target, resp.StatusCode, shorten(body))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.observe(Exchange{FromServer: true, Text: string(body)})
	}
	t.cleanup(c.Kill)
	return c, resp, body
}

// Open opens a session, which has to be accepted.
func (t *T) Open(target string, headers ...string) *Session {
	return t.OpenWith(Handshake{Target: target, Headers: headers})
}

// OpenWith opens a session with the given handshake.
func (t *T) OpenWith(h Handshake) *Session {
	c, resp, body := t.do(h)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: status %d, want 101: %s", h.Target, resp.StatusCode, shorten(body))
	}
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != acceptKey() {
		t.Fatalf("Sec-WebSocket-Accept is %q, want %q", got, acceptKey())
	}
	return &Session{Conn: c, t: t, what: sessionKind(h.Target), Resp: resp}
}

// status performs a handshake for its status and drops the connection.
func (t *T) status(target string) int {
	c, resp, _ := t.do(Handshake{Target: target})
	c.Kill()
	return resp.StatusCode
}

// Refused performs a handshake that must be refused with the status and a body
// that matches the regular expression.
func (t *T) Refused(status int, reason, target string) {
	t.RefusedWith(status, reason, Handshake{Target: target})
}

// RefusedWith is Refused for any handshake.
func (t *T) RefusedWith(status int, reason string, h Handshake) {
	c, resp, body := t.do(h)
	c.Kill()
	if resp.StatusCode != status {
		t.Fatalf("%s: status %d, want %d: %s", h.Target, resp.StatusCode, status, shorten(body))
	}
	text := html.UnescapeString(string(body))
	if !regexp.MustCompile("(?is)" + reason).MatchString(text) {
		t.Fatalf("%s: refused with %s, want it to match %q", h.Target, shorten([]byte(text)), reason)
	}
}

func query(params []string) string {
	if len(params) == 0 {
		return ""
	}
	return "?" + strings.Join(params, "&")
}

// ProducerPath is the v2 path of a producer, with query parameters "k=v".
func ProducerPath(topic Topic, params ...string) string {
	return "/ws/v2/producer/" + string(topic) + query(params)
}

// ConsumerPath is the v2 path of a consumer.
func ConsumerPath(topic Topic, sub string, params ...string) string {
	return "/ws/v2/consumer/" + string(topic) + "/" + sub + query(params)
}

// ReaderPath is the v2 path of a reader.
func ReaderPath(topic Topic, params ...string) string {
	return "/ws/v2/reader/" + string(topic) + query(params)
}

// Producer opens a v2 producer.
func (t *T) Producer(topic Topic, params ...string) *Session {
	return t.Open(ProducerPath(topic, params...))
}

// Consumer opens a v2 consumer.
func (t *T) Consumer(topic Topic, sub string, params ...string) *Session {
	return t.Open(ConsumerPath(topic, sub, params...))
}

// Reader opens a v2 reader.
func (t *T) Reader(topic Topic, params ...string) *Session {
	return t.Open(ReaderPath(topic, params...))
}

// SendFrames sends frames in one write.
func (s *Session) SendFrames(frames ...Frame) {
	var b []byte
	for _, f := range frames {
		b = append(b, f.Bytes()...)
		s.t.logf("%s > op %x more %v rsv %x: %s", s.what, f.Op, f.More, f.RSV, shorten(f.Payload))
	}
	s.t.observeSent(s.what, frames)
	if err := s.Write(b); err != nil {
		s.t.Fatalf("%s: sending: %v", s.what, err)
	}
}

// Send sends a text message in one frame.
func (s *Session) Send(text string) { s.SendFrames(Frame{Op: OpText, Payload: []byte(text)}) }

// ended is how a connection came to its end.
type ended struct {
	code   int // 0 when TCP ended without a close frame, 1005 for one without a code
	reason string
	cause  error
}

func (e *ended) Error() string {
	if e.code == 0 {
		return fmt.Sprintf("TCP ended without a close frame (%v)", e.cause)
	}
	return fmt.Sprintf("closed with %d %q", e.code, e.reason)
}

// read returns the next data message or the end; pings are answered and
// pongs handed to pong.
func (s *Session) read(pong func(payload string)) (text string, op byte, err error) {
	var (
		whole      []byte
		compressed bool
		open       bool
	)
	for {
		f, err := s.ReadFrame()
		if err != nil {
			return "", 0, &ended{cause: err}
		}
		s.t.logf("%s < op %x more %v rsv %x: %s", s.what, f.Op, f.More, f.RSV, shorten(f.Payload))
		switch f.Op {
		case OpPing:
			s.Pinged++
			if !s.mute {
				_ = s.Write(Frame{Op: OpPong, Payload: f.Payload}.Bytes())
			}
			continue
		case OpPong:
			if pong != nil {
				pong(string(f.Payload))
				return "", OpPong, nil
			}
			continue
		case OpClose:
			_ = s.Write(Frame{Op: OpClose, Payload: f.Payload}.Bytes())
			return "", 0, closeOf(f.Payload)
		case OpText, OpBinary:
			if open {
				return "", 0, errors.New("a new message inside a fragmented one")
			}
			op, compressed, open = f.Op, f.RSV&RSV1 != 0, true
			if compressed && s.inflater == nil || f.RSV&^RSV1 != 0 {
				return "", 0, fmt.Errorf("reserved bits %x", f.RSV)
			}
		case OpContinuation:
			if !open || f.RSV != 0 {
				return "", 0, fmt.Errorf("wrong continuation, reserved bits %x", f.RSV)
			}
		default:
			return "", 0, fmt.Errorf("opcode %x", f.Op)
		}
		whole = append(whole, f.Payload...)
		if f.More {
			continue
		}
		if compressed {
			if whole, err = s.inflater.inflate(whole); err != nil {
				return "", 0, err
			}
		}
		s.t.observe(Exchange{Session: s.what, FromServer: true, Text: string(whole)})
		return string(whole), op, nil
	}
}

func closeOf(payload []byte) *ended {
	if len(payload) < 2 {
		return &ended{code: 1005}
	}
	return &ended{code: int(payload[0])<<8 | int(payload[1]), reason: string(payload[2:])}
}

// Recv returns the next message, which must be text.
func (s *Session) Recv() string {
	text, op, err := s.read(nil)
	if err != nil {
		s.t.Fatalf("%s: waiting for a message: %v", s.what, err)
	}
	if op != OpText {
		s.t.Fatalf("%s: opcode %x, want text", s.what, op)
	}
	return text
}

// Expect reads the next message and matches it (see match).
func (s *Session) Expect(pattern string) string {
	text := s.Recv()
	if err := match(text, pattern); err != nil {
		s.t.Fatalf("%s: %v", s.what, err)
	}
	return text
}

// Ask sends a message and matches the answer.
func (s *Session) Ask(text, pattern string) string {
	s.Send(text)
	return s.Expect(pattern)
}

// Fence makes sure that everything the server has done for this session so far
// has been seen, and that no message was among it: the answer to a ping comes
// behind whatever was sent before it.
func (s *Session) Fence() {
	s.pings++
	want := fmt.Sprintf("fence %d", s.pings)
	s.SendFrames(Frame{Op: OpPing, Payload: []byte(want)})
	for done := false; !done; {
		text, _, err := s.read(func(got string) { done = got == want })
		if err != nil {
			s.t.Fatalf("%s: waiting for a pong: %v", s.what, err)
		}
		if text != "" {
			s.t.Fatalf("%s: nothing may come now, but got %s", s.what, shorten([]byte(text)))
		}
	}
}

// ExpectClose waits for a close frame with the code and a reason that matches
// the regular expression, and for the end of the TCP connection behind it.
// Messages in front of it fail the case.
func (s *Session) ExpectClose(code int, reason string) {
	text, _, err := s.read(nil)
	if err == nil {
		s.t.Fatalf("%s: got %s, want a close with %d", s.what, shorten([]byte(text)), code)
	}
	s.endedWith(err, code, reason)
}

// endedWith is ExpectClose with what reading came to.
func (s *Session) endedWith(err error, code int, reason string) {
	var end *ended
	if !errors.As(err, &end) || end.code != code {
		s.t.Fatalf("%s: %v, want a close with %d", s.what, err, code)
	}
	if !regexp.MustCompile("(?is)" + reason).MatchString(end.reason) {
		s.t.Fatalf("%s: closed with reason %q, want it to match %q", s.what, end.reason, reason)
	}
	s.ExpectEOF()
}

// ExpectEOF waits for the server to end the TCP connection.
func (s *Session) ExpectEOF() {
	if f, err := s.ReadFrame(); err == nil {
		s.t.Fatalf("%s: a frame behind the close: op %x %s", s.what, f.Op, shorten(f.Payload))
	} else if timedOut(err) {
		s.t.Fatalf("%s: the server does not end the connection", s.what)
	}
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Close ends the session with a closing handshake and waits for its end.
// Messages still on their way are dropped.
func (s *Session) Close() {
	s.SendFrames(Frame{Op: OpClose, Payload: closeBody(1000, "")})
	for {
		_, _, err := s.read(nil)
		var end *ended
		if errors.As(err, &end) {
			return
		}
		if err != nil {
			s.t.Fatalf("%s: closing: %v", s.what, err)
		}
	}
}

// Publish sends payloads one after the other, waits for each reply and returns
// the message ids.
func (s *Session) Publish(payloads ...string) []string {
	var ids []string
	for _, p := range payloads {
		ids = append(ids, s.PublishJSON(fmt.Sprintf(`{"payload":%q}`, b64(p))))
	}
	return ids
}

// PublishJSON sends one produce request that must succeed and returns its id.
func (s *Session) PublishJSON(request string) string {
	s.Send(request)
	var reply struct{ Result, MessageID, ErrorMsg string }
	text := s.Recv()
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Result != "ok" || reply.MessageID == "" {
		s.t.Fatalf("%s: publishing %s: %s", s.what, shorten([]byte(request)), text)
	}
	return reply.MessageID
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// shorten keeps a trace readable.
func shorten(b []byte) string {
	if len(b) > 300 {
		return fmt.Sprintf("%q… (%d bytes)", b[:300], len(b))
	}
	return fmt.Sprintf("%q", b)
}
