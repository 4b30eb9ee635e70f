package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// okReply is the pattern of a reply to a publish that succeeded; context is ""
// where none may come.
func okReply(context string) string {
	if context == "" {
		return `{"result":"ok","messageId":"*","errorCode":0,"schemaVersion":0}`
	}
	return fmt.Sprintf(`{"result":"ok","messageId":"*","context":%q,"errorCode":0,"schemaVersion":0}`, context)
}

// errReply is the pattern of a refused publish.
func errReply(code int, context string) string {
	if context == "" {
		return fmt.Sprintf(`{"result":"send-error:%d","errorMsg":"*","errorCode":0,"schemaVersion":0}`, code)
	}
	return fmt.Sprintf(`{"result":"send-error:%d","errorMsg":"*","context":%q,"errorCode":0,"schemaVersion":0}`, code, context)
}

// typeError is the pattern of a request with a field of the wrong type. Java
// leaves the context "c" out; a server that has read it may send it.
const typeError = `{"result":"send-error:3","errorMsg":"*","?context":"c","errorCode":0,"schemaVersion":0}`

// isoTime is the pattern of a time with up to milliseconds, in UTC. Trailing
// zeros of the fraction may be missing.
const isoTime = "~^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]([.][0-9]{1,3})?Z$"

// pushed is the pattern of a message pushed for the first time. more holds
// further fields, each as `,"name":value`; properties is a JSON object.
func pushed(payload, properties, more string) string {
	return fmt.Sprintf(`{"messageId":"*","payload":%q,"properties":%s,"publishTime":%q,"redeliveryCount":0%s}`,
		payload, properties, isoTime, more)
}

// echo is a case of one request and its reply; the session must stay usable
// behind it, and the topic must hold what was answered ok and nothing else.
func echo(id, text, request, reply string) Case {
	return Case{ID: id, Text: text, Run: func(t *T) {
		topic := t.Topic()
		p := t.Producer(topic)
		first := p.Ask(request, reply)
		last := p.Ask(`{"payload":"bmV4dA==","context":"next"}`, okReply("next"))
		r := t.Reader(topic, "messageId=earliest")
		if strings.Contains(first, `"ok"`) {
			if got, want := r.Next().MessageID, replyID(first); !samePosition(got, want) {
				t.Fatalf("the topic's first message is %s, the reply said %s", got, want)
			}
		}
		if m := r.Take("next")[0]; !samePosition(m.MessageID, replyID(last)) {
			t.Fatalf("the last message is %s, the reply said %s", m.MessageID, last)
		}
	}}
}

func replyID(reply string) string {
	var r struct{ MessageID string }
	_ = json.Unmarshal([]byte(reply), &r)
	return r.MessageID
}

// delivered is a case of one request that must be accepted, and of the frame a
// reader then gets.
func delivered(id, text, request, frame string) Case {
	return Case{ID: id, Text: text, Run: func(t *T) {
		topic := t.Topic()
		t.Producer(topic).PublishJSON(request)
		t.Reader(topic, "messageId=earliest").Expect(frame)
	}}
}

func producerJSONCases() Area {
	var cases []Case
	cases = append(cases, producerContextCases()...)
	cases = append(cases, producerPayloadCases()...)
	cases = append(cases, producerFieldCases()...)
	cases = append(cases, producerTimeCases()...)
	return Area{Name: "Producer: requests and replies", Cases: cases}
}

func producerContextCases() []Case {
	return []Case{
		echo("producer/context-string", "a context comes back as it is", `{"payload":"aGk=","context":"a \"b\" ü"}`,
			`{"result":"ok","messageId":"*","context":"a \"b\" ü","errorCode":0,"schemaVersion":0}`),
		echo("producer/context-number", `context 5, as the oldest Python clients send it, comes back as "5"`,
			`{"payload":"aGk=","context":5}`, okReply("5")),
		echo("producer/context-number-text", `context 1.50 comes back as "1.50": its text, not its value`,
			`{"payload":"aGk=","context":1.50}`, okReply("1.50")),
		echo("producer/context-exponent", `context 1e3 comes back as "1e3"`,
			`{"payload":"aGk=","context":1e3}`, okReply("1e3")),
		echo("producer/context-bool", `context true comes back as "true"`,
			`{"payload":"aGk=","context":true}`, okReply("true")),
		echo("producer/context-null", "a null context is none",
			`{"payload":"aGk=","context":null}`, okReply("")),
		echo("producer/context-absent", "without a context the reply has none",
			`{"payload":"aGk="}`, okReply("")),
		echo("producer/context-empty", `an empty context comes back as ""`, `{"payload":"aGk=","context":""}`,
			`{"result":"ok","messageId":"*","context":"","errorCode":0,"schemaVersion":0}`),
		echo("producer/context-object", "an object as context is error 3, without a context",
			`{"payload":"aGk=","context":{}}`, errReply(3, "")),
		echo("producer/context-array", "an array as context is error 3, without a context",
			`{"payload":"aGk=","context":[1]}`, errReply(3, "")),
		echo("producer/context-escapes", "escapes in a context are decoded and the characters kept",
			`{"payload":"aGk=","context":"\u00e9\ud83d\ude00\n\t\\\/"}`,
			`{"result":"ok","messageId":"*","context":"é😀\n\t\\/","errorCode":0,"schemaVersion":0}`),
		echo("producer/field-twice", "of a field given twice the last one counts",
			`{"payload":"aGk=","context":"a","context":"b"}`, okReply("b")),
		echo("producer/field-case", "field names are case-sensitive: Payload is no payload",
			`{"Payload":"aGk=","context":"a"}`, errReply(7, "a")),
		echo("producer/field-unknown", "unknown fields are ignored, whatever they hold",
			`{"unknown":{"payload":[1,{"a":null}]},"payload":"aGk=","unknown2":"x"}`, okReply("")),
		echo("producer/whitespace", "white space around JSON is allowed",
			" \t\r\n{ \"payload\" : \"aGk=\" }\r\n ", okReply("")),
	}
}

func producerPayloadCases() []Case {
	return []Case{
		echo("producer/payload-absent", "no payload is error 7 with the context", `{"context":"c"}`, errReply(7, "c")),
		echo("producer/payload-null", "a null payload is error 7 with the context", `{"payload":null,"context":"c"}`, errReply(7, "c")),
		echo("producer/payload-object", "an object as payload is error 3", `{"payload":{},"context":"c"}`, typeError),
		echo("producer/payload-space", "a space in the payload is error 7", `{"payload":"aG k=","context":"c"}`, errReply(7, "c")),
		echo("producer/payload-newline", "a line break in the payload is error 7", `{"payload":"aGkh\n","context":"c"}`, errReply(7, "c")),
		echo("producer/payload-url-alphabet", "the URL alphabet in the payload is error 7", `{"payload":"_-8=","context":"c"}`, errReply(7, "c")),
		echo("producer/payload-too-much-padding", "padding too long is error 7", `{"payload":"aGk==","context":"c"}`, errReply(7, "c")),
		echo("producer/payload-after-padding", "text behind the padding is error 7", `{"payload":"aGk=aGk=","context":"c"}`, errReply(7, "c")),
		echo("producer/payload-one-character", "a single character is no base64: error 7", `{"payload":"a","context":"c"}`, errReply(7, "c")),
		echo("producer/payload-number", "a number as payload is its text as base64: error 7 for 5", `{"payload":5,"context":"c"}`, errReply(7, "c")),
		delivered("producer/payload-unpadded", "padding may be missing", `{"payload":"aGk"}`, pushed("aGk=", "{}", "")),
		delivered("producer/payload-loose-bits", "bits behind the last byte do not matter", `{"payload":"aGl="}`, pushed("aGk=", "{}", "")),
		delivered("producer/payload-empty", "an empty payload is a message", `{"payload":""}`, pushed("", "{}", "")),
		delivered("producer/payload-escaped", "JSON escapes inside the payload are decoded first", `{"payload":"\u0061Gk\u003d"}`, pushed("aGk=", "{}", "")),
		{ID: "producer/payload-all-bytes", Text: "a payload of all byte values arrives unchanged", Run: func(t *T) {
			topic := t.Topic()
			var all strings.Builder
			for range 40 {
				for b := range 256 {
					all.WriteByte(byte(b))
				}
			}
			t.Producer(topic).Publish(all.String())
			t.Reader(topic, "messageId=earliest").Take(all.String())
		}},
		echo("producer/not-json", "no JSON is error 3 without a context", `{"payload":"aGk=","context":"c"`, errReply(3, "")),
		echo("producer/json-array", "an array is error 3", `[]`, errReply(3, "")),
		echo("producer/json-string", "a string is error 3", `"x"`, errReply(3, "")),
		echo("producer/json-number", "a number is error 3", `5`, errReply(3, "")),
		echo("producer/empty-frame", "an empty frame is error 3", ``, errReply(3, "")),
		echo("producer/json-comma", "a comma too much is error 3", `{"payload":"aGk=",}`, errReply(3, "")),
		echo("producer/json-quotes", "single quotes are error 3", `{'payload':'aGk='}`, errReply(3, "")),
		echo("producer/json-nan", "NaN is error 3", `{"payload":"aGk=","context":NaN}`, errReply(3, "")),
		func() Case {
			c := echo("producer/json-null", "null is no object: error 3", `null`, errReply(3, ""))
			c.Better = "Java answers 7 with the text of its NullPointerException"
			return c
		}(),
		{ID: "producer/text-behind", Text: "text behind the object never publishes twice, and is taken or error 3", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			reply := p.Ask(`{"payload":"aGk="} {"payload":"aGk="}`,
				`{"result":"~^(ok|send-error:3)$","?messageId":"*","?errorMsg":"*","errorCode":0,"schemaVersion":0}`)
			p.Publish("end")
			r := t.Reader(topic, "messageId=earliest")
			if strings.Contains(reply, `"ok"`) {
				r.Take("hi")
			}
			r.Take("end")
			r.Fence()
		}},
	}
}

func producerFieldCases() []Case {
	return []Case{
		delivered("producer/properties", "properties arrive as they are", `{"payload":"aGk=","properties":{"a":"1","ü":"\"x\"","":"y"}}`,
			pushed("aGk=", `{"a":"1","ü":"\"x\"","":"y"}`, "")),
		delivered("producer/properties-scalars", "numbers and booleans in properties arrive as their text",
			`{"payload":"aGk=","properties":{"a":1,"b":1.50,"c":true,"d":-0}}`, pushed("aGk=", `{"a":"1","b":"1.50","c":"true","d":"-0"}`, "")),
		delivered("producer/properties-null", "null properties are none", `{"payload":"aGk=","properties":null}`, pushed("aGk=", `{}`, "")),
		delivered("producer/properties-twice", "of a property given twice the last value counts",
			`{"payload":"aGk=","properties":{"a":"1","a":"2"}}`, pushed("aGk=", `{"a":"2"}`, "")),
		echo("producer/properties-array", "an array as properties is error 3", `{"payload":"aGk=","properties":[],"context":"c"}`, typeError),
		echo("producer/property-object", "an object as a property's value is error 3", `{"payload":"aGk=","properties":{"a":{}},"context":"c"}`, typeError),
		better("Java closes the session with 1011",
			echo("producer/property-null", "a null property value is error 3 and the session stays", `{"payload":"aGk=","properties":{"a":null}}`, errReply(3, ""))),
		delivered("producer/key", "a key arrives", `{"payload":"aGk=","key":"k 1"}`, pushed("aGk=", "{}", `,"key":"k 1"`)),
		delivered("producer/key-number", "a number as key arrives as its text", `{"payload":"aGk=","key":1.50}`, pushed("aGk=", "{}", `,"key":"1.50"`)),
		delivered("producer/key-null", "a null key is none", `{"payload":"aGk=","key":null}`, pushed("aGk=", "{}", "")),
		delivered("producer/key-empty", "an empty key is a key", `{"payload":"aGk=","key":""}`, pushed("aGk=", "{}", `,"key":""`)),
		echo("producer/key-object", "an object as key is error 3", `{"payload":"aGk=","key":{},"context":"c"}`, typeError),
		delivered("producer/replication-clusters", "replicationClusters naming the own cluster is accepted",
			`{"payload":"aGk=","replicationClusters":["standalone"]}`, pushed("aGk=", "{}", "")),
		echo("producer/replication-clusters-string", "replicationClusters that is no array is error 3",
			`{"payload":"aGk=","replicationClusters":"standalone"}`, errReply(3, "")),
		delivered("producer/disable-replication", "disableReplication is accepted", `{"payload":"aGk=","disableReplication":true}`, pushed("aGk=", "{}", "")),
		echo("producer/disable-replication-text", "disableReplication that is no boolean is error 3",
			`{"payload":"aGk=","disableReplication":"yes"}`, errReply(3, "")),
		{ID: "producer/errors-between", Text: "errors leave the messages around them untouched, replies keep the order of the requests", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			var frames []Frame
			for i := range 30 {
				text := fmt.Sprintf(`{"payload":%q,"context":"%d"}`, b64(fmt.Sprint(i)), i)
				if i%3 == 1 {
					text = fmt.Sprintf(`{"payload":"*","context":"%d"}`, i)
				}
				frames = append(frames, Frame{Op: OpText, Payload: []byte(text)})
			}
			p.SendFrames(frames...)
			var ok []string
			seen := make(map[string]bool)
			for range 30 {
				var r struct{ Result, Context string }
				if err := json.Unmarshal([]byte(p.Recv()), &r); err != nil {
					t.Fatalf("reply: %v", err)
				}
				seen[r.Context] = true
				var i int
				_, _ = fmt.Sscan(r.Context, &i)
				if wantErr := i%3 == 1; wantErr != (r.Result == "send-error:7") {
					t.Fatalf("context %s: %s", r.Context, r.Result)
				}
				if r.Result == "ok" {
					ok = append(ok, r.Context)
				}
			}
			if len(seen) != 30 {
				t.Fatalf("%d of 30 requests were answered", len(seen))
			}
			var want []string
			for i := range 30 {
				if i%3 != 1 {
					want = append(want, fmt.Sprint(i))
				}
			}
			if strings.Join(ok, " ") != strings.Join(want, " ") {
				t.Fatalf("order of the ok replies: %v", ok)
			}
			t.Reader(topic, "messageId=earliest").Take(want...)
		}},
		{ID: "producer/ids-ascend", Text: "200 messages sent at once get ascending ids and arrive in the order sent", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			var frames []Frame
			var bodies []string
			for i := range 200 {
				bodies = append(bodies, fmt.Sprintf("message %d", i))
				frames = append(frames, Frame{Op: OpText, Payload: fmt.Appendf(nil, `{"payload":%q,"context":"%d"}`, b64(bodies[i]), i)})
			}
			p.SendFrames(frames...)
			var last ID
			for i := range 200 {
				id := parseID(t, replyID(p.Expect(okReply(fmt.Sprint(i)))))
				if i > 0 && !last.before(id) {
					t.Fatalf("id %v behind %v", id, last)
				}
				last = id
			}
			r := t.Reader(topic, "messageId=earliest", "receiverQueueSize=300")
			r.Take(bodies...)
		}},
	}
}

// better marks a case as one the Java proxy fails.
func better(reason string, c Case) Case {
	c.Better = reason
	return c
}

func producerTimeCases() []Case {
	event := func(id, text, sent, got string) Case {
		return delivered(id, text, fmt.Sprintf(`{"payload":"aGk=","eventTime":%q}`, sent),
			pushed("aGk=", "{}", fmt.Sprintf(`,"eventTime":"~^%s$"`, got)))
	}
	return []Case{
		event("producer/event-time", "an event time arrives in UTC with milliseconds", "2020-01-02T03:04:05.678Z", "2020-01-02T03:04:05[.]678Z"),
		event("producer/event-time-seconds", "an event time of whole seconds", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05([.]000)?Z"),
		event("producer/event-time-offset", "an event time with an offset arrives in UTC", "2020-01-02T03:04:05.678+02:00", "2020-01-02T01:04:05[.]678Z"),
		event("producer/event-time-nanos", "digits behind the milliseconds are cut off", "2020-01-02T03:04:05.678999999-01:30", "2020-01-02T04:34:05[.]678Z"),
		event("producer/event-time-before-1970", "an event time before 1970 arrives as it was", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59([.]000)?Z"),
		event("producer/event-time-far", "an event time far ahead arrives as it was", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59[.]999Z"),
		echo("producer/event-time-no-offset", "an event time without an offset is error 7", `{"payload":"aGk=","eventTime":"2020-01-02T03:04:05","context":"c"}`, errReply(7, "c")),
		echo("producer/event-time-text", "an event time that is none is error 7", `{"payload":"aGk=","eventTime":"now","context":"c"}`, errReply(7, "c")),
		echo("producer/event-time-number", "an event time in milliseconds is error 7", `{"payload":"aGk=","eventTime":1577934245678,"context":"c"}`, errReply(7, "c")),
		echo("producer/event-time-empty", "an empty event time is error 7", `{"payload":"aGk=","eventTime":"","context":"c"}`, errReply(7, "c")),
		echo("producer/deliver-at-text", "deliverAt that is no number is error 3", `{"payload":"aGk=","deliverAt":"x"}`, errReply(3, "")),
		echo("producer/deliver-after-object", "deliverAfterMs that is an object is error 3", `{"payload":"aGk=","deliverAfterMs":{}}`, errReply(3, "")),
		echo("producer/deliver-at-past", "deliverAt in the past delivers at once; a quoted number is a number", `{"payload":"aGk=","deliverAt":"1600000000000"}`, okReply("")),
		delay("producer/deliver-after", "deliverAfterMs holds the message back on a Shared subscription", func(ms int) string {
			return fmt.Sprintf(`"deliverAfterMs":%d`, ms)
		}),
		delay("producer/deliver-after-quoted", "deliverAfterMs may be a quoted number", func(ms int) string {
			return fmt.Sprintf(`"deliverAfterMs":"%d"`, ms)
		}),
		{ID: "producer/deliver-at-far", Text: "deliverAt in the year 2286, or deliverAfterMs of 290 years, holds the message back", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			p := t.Producer(topic)
			p.PublishJSON(fmt.Sprintf(`{"payload":%q,"deliverAt":9999999999999}`, b64("later")))
			p.PublishJSON(fmt.Sprintf(`{"payload":%q,"deliverAfterMs":9151488000000}`, b64("later")))
			p.Publish("now")
			c.TakeAcked("now")
			c.Fence()
		}},
		delay("producer/deliver-at", "deliverAt holds the message back on a Shared subscription", func(ms int) string {
			return fmt.Sprintf(`"deliverAt":%d`, time.Now().Add(time.Duration(ms)*time.Millisecond).UnixMilli())
		}),
	}
}

// delay is a case of a message to be delivered later: one sent behind it
// overtakes it, and it comes no sooner than it should.
func delay(id, text string, field func(ms int) string) Case {
	const ms = 2500
	return Case{ID: id, Text: text, Slow: true, Run: func(t *T) {
		topic := t.Topic()
		c := t.Consumer(topic, "s", "subscriptionType=Shared")
		p := t.Producer(topic)
		start := time.Now()
		p.PublishJSON(fmt.Sprintf(`{"payload":%q,%s}`, b64("later"), field(ms)))
		p.Publish("now")
		c.TakeAcked("now", "later")
		// One second less: the broker's clock ticks coarsely.
		if took := time.Since(start); took < (ms-1000)*time.Millisecond {
			t.Fatalf("delivered after %v, want about %d ms", took, ms)
		}
	}}
}
