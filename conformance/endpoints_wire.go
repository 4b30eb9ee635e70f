package conformance

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// exchange sends bytes as they are, and if half then ends the client's direction.
func (t *T) exchange(text string, half bool) *Conn {
	nc, err := net.Dial("tcp", t.Endpoint.hostPort())
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	c := &Conn{nc: nc, r: bufio.NewReader(nc)}
	t.cleanup(c.Kill)
	t.logf("-> %q", shorten([]byte(text)))
	if err := errors.Join(nc.SetDeadline(t.deadline), c.Write([]byte(text))); err != nil {
		t.Fatalf("sending: %v", err)
	}
	if half {
		if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatalf("half-closing: %v", err)
		}
	}
	return c
}

// answer reads one response, which must have the status.
func (t *T) answer(c *Conn, status int) *http.Response {
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("want status %d, got %v", status, err)
	}
	if resp.StatusCode != status {
		t.Fatalf("want status %d, got %s", status, resp.Status)
	}
	if status >= 200 {
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatalf("reading the body: %v", err)
		}
	}
	return resp
}

// finished reads the end of the connection, before which nothing else may come.
func (t *T) finished(c *Conn) {
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		t.Fatalf("want the end of the connection, got %q, %v", shorten(rest), err)
	}
}

// lines joins header lines to a request's head.
func lines(newline string, line ...string) string {
	return strings.Join(line, newline) + newline + newline
}

const noSuchPath = "GET /nothing HTTP/1.1"

func upgradeText(target string, behind ...string) string {
	return string(Handshake{Target: target}.bytes("x")) + strings.Join(behind, "")
}

func wireHeadCases() []Case {
	const statsPost = "POST /admin/v2/proxy-stats/stats HTTP/1.1"
	return []Case{
		{ID: "handshake/any-key", Text: "any Sec-WebSocket-Key is answered: RFC 6455's own example, 8 to 36 bytes, text that is no base64", Run: func(t *T) {
			for _, key := range []string{
				"AQIDBAUGBwgJCgsMDQ4PEC==", "MTIzNDU2Nzg=", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4",
				"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "hello world!", "x",
			} {
				_, resp, body := t.do(Handshake{Target: ProducerPath(t.Topic()), Without: []string{"Sec-WebSocket-Key"}, Headers: []string{"Sec-WebSocket-Key: " + key}})
				sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				if got := resp.Header.Get("Sec-WebSocket-Accept"); resp.StatusCode != 101 || got != base64.StdEncoding.EncodeToString(sum[:]) {
					t.Fatalf("key %q: status %d, Sec-WebSocket-Accept %q, %s", key, resp.StatusCode, got, shorten(body))
				}
			}
		}},
		{ID: "handshake/control-in-key", Text: "a control character in the key is 400", Run: func(t *T) {
			t.RefusedWith(400, "", Handshake{Target: ProducerPath(t.Topic()), Without: []string{"Sec-WebSocket-Key"}, Headers: []string{"Sec-WebSocket-Key: a\x01b"}})
		}},
		{ID: "handshake/expect", Text: "an upgrade with Expect: 100-continue opens a session that works", Better: "Java closes the connection behind the 101", Run: func(t *T) {
			t.Open(ProducerPath(t.Topic()), "Expect: 100-continue").Publish("x")
		}},
		{ID: "handshake/line-feeds", Text: "an upgrade whose lines end with LF alone opens a session", Run: func(t *T) {
			t.answer(t.exchange(strings.ReplaceAll(upgradeText(ProducerPath(t.Topic())), "\r\n", "\n"), false), 101)
		}},
		{ID: "request/expect", Text: "a request whose body waits for a 100 gets it, another expectation is 417", Run: func(t *T) {
			c := t.exchange(lines("\r\n", statsPost, "Host: x", "Expect: 100-continue", "Content-Length: 5"), false)
			t.answer(c, 100)
			if err := c.Write([]byte("hello")); err != nil {
				t.Fatalf("sending the body: %v", err)
			}
			t.answer(c, 405)
			t.answer(t.exchange(lines("\r\n", noSuchPath, "Host: x", "Expect: nothing"), false), 417)
		}},
		{ID: "request/line-feeds", Text: "a request whose lines end with LF alone is answered, and so are empty lines in front of one", Run: func(t *T) {
			t.answer(t.exchange(lines("\n", noSuchPath, "Host: x"), false), 404)
			t.answer(t.exchange("\n\n"+lines("\r\n", noSuchPath, "Host: x"), false), 404)
		}},
		{ID: "request/line-ends-mixed", Text: "a head with line ends of both kinds is 400: a proxy in front may have read another one", Better: "Java takes it", Run: func(t *T) {
			for _, head := range []string{
				"GET /nothing HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", "GET /nothing HTTP/1.1\nHost: x\r\n\r\n",
				"GET /nothing HTTP/1.1\r\nHost: x\r\n\n", "GET /nothing HTTP/1.1\nHost: x\n\r\n",
			} {
				t.answer(t.exchange(head, false), 400)
			}
		}},
		{ID: "request/ambiguous", Text: "what two servers could read differently is 400: folding, a bare CR, a space before the colon, two lengths, length and coding", Run: func(t *T) {
			for _, line := range []string{
				"X: a\r\n b", "X: a\rY: b", "X : a", "Transfer-Encoding : chunked", "Content-Length: 0\r\nContent-Length: 5",
				"Content-Length: 0, 0", "Content-Length: +0", "Content-Length: 0\r\nTransfer-Encoding: chunked",
			} {
				t.answer(t.exchange(lines("\r\n", noSuchPath, "Host: x", line), false), 400)
				t.RefusedWith(400, "", Handshake{Target: ProducerPath(t.Topic()), Headers: []string{line}})
			}
		}},
		{ID: "request/no-http", Text: "what cannot become a request is answered 400 at once: a TLS hello, MQTT, a PROXY header, a banner", Run: func(t *T) {
			for _, text := range []string{
				"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", "\x10\x10\x00\x04MQTT", "\x00", "SSH-2.0-OpenSSH_9.6\r\n",
				"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "\r\n\r\n\x00\r\nQUIT\n",
			} {
				t.answer(t.exchange(text, false), 400)
			}
		}},
	}
}

func halfCloseCases() []Case {
	ask := lines("\r\n", noSuchPath, "Host: x")
	publish := func(context string) string {
		return string(Frame{Op: OpText, Payload: []byte(`{"payload":"aGk=","context":"` + context + `"}`)}.Bytes())
	}
	return []Case{
		{ID: "half-close/request", Text: "a request behind which the client ends its direction is answered, then the connection ends", Run: func(t *T) {
			for range 10 {
				c := t.exchange(ask, true)
				t.answer(c, 404)
				t.finished(c)
			}
		}},
		{ID: "half-close/pipelined", Text: "so are several requests", Run: func(t *T) {
			for range 10 {
				c := t.exchange(ask+ask+ask, true)
				for range 3 {
					t.answer(c, 404)
				}
				t.finished(c)
			}
		}},
		{ID: "half-close/half-a-request", Text: "half a request is 400", Run: func(t *T) {
			c := t.exchange(ask[:len(ask)-4], true)
			t.answer(c, 400)
			t.finished(c)
		}},
		{ID: "half-close/refused", Text: "an upgrade that is refused is answered", Run: func(t *T) {
			for range 5 {
				c := t.exchange(upgradeText(ProducerPath(t.TopicIn("persistent/public/nowhere"))), true)
				t.answer(c, 404)
				t.finished(c)
			}
		}},
		{ID: "half-close/upgrade", Text: "an upgrade gets its 101, then the session is closed with 1001", Run: func(t *T) {
			for _, target := range []string{ProducerPath(t.Topic()), ConsumerPath(t.Topic(), "s"), ReaderPath(t.Topic())} {
				c := t.exchange(upgradeText(target), true)
				t.answer(c, 101)
				f, err := c.ReadFrame()
				if err != nil || f.Op != OpClose || !strings.HasPrefix(string(f.Payload), string(closeBody(1001, ""))) {
					t.Fatalf("want a close frame with 1001, got %v, %v", f, err)
				}
				t.finished(c)
			}
		}},
		{ID: "half-close/publish", Text: "what a producer has published before it ends its direction is answered", Better: "Java closes the session at once", Run: func(t *T) {
			// A batch that is not full is sent later than the end is noticed, however fast the machine.
			const messages = 3
			path := ProducerPath(t.Topic(), "batchingEnabled=true", "batchingMaxPublishDelay=1000")
			var frames []string
			for i := range messages {
				frames = append(frames, publish(strconv.Itoa(i)))
			}
			c := t.exchange(upgradeText(path, frames...), true)
			t.answer(c, 101)
			for i := range messages {
				context := strconv.Itoa(i)
				f, err := c.ReadFrame()
				if err != nil || f.Op != OpText {
					t.Fatalf("want the answer to publish %s, got %v, %v", context, f, err)
				}
				if err := match(string(f.Payload), okReply(context)); err != nil {
					t.Fatalf("%v", err)
				}
			}
		}},
		{ID: "half-close/acknowledge", Text: "what a consumer has acknowledged before it ends its direction counts, and the rest goes to others", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("a", "b")
			c := t.Consumer(topic, "s", "subscriptionInitialPosition=Earliest")
			c.TakeAcked("a")
			c.Take("b")
			if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatalf("half-closing: %v", err)
			}
			t.reopen(ConsumerPath(topic, "s")).TakeAcked("b")
		}},
	}
}
