package conformance

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
)

func deflateCases() Area {
	return Area{Name: "Wire: RFC 7692, permessage-deflate", Cases: append(negotiation(), compressed()...)}
}

// offer opens a producer with an extension offer and returns what was accepted.
func offer(t *T, topic Topic, offers ...string) (*Session, string) {
	var headers []string
	for _, o := range offers {
		headers = append(headers, "Sec-WebSocket-Extensions: "+o)
	}
	s := t.Open(ProducerPath(topic), headers...)
	return s, strings.Join(s.Resp.Header.Values("Sec-WebSocket-Extensions"), ", ")
}

// agreed opens a producer session with compression.
func agreed(t *T, topic Topic) *Session {
	s, got := offer(t, topic, "permessage-deflate")
	if !strings.HasPrefix(got, "permessage-deflate") {
		t.Fatalf("accepted extensions: %q", got)
	}
	return s
}

// flateText is a text message compressed for itself.
func flateText(text string) Frame {
	return Frame{Op: OpText, RSV: RSV1, Payload: deflate([]byte(text))}
}

// flateBomb inflates to a produce request of 200 MiB. Deflated parts with the
// ends that a message leaves out (RFC 7692 section 7.2.1) are one when put together, which
// takes less time than to deflate it all.
func flateBomb() Frame {
	const end = "\x00\x00\xff\xff"
	part := append(deflate(bytes.Repeat([]byte("A"), 1<<20)), end...)
	payload := append(deflate([]byte(`{"payload":"`)), end...)
	payload = append(payload, bytes.Repeat(part, 200)...)
	return Frame{Op: OpText, RSV: RSV1, Payload: append(payload, deflate([]byte(`"}`))...)}
}

func negotiation() []Case {
	// accepted is a case of an offer after which compression has to work, with
	// parameters that the answer must or must not have.
	accepted := func(id, text, what string, must, mustNot []string) Case {
		return Case{ID: "deflate/" + id, Text: text, Run: func(t *T) {
			s, got := offer(t, t.Topic(), what)
			if !strings.HasPrefix(got, "permessage-deflate") || strings.Contains(got, ",") {
				t.Fatalf("accepted extensions: %q", got)
			}
			for _, m := range must {
				if !strings.Contains(got, m) {
					t.Fatalf("answer %q lacks %s", got, m)
				}
			}
			for _, m := range mustNot {
				if strings.Contains(got, m) {
					t.Fatalf("answer %q has %s", got, m)
				}
			}
			for i := range 5 {
				s.SendFrames(flateText(fmt.Sprintf(`{"payload":"aGk=","context":"%d"}`, i)))
				s.Expect(okReply(fmt.Sprint(i)))
			}
		}}
	}
	declined := func(id, text, what string) Case {
		return Case{ID: "deflate/" + id, Text: text, Run: func(t *T) {
			s, got := offer(t, t.Topic(), what)
			if got != "" {
				t.Fatalf("accepted extensions: %q", got)
			}
			s.Publish("x")
		}}
	}
	return []Case{
		accepted("plain-offer", "permessage-deflate is accepted when offered, without parameters nobody asked for", "permessage-deflate", nil, []string{"client_max_window_bits"}),
		better("Jetty says so and refers to former messages all the same", accepted("server-no-context", "server_no_context_takeover is accepted and kept", "permessage-deflate; server_no_context_takeover", []string{"server_no_context_takeover"}, nil)),
		accepted("client-no-context", "client_no_context_takeover is accepted", "permessage-deflate; client_no_context_takeover", nil, nil),
		accepted("browser", "the offer that browsers make is accepted", "permessage-deflate; client_max_window_bits", nil, nil),
		accepted("among-others", "permessage-deflate is picked from several extensions", "foo, permessage-deflate; client_no_context_takeover, bar; x=1", nil, []string{"foo", "bar"}),
		declined("other-extension", "an extension nobody knows is declined, the session opens", "x-unknown"),
		{ID: "deflate/server-window", Text: "server_max_window_bits=9 is declined, or kept by answering with it", Better: "Jetty ignores the limit", Run: func(t *T) {
			s, got := offer(t, t.Topic(), "permessage-deflate; server_max_window_bits=9")
			if got != "" && !strings.Contains(got, "server_max_window_bits=9") {
				t.Fatalf("answer %q", got)
			}
			s.Publish("x")
		}},
		{ID: "deflate/fallback", Text: "of two offers the second is taken when the first cannot be", Better: "Jetty answers 500 with a Java exception", Run: func(t *T) {
			s, got := offer(t, t.Topic(), "permessage-deflate; unknown_parameter=1, permessage-deflate; client_no_context_takeover")
			if !strings.HasPrefix(got, "permessage-deflate") || strings.Contains(got, "unknown") {
				t.Fatalf("answer %q", got)
			}
			s.SendFrames(flateText(request))
			s.Expect(okReply("1"))
		}},
		{ID: "deflate/bad-parameters", Text: "offers with unknown, repeated or illegal parameters are declined", Better: "Jetty answers 500 with a Java exception", Run: func(t *T) {
			for _, p := range []string{"unknown", "server_no_context_takeover; server_no_context_takeover",
				"server_no_context_takeover=1", "client_max_window_bits=7", "client_max_window_bits=16", "server_max_window_bits", "server_max_window_bits=x"} {
				s, got := offer(t, t.Topic(), "permessage-deflate; "+p)
				if got != "" {
					t.Fatalf("offer with %q answered with %q", p, got)
				}
				s.Publish("x")
			}
		}},
	}
}

func compressed() []Case {
	on := func(id, text string, run func(t *T, p *Session)) Case {
		return Case{ID: "deflate/" + id, Text: text, Run: func(t *T) { run(t, agreed(t, t.Topic())) }}
	}
	ends := func(id, text string, code int, frames ...Frame) Case {
		return on(id, text, func(t *T, p *Session) {
			p.SendFrames(frames...)
			p.ExpectClose(code, "")
		})
	}
	packed := deflate([]byte(request))
	half := len(packed) / 2
	return []Case{
		on("uncompressed", "with compression agreed on, a message may still be sent plain", func(t *T, p *Session) {
			p.Send(request)
			p.Expect(okReply("1"))
			p.SendFrames(flateText(request))
			p.Expect(okReply("1"))
			p.Send(request)
			p.Expect(okReply("1"))
		}),
		on("fragmented", "a compressed message may be fragmented anywhere, RSV1 only on the first fragment", func(t *T, p *Session) {
			for i := range packed {
				p.SendFrames(Frame{Op: OpText, RSV: RSV1, More: true, Payload: packed[:i]},
					Frame{Op: OpPing}, Frame{Op: OpContinuation, Payload: packed[i:]})
				p.Expect(okReply("1"))
			}
		}),
		on("context-takeover", "the client's window lives on from message to message, unless the server asks for client_no_context_takeover", func(t *T, p *Session) {
			var buf bytes.Buffer
			w, err := flate.NewWriter(&buf, flate.BestCompression)
			if err != nil {
				t.Fatalf("%v", err)
			}
			for i := range 20 {
				buf.Reset()
				if strings.Contains(p.Resp.Header.Get("Sec-WebSocket-Extensions"), "client_no_context_takeover") {
					w.Reset(&buf)
				}
				_, _ = fmt.Fprintf(w, `{"payload":"aGk=","context":"%s%d"}`, strings.Repeat("the same again ", 10), i)
				_ = w.Flush()
				p.SendFrames(Frame{Op: OpText, RSV: RSV1, Payload: bytes.TrimSuffix(buf.Bytes(), []byte("\x00\x00\xff\xff"))})
				p.Expect(okReply(fmt.Sprintf("%s%d", strings.Repeat("the same again ", 10), i)))
			}
		}),
		on("stored-blocks", "a message in stored blocks and one that ends with a final block are taken", func(t *T, p *Session) {
			stored := append([]byte{0, byte(len(request)), 0, ^byte(len(request)), 0xff}, request...)
			p.SendFrames(Frame{Op: OpText, RSV: RSV1, Payload: append(stored, 0)})
			p.Expect(okReply("1"))
			final := append([]byte{1, byte(len(request)), 0, ^byte(len(request)), 0xff}, request...)
			p.SendFrames(Frame{Op: OpText, RSV: RSV1, Payload: append(final, 0)})
			p.Expect(okReply("1"))
		}),
		{ID: "deflate/pushed", Text: "a consumer with compression gets every message whole, one without it too", Run: func(t *T) {
			topic := t.Topic()
			plain := t.Reader(topic)
			var readers []*Session
			for _, o := range []string{"permessage-deflate", "permessage-deflate; client_no_context_takeover", "permessage-deflate; client_max_window_bits"} {
				readers = append(readers, t.Open(ReaderPath(topic), "Sec-WebSocket-Extensions: "+o))
			}
			bodies := []string{"x", strings.Repeat("long and compressible ", 2000), "y", strings.Repeat("z", 100000), "end"}
			t.Producer(topic).Publish(bodies...)
			for _, r := range append(readers, plain) {
				r.Take(bodies...)
			}
		}},
		ends("rsv1-continuation", "RSV1 on a continuation closes with 1002", 1002,
			Frame{Op: OpText, RSV: RSV1, More: true, Payload: packed[:half]}, Frame{Op: OpContinuation, RSV: RSV1, Payload: packed[half:]}),
		better("Jetty ignores the bit", impatient(ends("rsv1-ping", "RSV1 on a ping closes with 1002", 1002, Frame{Op: OpPing, RSV: RSV1}))),
		ends("rsv2", "RSV2 closes with 1002 also with compression", 1002, Frame{Op: OpText, RSV: RSV1 | RSV2, Payload: packed}),
		ends("bad-utf8", "a compressed message that is no UTF-8 closes with 1007", 1007, flateText("{\"context\":\"\xff\"}")),
		on("corrupt", "data that cannot be inflated ends the session with 1002 or 1007", func(t *T, p *Session) {
			p.SendFrames(Frame{Op: OpText, RSV: RSV1, Payload: []byte{0xff, 0xff, 0xff, 0xff, 0xff}})
			_, _, err := p.read(nil)
			if end, ok := err.(*ended); !ok || end.code != 1002 && end.code != 1007 {
				t.Fatalf("got %v", err)
			}
		}),
		on("bomb", "a message that inflates beyond the limit closes with 1009", func(t *T, p *Session) {
			p.SendFrames(flateBomb())
			p.ExpectClose(1009, "")
		}),
		on("limit", "the size limit counts inflated bytes: a message just under it is taken", func(t *T, p *Session) {
			text := sized(1 << 20)
			p.SendFrames(flateText(text))
			p.Expect(okReply(""))
		}),
	}
}

// sized is a produce request of exactly n bytes.
func sized(n int) string {
	const head, tail = `{"payload":"`, `"}`
	room := n - len(head) - len(tail)
	return head + strings.Repeat("A", room-room%4) + tail + strings.Repeat(" ", room%4)
}
