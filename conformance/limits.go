package conformance

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func limitCases() Area {
	return Area{Name: "Limits and keep-alive", Cases: append(sizeLimits(), append(idleLimits(), otherLimits()...)...)}
}

func sizeLimits() []Case {
	const small = 20000 // webSocketMaxTextFrameSize of smallConf
	return []Case{
		{ID: "limit/default-size", Text: "a message of 1 MiB is taken, one byte more closes with 1009", Run: func(t *T) {
			p := t.Producer(t.Topic())
			p.Ask(sized(1<<20), okReply(""))
			_ = p.Write(Frame{Op: OpText, Payload: []byte(sized(1<<20 + 1))}.Bytes())
			p.ExpectClose(1009, "")
		}},
		{ID: "limit/configured-size", Text: "webSocketMaxTextFrameSize moves the limit", Conf: smallConf, Run: func(t *T) {
			p := t.Producer(t.Topic())
			p.Ask(sized(small), okReply(""))
			p.Send(sized(small + 1))
			p.ExpectClose(1009, "")
		}},
		{ID: "limit/fragments", Text: "the limit counts a message over all its fragments", Conf: smallConf, Run: func(t *T) {
			p := t.Producer(t.Topic())
			p.SendFrames(split(sized(small), 10000)...)
			p.Expect(okReply(""))
			p.SendFrames(split(sized(small+1), 10000)...)
			p.ExpectClose(1009, "")
		}},
		{ID: "limit/endless-fragments", Text: "a message that never ends closes with 1009 as soon as it is too large", Conf: smallConf, Run: func(t *T) {
			p := t.Producer(t.Topic())
			p.SendFrames(Frame{Op: OpText, More: true, Payload: make([]byte, 15000)}, Frame{Op: OpContinuation, More: true, Payload: make([]byte, 15000)})
			p.ExpectClose(1009, "")
		}},
		{ID: "limit/announced", Text: "a frame too large closes with 1009 when its length is known, before its payload comes", Conf: smallConf, Run: func(t *T) {
			p := t.Producer(t.Topic())
			p.SendFrames(Frame{Op: OpText, Length: small + 1, Payload: []byte(`{"payload":"`)})
			p.ExpectClose(1009, "")
		}},
		{ID: "limit/consumer-size", Text: "the limit holds for commands too", Conf: smallConf, Run: func(t *T) {
			c := t.Consumer(t.Topic(), "s")
			c.Send(`{"messageId":"` + strings.Repeat("A", small) + `"}`)
			c.ExpectClose(1009, "")
		}},
		{ID: "limit/compressed", Text: "the limit counts inflated bytes", Conf: smallConf, Run: func(t *T) {
			p := agreed(t, t.Topic())
			p.SendFrames(flateText(sized(small)))
			p.Expect(okReply(""))
			p.SendFrames(flateText(sized(small + 1)))
			p.ExpectClose(1009, "")
		}},
		{ID: "limit/large-push", Text: "a message larger than what a client may send is pushed whole", Conf: smallConf, Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			p := agreed(t, topic)
			body := strings.Repeat("x", 14000)
			p.Publish(body)
			r.Take(body)
		}},
	}
}

// answerPings waits a while for pings, and answers those that have come.
func (s *Session) answerPings(wait time.Duration) {
	s.ready(wait)
	for s.r.Buffered() > 0 {
		if f, err := s.ReadFrame(); err != nil || f.Op != OpPing {
			s.t.Fatalf("got %x, %v", f.Op, err)
		} else if err := s.Write(Frame{Op: OpPong, Payload: f.Payload}.Bytes()); err != nil {
			s.t.Fatalf("%v", err)
		}
		s.Pinged++
	}
}

func idleLimits() []Case {
	return []Case{
		{ID: "idle/closed", Text: "a session whose client sends nothing, not even pongs, is closed with 1001 after webSocketSessionIdleTimeoutMillis", Conf: idleConf, Slow: true, Run: func(t *T) {
			start := time.Now()
			p := t.Producer(t.Topic())
			p.mute = true
			p.ExpectClose(1001, "")
			if took := time.Since(start); took < 2700*time.Millisecond {
				t.Fatalf("closed after %v", took)
			}
		}},
		{ID: "idle/pings-count", Text: "a client's pings keep its session open", Conf: idleConf, Slow: true, Run: func(t *T) {
			c := t.Consumer(t.Topic(), "s")
			for range 8 {
				time.Sleep(500 * time.Millisecond) // the traffic under test has a rhythm
				c.Fence()
			}
		}},
		{ID: "idle/pongs-count", Text: "pongs nobody asked for keep a session open", Conf: idleConf, Slow: true, Run: func(t *T) {
			c := t.Consumer(t.Topic(), "s")
			for range 8 {
				time.Sleep(500 * time.Millisecond) // the traffic under test has a rhythm
				c.SendFrames(Frame{Op: OpPong})
			}
			c.Fence()
		}},
		{ID: "idle/answers", Text: "an idle producer, consumer or reader whose client does no more than answer pings stays open beyond the idle timeout", Better: "Java sends none by default and closes it", Conf: idleConf, Slow: true, Run: func(t *T) {
			topic := t.Topic()
			sessions := []*Session{t.Producer(topic), t.Consumer(topic, "s"), t.Reader(topic)}
			start := time.Now()
			for time.Since(start) < 5*time.Second {
				for _, s := range sessions {
					s.answerPings(50 * time.Millisecond)
				}
			}
			for _, s := range sessions {
				s.Fence()
			}
		}},
		{ID: "idle/server-pings", Text: "an idle consumer that answers the server's pings stays open beyond the idle timeout", Conf: smallConf, Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			p := t.Producer(topic)
			start := time.Now()
			for time.Since(start) < 5*time.Second {
				c.answerPings(100 * time.Millisecond)
				p.Fence()
			}
			if c.Pinged < 2 {
				t.Fatalf("%d pings in 5 s, want one a second", c.Pinged)
			}
			p.Publish("x")
			c.TakeAcked("x")
		}},
		{ID: "idle/gone-client", Text: "a consumer whose client answers no pings is found and closed, its messages go to the others", Conf: smallConf, Slow: true, Run: func(t *T) {
			topic := t.Topic()
			gone := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1")
			t.Producer(topic).Publish("x")
			gone.Take("x")
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			c.TakeAcked("x") // its pings are answered meanwhile
		}, Better: "Java's own pings count as traffic, so it keeps a dead client for ever", Timeout: 12 * time.Second},
		{ID: "idle/busy-client", Text: "a consumer that reads nothing for a while, less than the idle timeout, gets all of what is waiting", Slow: true,
			Timeout: time.Minute, Run: func(t *T) { // a busy broker takes long for what is published
				c, published := unread(t)
				time.Sleep(time.Second) // the client's own work
				for i := range published {
					if m := c.Next(); len(m.Body) != unreadBody {
						t.Fatalf("message %d has %d bytes", i, len(m.Body))
					}
				}
			}},
		{ID: "idle/unread", Text: "a consumer that reads nothing until the idle timeout has passed finds 1001 behind what was sent", Conf: idleConf, Slow: true,
			Better: "Java ends the connection in the middle of a message", Timeout: time.Minute, Run: func(t *T) {
				c, published := unread(t)
				time.Sleep(10 * time.Second) // the idle timeout, and the time that a close frame is waited for
				for range published {
					if _, _, err := c.read(nil); err != nil {
						c.endedWith(err, 1001, "")
						return
					}
				}
				t.Fatalf("all was read, and the session is open")
			}},
	}
}

// unreadBody is the length of the messages that unread publishes.
const unreadBody = 700_000

// unread opens a consumer that has read the first message of many, more than the
// buffers of a socket hold.
func unread(t *T) (c *Session, more int) {
	const count = 24
	topic := t.Topic()
	c = t.Consumer(topic, "s")
	p := t.Producer(topic)
	body := strings.Repeat("x", unreadBody)
	for range count {
		p.Publish(body)
	}
	c.Next()
	return c, count - 1
}

var statusFile = filepath.Join(os.TempDir(), "pulsegate-conformance-"+run)

func otherLimits() []Case {
	const few = 20 // maxHttpServerConnections of fewConf
	return []Case{
		{ID: "limit/connections", Text: "over maxHttpServerConnections a client gets 503 at once, and a place again when one is free", Conf: fewConf, Timeout: 10 * time.Second,
			Better: "Java lets the client wait without an answer", Run: func(t *T) {
				topic := t.Topic()
				var open []*Session
				for {
					c, resp, _ := t.do(Handshake{Target: ReaderPath(topic)})
					if resp.StatusCode == http.StatusServiceUnavailable {
						c.Kill()
						break
					}
					open = append(open, &Session{Conn: c, t: t, what: "reader", Resp: resp})
					if resp.StatusCode != 101 || len(open) > few {
						t.Fatalf("connection %d: status %d", len(open), resp.StatusCode)
					}
				}
				if len(open) < few/2 {
					t.Fatalf("only %d of %d connections", len(open), few)
				}
				open[0].Close()
				t.Eventually("there is a place again", func() bool {
					return t.status(ReaderPath(topic)) == 101
				})
			}},
		{ID: "limit/origins", Text: "allowedOrigins lets only its web pages in; clients without Origin are not affected", Conf: smallConf,
			Better: "Java has no such limit: any web page may connect", Run: func(t *T) {
				t.RefusedWith(403, "", Handshake{Target: newProducer(t), Headers: []string{"Origin: https://evil.example"}})
				t.Open(newProducer(t), "Origin: https://good.example").Publish("x")
				t.Open(newProducer(t)).Publish("x")
			}},
	}
}
