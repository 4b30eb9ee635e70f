package conformance

import (
	"fmt"
	"strings"
	"time"
)

const request = `{"payload":"aGk=","context":"1"}`

func wireCases() Area {
	var cases []Case
	cases = append(cases, framingCases()...)
	cases = append(cases, violationCases()...)
	cases = append(cases, controlCases()...)
	cases = append(cases, utf8Cases()...)
	cases = append(cases, closeCases()...)
	return Area{Name: "Wire: RFC 6455", Cases: cases}
}

// wire is a case on the frames of a producer session.
func wire(id, text string, run func(t *T, p *Session)) Case {
	return Case{ID: "wire/" + id, Text: text, Run: func(t *T) { run(t, t.Producer(t.Topic())) }}
}

// split cuts a text into frames of a fragmented message.
func split(text string, at ...int) []Frame {
	var frames []Frame
	from := 0
	for i := 0; i <= len(at); i++ {
		to := len(text)
		if i < len(at) {
			to = at[i]
		}
		op := byte(OpContinuation)
		if i == 0 {
			op = OpText
		}
		frames = append(frames, Frame{Op: op, More: i < len(at), Payload: []byte(text[from:to])})
		from = to
	}
	return frames
}

func framingCases() []Case {
	return []Case{
		wire("byte-by-byte", "a message that arrives byte by byte is taken", func(t *T, p *Session) {
			for _, b := range (Frame{Op: OpText, Payload: []byte(request)}).Bytes() {
				if err := p.Write([]byte{b}); err != nil {
					t.Fatalf("%v", err)
				}
			}
			p.Expect(okReply("1"))
		}),
		wire("split-everywhere", "a frame cut in two at any byte is taken", func(t *T, p *Session) {
			b := Frame{Op: OpText, Payload: []byte(request)}.Bytes()
			for i := 1; i < len(b); i++ {
				for _, part := range [][]byte{b[:i], b[i:]} {
					if err := p.Write(part); err != nil {
						t.Fatalf("%v", err)
					}
				}
				p.Expect(okReply("1"))
			}
		}),
		wire("many-in-one-packet", "300 frames in one packet are 300 messages", func(t *T, p *Session) {
			publishAtOnce(t, p, 300)
		}),
		wire("fragmented", "a message in three fragments is one message", func(t *T, p *Session) {
			p.SendFrames(split(request, 5, 11)...)
			p.Expect(okReply("1"))
			p.Fence()
		}),
		wire("fragments-empty", "fragments may be empty, the first and the last too", func(t *T, p *Session) {
			p.SendFrames(split(request, 0, 4, 4, len(request))...)
			p.Expect(okReply("1"))
		}),
		wire("fragments-of-one-byte", "a message in fragments of one byte is one message", func(t *T, p *Session) {
			var at []int
			for i := 1; i < len(request); i++ {
				at = append(at, i)
			}
			p.SendFrames(split(request, at...)...)
			p.Expect(okReply("1"))
		}),
		wire("lengths", "messages around the borders of the length forms are taken", func(t *T, p *Session) {
			for _, n := range []int{124, 125, 126, 127, 128, 65534, 65535, 65536, 65537} {
				head, tail := `{"payload":"aGk=","context":"`, `"}`
				context := strings.Repeat("x", n-len(head)-len(tail))
				p.Send(head + context + tail)
				p.Expect(okReply(context))
			}
		}),
	}
}

// ends is a case of frames after which the server has to close with the code.
func ends(id, text string, code int, frames ...Frame) Case {
	return wire(id, text, func(t *T, p *Session) {
		p.SendFrames(frames...)
		p.ExpectClose(code, "")
	})
}

// impatient gives a case that Java fails by staying silent less time.
func impatient(c Case) Case {
	c.Timeout = 4 * time.Second
	return c
}

func violationCases() []Case {
	text := []byte(request)
	return []Case{
		ends("rsv1", "RSV1 without a negotiated extension closes with 1002", 1002, Frame{Op: OpText, RSV: RSV1, Payload: text}),
		ends("rsv2", "RSV2 closes with 1002", 1002, Frame{Op: OpText, RSV: RSV2, Payload: text}),
		ends("rsv3", "RSV3 closes with 1002", 1002, Frame{Op: OpText, RSV: RSV3, Payload: text}),
		ends("rsv-ping", "a reserved bit on a ping closes with 1002", 1002, Frame{Op: OpPing, RSV: RSV2}),
		ends("opcode-3", "opcode 3 closes with 1002", 1002, Frame{Op: 3, Payload: text}),
		ends("opcode-7", "opcode 7 closes with 1002", 1002, Frame{Op: 7}),
		ends("opcode-11", "opcode 11 closes with 1002", 1002, Frame{Op: 11}),
		ends("opcode-15", "opcode 15 closes with 1002", 1002, Frame{Op: 15}),
		ends("unmasked", "an unmasked frame closes with 1002", 1002, Frame{Op: OpText, Payload: text, Unmasked: true}),
		ends("unmasked-ping", "an unmasked ping closes with 1002", 1002, Frame{Op: OpPing, Unmasked: true}),
		ends("continuation-first", "a continuation without a beginning closes with 1002", 1002, Frame{Op: OpContinuation, Payload: text}),
		ends("text-in-fragments", "a new text inside a fragmented message closes with 1002", 1002, Frame{Op: OpText, More: true, Payload: text[:5]}, Frame{Op: OpText, Payload: text}),
		ends("binary-in-fragments", "a new binary message inside a fragmented one closes with 1002", 1002, Frame{Op: OpText, More: true, Payload: text[:5]}, Frame{Op: OpBinary, Payload: text}),
		ends("ping-126", "a ping of 126 bytes closes with 1002", 1002, Frame{Op: OpPing, Payload: make([]byte, 126)}),
		ends("ping-fragmented", "a fragmented ping closes with 1002", 1002, Frame{Op: OpPing, More: true}),
		ends("close-fragmented", "a fragmented close closes with 1002", 1002, Frame{Op: OpClose, More: true, Payload: closeBody(1000, "")}),
		better("Jetty takes it, against RFC 6455 section 5.2",
			ends("length-2-bytes", "a short length written in two bytes closes with 1002", 1002, Frame{Op: OpText, Form: twoBytes, Payload: text})),
		better("Jetty takes it, against RFC 6455 section 5.2",
			ends("length-8-bytes", "a short length written in eight bytes closes with 1002", 1002, Frame{Op: OpText, Form: eightBytes, Payload: text})),
		better("Jetty waits for the bytes", impatient(
			ends("length-top-bit", "a length with the top bit set closes with 1002 at once", 1002, Frame{Op: OpText, Form: eightBytes, Length: 1 << 63}))),
		better("Jetty waits for the bytes", impatient(
			ends("length-huge", "a frame announced with 2^40 bytes closes with 1009 at once", 1009, Frame{Op: OpText, Form: eightBytes, Length: 1 << 40}))),
		{ID: "wire/violation-only-one", Text: "a session that breaks the protocol ends alone: others on the topic go on", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			good, bad := t.Producer(topic), t.Producer(topic)
			bad.Publish("a")
			bad.SendFrames(Frame{Op: 5})
			bad.ExpectClose(1002, "")
			good.Publish("b")
			c.TakeAcked("a", "b")
		}},
		{ID: "wire/before-violation", Text: "messages in front of a violation in the same packet are published", Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			p := t.Producer(topic)
			p.SendFrames(Frame{Op: OpText, Payload: []byte(`{"payload":"aGk="}`)}, Frame{Op: 5})
			r.Take("hi")
		}},
	}
}

func controlCases() []Case {
	return []Case{
		wire("ping", "a ping is answered with a pong of the same payload", func(t *T, p *Session) {
			for _, payload := range []string{"", "x", strings.Repeat("p", 125), "\x00\xff"} {
				p.SendFrames(Frame{Op: OpPing, Payload: []byte(payload)})
				if f, err := p.ReadFrame(); err != nil || f.Op != OpPong || string(f.Payload) != payload {
					t.Fatalf("ping %q answered with %x %q, %v", payload, f.Op, f.Payload, err)
				}
			}
		}),
		wire("pong-unasked", "a pong nobody asked for is ignored", func(t *T, p *Session) {
			p.SendFrames(Frame{Op: OpPong, Payload: []byte("x")}, Frame{Op: OpPong})
			p.Publish("x")
		}),
		wire("ping-between-fragments", "control frames between fragments are answered at once, the message stays whole", func(t *T, p *Session) {
			parts := split(request, 4, 9)
			p.SendFrames(parts[0], Frame{Op: OpPing, Payload: []byte("in")})
			if f, err := p.ReadFrame(); err != nil || f.Op != OpPong || string(f.Payload) != "in" {
				t.Fatalf("answered with %x %q, %v", f.Op, f.Payload, err)
			}
			p.SendFrames(parts[1], Frame{Op: OpPong}, parts[2])
			p.Expect(okReply("1"))
		}),
		wire("pings-many", "of 100 pings in one packet the last is answered, others before it (RFC 6455 section 5.5.3)", func(t *T, p *Session) {
			var frames []Frame
			for i := range 100 {
				frames = append(frames, Frame{Op: OpPing, Payload: fmt.Append(nil, i)})
			}
			p.SendFrames(frames...)
			for last := -1; last < 99; {
				f, err := p.ReadFrame()
				var n int
				if _, scanErr := fmt.Sscan(string(f.Payload), &n); err != nil || scanErr != nil || f.Op != OpPong || n <= last {
					t.Fatalf("behind pong %d: %x %q, %v", last, f.Op, f.Payload, err)
				}
				last = n
			}
			p.Fence()
		}),
	}
}

func utf8Cases() []Case {
	bad := func(id, text, payload string) Case {
		return ends(id, text+" closes with 1007", 1007, Frame{Op: OpText, Payload: []byte(payload)})
	}
	return []Case{
		bad("utf8-byte", "a lone byte 0xFF", "{\"payload\":\"aGk=\",\"context\":\"\xff\"}"),
		bad("utf8-overlong", "an overlong sequence", "{\"context\":\"\xc0\xaf\"}"),
		bad("utf8-surrogate", "an encoded surrogate", "{\"context\":\"\xed\xa0\x80\"}"),
		bad("utf8-too-large", "a code point beyond U+10FFFF", "{\"context\":\"\xf4\x90\x80\x80\"}"),
		bad("utf8-cut", "a sequence cut off by the end of the message", "{\"context\":\"\xe2\x82"),
		wire("utf8-split", "a character split over fragments is whole again", func(t *T, p *Session) {
			text := `{"payload":"aGk=","context":"€😀"}`
			i := strings.Index(text, "€")
			p.SendFrames(split(text, i+1, i+2, i+4, i+5)...)
			p.Expect(okReply("€😀"))
		}),
		ends("utf8-bad-fragments", "a sequence broken over fragments closes with 1007", 1007,
			Frame{Op: OpText, More: true, Payload: []byte("{\"context\":\"\xe2\x82")}, Frame{Op: OpContinuation, Payload: []byte("x\"}")}),
		wire("utf8-highest", "the highest code points and noncharacters are legal", func(t *T, p *Session) {
			p.Send("{\"payload\":\"aGk=\",\"context\":\"\U0010FFFF\uFFFE\uFFFF\"}")
			p.Expect(`{"result":"ok","messageId":"*","context":"` + "\U0010FFFF\uFFFE\uFFFF" + `","errorCode":0,"schemaVersion":0}`)
		}),
	}
}

func closeCases() []Case {
	echoes := func(code int) Case {
		return wire(fmt.Sprintf("close-%d", code), fmt.Sprintf("a close with %d is answered with %d and the end of the connection", code, code), func(t *T, p *Session) {
			p.SendFrames(Frame{Op: OpClose, Payload: closeBody(code, "bye ü")})
			p.ExpectClose(code, "")
		})
	}
	var cases []Case
	for _, code := range []int{1000, 1001, 1003, 1007, 1011, 3000, 4999} {
		cases = append(cases, echoes(code))
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		cases = append(cases, ends(fmt.Sprintf("close-bad-%d", code), fmt.Sprintf("a close with the illegal code %d is answered with 1002", code), 1002,
			Frame{Op: OpClose, Payload: closeBody(code, "")}))
	}
	return append(cases,
		wire("close-empty", "a close without a code is answered, then the connection ends", func(t *T, p *Session) {
			p.SendFrames(Frame{Op: OpClose})
			f, err := p.ReadFrame()
			if err != nil || f.Op != OpClose {
				t.Fatalf("answered with %x, %v", f.Op, err)
			}
			if code := closeOf(f.Payload).code; code != 1005 && code != 1000 {
				t.Fatalf("answered with code %d", code)
			}
			p.ExpectEOF()
		}),
		ends("close-one-byte", "a close with a payload of one byte is answered with 1002", 1002, Frame{Op: OpClose, Payload: []byte{3}}),
		ends("close-bad-utf8", "a close whose reason is no UTF-8 is answered with 1007", 1007, Frame{Op: OpClose, Payload: closeBody(1000, "\xff")}),
		ends("close-126", "a close of 126 bytes is answered with 1002", 1002, Frame{Op: OpClose, Payload: closeBody(1000, strings.Repeat("x", 124))}),
		wire("close-in-fragments", "a close between fragments is answered", func(t *T, p *Session) {
			p.SendFrames(split(request, 5)[0], Frame{Op: OpClose, Payload: closeBody(1000, "")})
			p.ExpectClose(1000, "")
		}),
		Case{ID: "wire/close-after-frames", Text: "what came in front of a close in the same packet is published; what came behind is not", Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			p := t.Producer(topic)
			p.SendFrames(Frame{Op: OpText, Payload: []byte(`{"payload":"aGk="}`)},
				Frame{Op: OpClose, Payload: closeBody(1000, "")},
				Frame{Op: OpText, Payload: []byte(`{"payload":"bm8="}`)})
			r.Take("hi")
			t.Producer(topic).Publish("end")
			r.Take("end")
		}},
	)
}
