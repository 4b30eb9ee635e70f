package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func endpointCases() Area {
	var cases []Case
	cases = append(cases, pathCases()...)
	cases = append(cases, refusalCases()...)
	cases = append(cases, handshakeCases()...)
	cases = append(cases, wireHeadCases()...)
	cases = append(cases, halfCloseCases()...)
	return Area{Name: "Endpoints and upgrade", Cases: cases}
}

// roundTrip publishes on one path and reads on others, opened first.
func roundTrip(t *T, producer, consumer, reader string) {
	c, r, p := t.Open(consumer), t.Open(reader), t.Open(producer)
	sessions := []*Session{r, c}
	if strings.Contains(producer, "/non-persistent/") {
		// What such a topic's broker may not send at once is lost, and the permits of a session that
		// has just been opened may still be on their way.
		for _, s := range sessions {
			for p.Publish("early"); !s.ready(25 * time.Millisecond); {
				p.Publish("early")
			}
		}
	}
	p.Publish("a", "b")
	for _, s := range sessions {
		m := s.Next()
		for ; m.Body == "early"; m = s.Next() {
			s.Ack(m)
		}
		if m.Body != "a" {
			t.Fatalf("%s: got message %q, want \"a\"", s.what, m.Body)
		}
		s.Ack(m)
		s.TakeAcked("b")
	}
}

// sameTopic publishes on one path and reads it on another, which must lead to
// the same topic.
func sameTopic(id, text string, producer, reader func(t Topic) string) Case {
	return Case{ID: id, Text: text, Run: func(t *T) {
		topic := t.Topic()
		if strings.Count(producer(topic), "/") > strings.Count(string(topic), "/") || strings.Count(reader(topic), "/") > strings.Count(string(topic), "/") {
			t.needsSlashes()
		}
		r := t.Open("/ws/v2/reader/" + reader(topic))
		t.Open("/ws/v2/producer/" + producer(topic)).Publish("x")
		r.Take("x")
	}}
}

// v1Namespace is a namespace of the form property/cluster/namespace. A broker
// takes any in a tenant that exists; where it has no such names, what it is mapped
// to is made.
func (t *T) v1Namespace() string {
	name := strings.ReplaceAll(t.id, "/", "-") + "-" + run
	if t.Endpoint.NoV1Names {
		if status, body := t.adminRequest("PUT", "/admin/v2/namespaces/public/"+name, ""); status/100 != 2 && status != http.StatusConflict {
			t.Fatalf("making namespace public/%s: status %d: %s", name, status, body)
		}
	}
	return "public/standalone/" + name
}

// needsSlashes skips a case on a broker whose topics have no slash in their names.
func (t *T) needsSlashes() {
	if t.Endpoint.NoV1Names {
		t.Skip("from Pulsar 4.2 on no name of a topic has a slash in it")
	}
}

func pathCases() []Case {
	return []Case{
		{ID: "path/v2", Text: "v2 producer, consumer and reader work on a persistent topic", Run: func(t *T) {
			topic := t.Topic()
			roundTrip(t, ProducerPath(topic), ConsumerPath(topic, "s"), ReaderPath(topic))
		}},
		{ID: "path/v2-non-persistent", Text: "v2 producer, consumer and reader work on a non-persistent topic", Run: func(t *T) {
			topic := t.TopicIn("non-persistent/public/default")
			roundTrip(t, ProducerPath(topic), ConsumerPath(topic, "s"), ReaderPath(topic))
		}},
		{ID: "path/v1", Text: "v1 producer, consumer and reader work on property/cluster/namespace", Run: func(t *T) {
			topic := string(t.TopicIn("persistent/" + t.v1Namespace()))
			roundTrip(t, "/ws/producer/"+topic, "/ws/consumer/"+topic+"/s", "/ws/reader/"+topic)
		}},
		{ID: "path/v1-non-persistent", Text: "v1 paths take non-persistent topics", Run: func(t *T) {
			topic := string(t.TopicIn("non-persistent/" + t.v1Namespace()))
			roundTrip(t, "/ws/producer/"+topic, "/ws/consumer/"+topic+"/s", "/ws/reader/"+topic)
		}},
		{ID: "path/v1-without-cluster", Text: "configuration can take the cluster out of v1 names, on paths of all versions, in parameters and in statistics", Conf: v1NamesConf, Skip: noV1Names, Run: func(t *T) {
			topic := t.Topic()
			old := strings.Replace(string(topic), "/public/", "/public/some-cluster/", 1)
			name := strings.Replace(old, "/", "://", 1)
			r := t.Reader(topic)
			sessions := []*Session{
				t.Open("/ws/consumer/" + old + "/one"), t.Open("/ws/v2/consumer/persistent/public/some-cluster/default%2F" + topic.Local() + "/two"),
				t.Open("/ws/v3/consumer/three?topics=" + url.QueryEscape(name)), t.Open("/ws/v3/consumer/four?topicsPattern=" + url.QueryEscape(name)),
			}
			for i, path := range []string{"/ws/producer/", "/ws/v2/producer/"} {
				t.Open(path + old).Publish(strconv.Itoa(i))
				r.Take(strconv.Itoa(i))
				for _, c := range sessions {
					c.TakeAcked(strconv.Itoa(i))
				}
			}
			for _, path := range []string{proxyStats + string(topic), "/admin/proxy-stats/" + old} {
				if status, body := t.Get(path + "/stats"); status != 200 {
					t.Fatalf("statistics at %s: status %d: %s", path, status, body)
				}
			}
			t.Refused(400, "no /", "/ws/producer/"+old+"/a")
		}},
		sameTopic("path/extra-segments", "extra segments of a producer path are joined into the topic's name",
			func(t Topic) string { return string(t) + "/a/b" }, func(t Topic) string { return string(t) + "%2Fa%2Fb" }),
		sameTopic("path/empty-segments", "empty segments of a producer path are skipped",
			func(t Topic) string { return string(t) + "//a" }, func(t Topic) string { return string(t) + "/a" }),
		sameTopic("path/reader-extra-segments", "extra segments of a reader path are joined into the topic's name",
			func(t Topic) string { return string(t) + "%2Fa" }, func(t Topic) string { return string(t) + "/a" }),
		sameTopic("path/percent-decoding", "the topic is percent-decoded: %41 is A",
			func(t Topic) string { return string(t) + "%41%2d" }, func(t Topic) string { return string(t) + "A-" }),
		{ID: "path/percent-utf8", Text: "percent-encoded UTF-8 is one name, seen by the broker decoded", Run: func(t *T) {
			topic := t.Topic() + "-%C3%BC%20x"
			r := t.Reader(topic)
			t.Producer(topic).Publish("x")
			r.Take("x")
			t.Stats(topic)
		}},
		{ID: "path/consumer-slash", Text: "a / inside a consumer's topic has to be %2F and then works", Run: func(t *T) {
			t.needsSlashes()
			topic := t.Topic()
			c := t.Consumer(topic+"%2Fa", "s")
			t.Producer(topic + "/a").Publish("x")
			c.TakeAcked("x")
		}},
		{ID: "path/subscription-decoded", Text: "the subscription is percent-decoded", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "a%20b%2Fc")
			if names := t.subscriptionNames(topic); len(names) != 1 || names[0] != "a b/c" {
				t.Fatalf("subscriptions %q, want \"a b/c\"", names)
			}
		}},
		{ID: "path/consumer-extra-segment", Text: "a consumer path with a segment too much is 400", Run: func(t *T) {
			t.Refused(400, "", "/ws/v2/consumer/"+string(t.Topic())+"/a/s")
		}},
		{ID: "path/consumer-short", Text: "a consumer path without a subscription is 400", Run: func(t *T) {
			t.Refused(400, "", "/ws/v2/consumer/"+string(t.Topic()))
		}},
		{ID: "path/consumer-empty-subscription", Text: "an empty subscription is 400", Run: func(t *T) {
			t.Refused(400, "subscription", "/ws/v2/consumer/"+string(t.Topic())+"/")
		}},
		{ID: "path/v1-consumer-short", Text: "a v1 consumer path with a segment too few is 400", Run: func(t *T) {
			t.Refused(400, "", "/ws/consumer/"+string(t.Topic())+"/s")
		}},
		{ID: "path/producer-short", Text: "a producer path without a topic is 400", Better: "Java answers 500 with a Java exception", Run: func(t *T) {
			t.Refused(400, "", "/ws/v2/producer/persistent/public/default")
			t.Refused(400, "", "/ws/v2/producer/persistent/public/default/")
			t.Refused(400, "", "/ws/v2/reader/persistent/public/default")
		}},
		{ID: "path/v1-producer-short", Text: "a v1 producer path with a segment too few is 400", Better: "Java answers 500 with a Java exception", Run: func(t *T) {
			t.Refused(400, "", "/ws/producer/"+string(t.Topic()))
		}},
		{ID: "path/domain", Text: "a domain that is neither persistent nor non-persistent is 400", Better: "Java answers 500", Run: func(t *T) {
			for _, kind := range []string{"producer", "reader"} {
				t.Refused(400, "", "/ws/v2/"+kind+"/volatile/public/default/x")
			}
			t.Refused(400, "", "/ws/v2/consumer/volatile/public/default/x/s")
		}},
		{ID: "path/bad-percent", Text: "a broken percent escape is 400", Run: func(t *T) {
			t.Refused(400, "", "/ws/v2/producer/persistent/public/default/a%zz")
		}},
		{ID: "path/unknown", Text: "paths outside of the protocol are 404", Run: func(t *T) {
			for _, path := range []string{"/ws", "/ws/v2", "/ws/v2/sender/persistent/public/default/x", "/ws/v3/producer/s", "/nothing"} {
				t.Refused(404, "", path)
			}
		}},
		{ID: "path/unknown-parameters", Text: "unknown parameters are ignored, and so are known ones in another case", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic, "foo=bar", "sendtimeoutmillis=x", "CompressionType=x")
			c := t.Consumer(topic, "s", "foo=bar", "SubscriptionType=x")
			p.Publish("a")
			c.TakeAcked("a")
		}},
		{ID: "path/parameter-twice", Text: "of a parameter given twice the first value counts", Run: func(t *T) {
			topic := t.Topic()
			t.Refused(400, "Invalid query params", ConsumerPath(topic, "s", "subscriptionType=x", "subscriptionType=Shared"))
			t.Consumer(topic, "s", "subscriptionType=Shared", "subscriptionType=Exclusive")
			t.Consumer(topic, "s", "subscriptionType=Shared", "subscriptionType=x")
		}},
		{ID: "path/parameter-decoded", Text: "parameters are percent-decoded, names and values", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s", "subscription%54ype=Shar%65d")
			t.Consumer(topic, "s", "subscriptionType=Shared")
		}},
	}
}

func refusalCases() []Case {
	return []Case{
		{ID: "refuse/namespace-404", Text: "a producer or consumer in a namespace or tenant that does not exist is 404", Run: func(t *T) {
			for _, ns := range []string{"persistent/public/nowhere", "persistent/nobody/default"} {
				topic := t.TopicIn(ns)
				t.Refused(404, "", ProducerPath(topic))
				t.Refused(404, "", ConsumerPath(topic, "s"))
			}
		}},
		{ID: "refuse/reader-namespace-404", Text: "a reader in a namespace that does not exist is 404", Better: "Java answers 500 for readers", Run: func(t *T) {
			t.Refused(404, "", ReaderPath(t.TopicIn("persistent/public/nowhere")))
		}},
		{ID: "refuse/v3-namespace-404", Text: "a v3 consumer with a topic in a namespace that does not exist is 404", Run: func(t *T) {
			t.Refused(404, "", "/ws/v3/consumer/s?topics="+t.TopicIn("persistent/public/nowhere").Name())
		}},
		{ID: "refuse/new-namespace", Text: "a namespace made over the admin API is known at once", Run: func(t *T) {
			ns := fmt.Sprintf("public/new-%s-%d", run, topicNumber.Add(1))
			t.Refused(404, "", ProducerPath(t.TopicIn("persistent/"+ns)))
			t.admin("PUT", "/admin/v2/namespaces/"+ns, "{}")
			t.Eventually("the namespace is there", func() bool {
				return t.status(ProducerPath(t.TopicIn("persistent/"+ns))) == 101
			})
		}},
		{ID: "refuse/exclusive-409", Text: "a second consumer on an exclusive subscription is 409", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s")
			t.Refused(409, "", ConsumerPath(topic, "s"))
		}},
		{ID: "refuse/producer-name-409", Text: "a second producer of the same name is 409", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic, "producerName=p")
			t.Refused(409, "", ProducerPath(topic, "producerName=p"))
			t.Producer(topic, "producerName=q").Publish("x")
		}},
		{ID: "refuse/terminated-503", Text: "a producer on a topic that was terminated a moment ago is 503", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("x")
			t.Terminate(topic)
			// A producer that others have on the topic hears of it from the broker.
			t.EventuallyWithin(10*time.Second, "a producer is refused with 503", func() bool {
				c, resp, _ := t.do(Handshake{Target: ProducerPath(topic)})
				c.Kill()
				return resp.StatusCode == 503
			})
		}},
		{ID: "refuse/json-body", Text: `a refusal's body is JSON: {"reason":"..."}`, Better: "Java sends an HTML page", Run: func(t *T) {
			_, resp, body := t.do(Handshake{Target: ProducerPath(t.TopicIn("persistent/public/nowhere"))})
			if err := match(string(body), `{"reason":"*"}`); err != nil || resp.StatusCode != 404 {
				t.Fatalf("status %d: %v", resp.StatusCode, err)
			}
			if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
				t.Fatalf("Content-Type is %q", ct)
			}
		}},
		{ID: "refuse/keep-alive", Text: "after a refused upgrade the connection takes the next request or is closed in good order", Run: func(t *T) {
			c, _, _ := t.do(Handshake{Target: "/nothing"})
			_ = c.Write(Handshake{Target: "/nothing"}.bytes("x"))
			resp, err := http.ReadResponse(c.r, nil)
			if err == nil && resp.StatusCode != 404 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			if err != nil && timedOut(err) {
				t.Fatalf("neither an answer nor the end: %v", err)
			}
		}},
	}
}

func handshakeCases() []Case {
	path := func(t *T) string { return ProducerPath(t.Topic()) }
	return []Case{
		{ID: "handshake/answer", Text: "the answer to an upgrade has the headers RFC 6455 section 4.2.2 demands", Run: func(t *T) {
			s := t.Open(path(t))
			h := s.Resp.Header
			if !strings.EqualFold(h.Get("Upgrade"), "websocket") || !strings.EqualFold(h.Get("Connection"), "Upgrade") {
				t.Fatalf("headers %v", h)
			}
			if h.Get("Sec-WebSocket-Extensions") != "" || h.Get("Sec-WebSocket-Protocol") != "" {
				t.Fatalf("extension or protocol nobody asked for: %v", h)
			}
		}},
		{ID: "handshake/header-case", Text: "header names and tokens are case-insensitive, Connection may list several", Run: func(t *T) {
			s := t.OpenWith(Handshake{Target: path(t), Without: []string{"Connection", "Upgrade"},
				Headers: []string{"connection: keep-alive, UPGRADE", "UPGRADE: WebSocket"}})
			s.Publish("x")
		}},
		{ID: "handshake/frame-behind", Text: "a frame sent right behind the handshake is not lost", Run: func(t *T) {
			s := t.OpenWith(Handshake{Target: path(t), Behind: Frame{Op: OpText, Payload: []byte(`{"payload":"aGk=","context":"1"}`)}.Bytes()})
			s.Expect(okReply("1"))
			s.Ask(`{"payload":"aGk=","context":"2"}`, okReply("2"))
		}},
		{ID: "handshake/half-frame-behind", Text: "half a frame behind the handshake is completed by what follows", Run: func(t *T) {
			b := Frame{Op: OpText, Payload: []byte(`{"payload":"aGk=","context":"1"}`)}.Bytes()
			s := t.OpenWith(Handshake{Target: path(t), Behind: b[:9]})
			if err := s.Write(b[9:]); err != nil {
				t.Fatalf("%v", err)
			}
			s.Expect(okReply("1"))
		}},
		{ID: "handshake/no-upgrade", Text: "a plain GET on a session's path is no 101 and no 5xx", Run: func(t *T) {
			_, resp, _ := t.do(Handshake{Target: path(t), Without: []string{"Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"}})
			if resp.StatusCode < 400 || resp.StatusCode > 499 {
				t.Fatalf("status %d, want 4xx", resp.StatusCode)
			}
		}},
		{ID: "handshake/version", Text: "another Sec-WebSocket-Version is refused, naming 13 (RFC 6455 section 4.4)", Run: func(t *T) {
			_, resp, _ := t.do(Handshake{Target: path(t), Without: []string{"Sec-WebSocket-Version"}, Headers: []string{"Sec-WebSocket-Version: 8"}})
			if resp.StatusCode < 400 || resp.StatusCode > 499 || !strings.Contains(strings.Join(resp.Header.Values("Sec-WebSocket-Version"), ","), "13") {
				t.Fatalf("status %d, Sec-WebSocket-Version %q", resp.StatusCode, resp.Header.Values("Sec-WebSocket-Version"))
			}
		}},
		{ID: "handshake/no-key", Text: "an upgrade without Sec-WebSocket-Key is 400", Run: func(t *T) {
			t.RefusedWith(400, "", Handshake{Target: path(t), Without: []string{"Sec-WebSocket-Key"}})
		}},
		{ID: "handshake/post", Text: "an upgrade with another method than GET is 4xx", Run: func(t *T) {
			_, resp, _ := t.do(Handshake{Target: path(t), Method: "POST", Headers: []string{"Content-Length: 0"}})
			if resp.StatusCode < 400 || resp.StatusCode > 499 {
				t.Fatalf("status %d, want 4xx", resp.StatusCode)
			}
		}},
		{ID: "handshake/http10", Text: "an upgrade over HTTP/1.0 is refused with 4xx or 5xx, never 101", Run: func(t *T) {
			_, resp, _ := t.do(Handshake{Target: path(t), Proto: "HTTP/1.0"})
			if resp.StatusCode < 400 {
				t.Fatalf("status %d", resp.StatusCode)
			}
		}},
		{ID: "handshake/subprotocol", Text: "an offered subprotocol is not selected, the session opens all the same", Run: func(t *T) {
			s := t.Open(path(t), "Sec-WebSocket-Protocol: mqtt, soap")
			if got := s.Resp.Header.Get("Sec-WebSocket-Protocol"); got != "" {
				t.Fatalf("selected %q", got)
			}
			s.Publish("x")
		}},
		{ID: "handshake/origin", Text: "any Origin is accepted by default", Run: func(t *T) {
			t.Open(path(t), "Origin: https://other.example").Publish("x")
		}},
		{ID: "handshake/pushed-first", Text: "messages waiting for a consumer come right behind the 101", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("a", "b", "c")
			t.Consumer(topic, "s", "subscriptionInitialPosition=Earliest").TakeAcked("a", "b", "c")
		}},
		{ID: "handshake/works-when-open", Text: "the subscription exists before the 101: what is published after it arrives", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			for i := range 5 {
				c := t.Consumer(topic, fmt.Sprintf("s%d", i))
				body := fmt.Sprint("message ", i)
				p.Publish(body)
				c.TakeAcked(body)
			}
		}},
		{ID: "handshake/long-url", Text: "an endless request line is refused with 4xx or 5xx", Run: func(t *T) {
			_, resp, _ := t.do(Handshake{Target: path(t) + "?x=" + strings.Repeat("y", 20000)})
			if resp.StatusCode < 400 {
				t.Fatalf("status %d", resp.StatusCode)
			}
		}},
		{ID: "handshake/absolute-form", Text: "a request target in absolute form is taken (RFC 9112 section 3.2.2)", Run: func(t *T) {
			t.OpenWith(Handshake{Target: t.Endpoint.HTTP + path(t)}).Publish("x")
		}},
	}
}
