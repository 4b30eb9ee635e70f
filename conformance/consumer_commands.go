package conformance

import (
	"fmt"
	"slices"
)

// javaClose is why Java fails the cases of malformed commands.
const javaClose = "Java closes with 1011 and the text of a Java exception, or drops the connection: 1 to 8 are no legal close codes"

func consumerCommandCases() Area {
	return Area{Name: "Consumer: commands", Cases: slices.Concat(ackCases(), badCommandCases(), unknownCommandCases(), otherCommandCases())}
}

// received publishes one message and receives it on a subscription "s".
func received(t *T) (Topic, *Session, Message) {
	topic := t.Topic()
	c := t.Consumer(topic, "s")
	t.Producer(topic).Publish("x")
	return topic, c, c.Take("x")[0]
}

func ackCases() []Case {
	acks := func(id, text, command string) Case {
		return Case{ID: id, Text: text, Run: func(t *T) {
			topic, c, m := received(t)
			t.AwaitBacklog(topic, "s", 1)
			c.Send(fmt.Sprintf(command, m.MessageID))
			t.AwaitBacklog(topic, "s", 0)
			c.Fence()
		}}
	}
	return []Case{
		acks("ack/plain", "a frame with only a messageId acknowledges, without a reply", `{"messageId":%q}`),
		acks("ack/typed", "type ack acknowledges", `{"type":"ack","messageId":%q}`),
		acks("ack/type-null", "a frame whose type is null acknowledges", `{"type":null,"messageId":%q}`),
		acks("ack/type-empty", "a frame whose type is empty acknowledges", `{"type":"","messageId":%q}`),
		acks("ack/individual", "ackType individual acknowledges", `{"type":"ack","ackType":"individual","messageId":%q}`),
		acks("ack/unknown-fields", "unknown fields in a command are ignored", `{"a":[{}],"messageId":%q,"b":null}`),
		acks("ack/field-twice", "of a messageId given twice the last one counts", `{"messageId":"x","messageId":%q}`),
		acks("ack/escaped", "escapes inside a messageId are decoded", `{"messageI\u0064":%q}`),
		{ID: "ack/twice", Text: "an id acknowledged twice is no error", Run: func(t *T) {
			topic, c, m := received(t)
			c.Ack(m)
			t.AwaitBacklog(topic, "s", 0)
			c.Ack(m)
			c.Ack(m)
			t.Producer(topic).Publish("y")
			c.TakeAcked("y")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "ack/unknown-position", Text: "an id of a place the topic does not have acknowledges nothing and disturbs nobody", Run: func(t *T) {
			topic, c, m := received(t)
			c.Send(`{"messageId":"CAEQAQ=="}`)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			t.AwaitBacklog(topic, "s", 1)
			c.Ack(m)
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "ack/after-reconnect", Text: "an id received by a former session of the subscription is acknowledged", Run: func(t *T) {
			topic, c, m := received(t)
			c.Close()
			t.Eventually("the subscription is free", func() bool { return len(t.Stats(topic).Subscriptions["s"].Consumers) == 0 })
			d := t.Consumer(topic, "s", "receiverQueueSize=1", "pullMode=true")
			d.Ack(m)
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "ack/published-id", Text: "the id a producer was answered with acknowledges the message", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			ids := t.Producer(topic).Publish("a", "b")
			c.Take("a", "b")
			c.Send(fmt.Sprintf(`{"messageId":%q}`, ids[1]))
			t.AwaitBacklog(topic, "s", 1)
			c.Send(fmt.Sprintf(`{"messageId":%q}`, ids[0]))
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "ack/many-in-one-write", Text: "100 acks in one packet acknowledge 100 messages", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			publishAtOnce(t, t.Producer(topic), 100)
			var frames []Frame
			for range 100 {
				frames = append(frames, Frame{Op: OpText, Payload: fmt.Appendf(nil, `{"messageId":%q}`, c.Next().MessageID)})
			}
			c.SendFrames(frames...)
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "ack/out-of-order", Text: "acks in any order take exactly their messages", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			t.Producer(topic).Publish("a", "b", "c", "d")
			m := c.Take("a", "b", "c", "d")
			c.Ack(m[3])
			c.Ack(m[1])
			t.AwaitBacklog(topic, "s", 2)
			c.Close()
			t.Eventually("the subscription is free", func() bool { return len(t.Stats(topic).Subscriptions["s"].Consumers) == 0 })
			t.Consumer(topic, "s").TakeAcked("a", "c")
			t.AwaitBacklog(topic, "s", 0)
		}},
	}
}

func badCommandCases() []Case {
	var cases []Case
	for _, c := range []struct{ id, text, command, reason string }{
		{"not-json", "a command that is not JSON closes with 4003", `{"messageId":`, ""},
		{"array", "an array closes with 4003", `[]`, ""},
		{"string", "a string closes with 4003", `"x"`, ""},
		{"null", "null closes with 4003", `null`, ""},
		{"empty", "an empty frame closes with 4003", ``, ""},
		{"no-id", "an ack without messageId closes with 4003 naming it", `{}`, "messageId"},
		{"typed-no-id", "a typed ack without messageId closes with 4003 naming it", `{"type":"ack"}`, "messageId"},
		{"id-null", "an ack with a null messageId closes with 4003 naming it", `{"messageId":null}`, "messageId"},
		{"id-empty", "an ack with an empty messageId closes with 4003 naming it", `{"messageId":""}`, "messageId"},
		{"id-base64", "an ack whose messageId is no base64 closes with 4003 naming it", `{"messageId":"*"}`, "messageId"},
		{"id-bytes", "an ack whose messageId is no message id closes with 4003 naming it", `{"messageId":"AAAA"}`, "messageId"},
		{"nack-no-id", "a negative ack without messageId closes with 4003 naming it", `{"type":"negativeAcknowledge"}`, "messageId"},
		{"nack-id", "a negative ack with a bad messageId closes with 4003 naming it", `{"type":"negativeAcknowledge","messageId":"*"}`, "messageId"},
		{"permit-nothing", "permit without permitMessages closes with 4003 naming it", `{"type":"permit"}`, "permitMessages"},
		{"permit-text", "permit with a text that is no number closes with 4003 naming it", `{"type":"permit","permitMessages":"x"}`, "permitMessages"},
	} {
		cases = append(cases, Case{ID: "command/" + c.id, Text: c.text, Better: javaClose, Run: func(t *T) {
			topic, s, _ := received(t)
			s.Send(c.command)
			s.ExpectClose(4003, "Failed to de-serialize from JSON.*"+c.reason)
			t.AwaitBacklog(topic, "s", 1)
		}})
	}
	return cases
}

// unknownCommandCases are frames that Java takes for acknowledgements, whatever they say.
func unknownCommandCases() []Case {
	var cases []Case
	for _, c := range []struct{ id, text, command, reason string }{
		{"unknown-type", "a type that is no command", `{"type":"foo","messageId":%q}`, `type "foo"`},
		{"nearly-nack", "the type negativeAcknowledged", `{"type":"negativeAcknowledged","messageId":%q}`, `type "negativeAcknowledged"`},
		{"type-number", "a type that is a number", `{"type":5,"messageId":%q}`, `type "5"`},
		{"cumulative", "ackType cumulative", `{"type":"ack","ackType":"cumulative","messageId":%q}`, `ackType "cumulative"`},
	} {
		cases = append(cases, Case{
			ID: "command/" + c.id, Text: c.text + " closes with 4003 naming it; the message is kept",
			Better: "Java takes the frame for an acknowledgement of its message, which is lost",
			Run: func(t *T) {
				topic, s, m := received(t)
				s.Send(fmt.Sprintf(c.command, m.MessageID))
				s.ExpectClose(4003, "Failed to de-serialize from JSON.*"+c.reason)
				t.Eventually("the subscription is free", func() bool { return len(t.Stats(topic).Subscriptions["s"].Consumers) == 0 })
				t.Consumer(topic, "s").TakeAcked("x")
			},
		})
	}
	return cases
}

func otherCommandCases() []Case {
	return []Case{
		{ID: "command/bad-frees-messages", Text: "a session ended by its bad command gives its messages to the others", Run: func(t *T) {
			topic := t.Topic()
			a := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1")
			t.Producer(topic).Publish("x")
			a.Take("x")
			b := t.Consumer(topic, "s", "subscriptionType=Shared")
			a.Send("no JSON")
			b.TakeAcked("x")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "command/unsubscribe", Text: "unsubscribe deletes the subscription; a new one starts at the end", Run: func(t *T) {
			topic, c, _ := received(t)
			p := t.Producer(topic)
			c.Send(`{"type":"unsubscribe"}`)
			t.Eventually("the subscription is gone", func() bool { return len(t.subscriptionNames(topic)) == 0 })
			c.Close()
			p.Publish("missed")
			d := t.Consumer(topic, "s")
			p.Publish("new")
			d.TakeAcked("new")
		}},
		{ID: "command/end-of-topic-false", Text: "isEndOfTopic is false on a topic that is not terminated, read to its end or not", Run: func(t *T) {
			_, c, m := received(t)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			c.Ack(m)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
		}},
		{ID: "command/end-of-topic-true", Text: "isEndOfTopic becomes true once a terminated topic is read to its end", Run: func(t *T) {
			topic, c, m := received(t)
			c.Ack(m)
			t.Terminate(topic)
			t.awaitEndOfTopic(c)
		}},
		{ID: "command/end-of-topic-unread", Text: "isEndOfTopic stays false while a terminated topic has messages not read yet", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "receiverQueueSize=1")
			t.Producer(topic).Publish("a", "b", "c", "d")
			a := c.Take("a")[0]
			t.Terminate(topic)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			c.Ack(a)
			c.TakeAcked("b", "c", "d")
			t.awaitEndOfTopic(c)
		}},
		{ID: "command/end-of-topic-not-acknowledged", Text: "isEndOfTopic stays false while the last message of a terminated topic is not acknowledged", Run: func(t *T) {
			topic, c, m := received(t)
			t.Terminate(topic)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			c.Ack(m)
			t.awaitEndOfTopic(c)
		}},
		{ID: "command/end-of-topic-no-trace", Text: "isEndOfTopic leaves no subscription that nobody made", Run: func(t *T) {
			topic, c, m := received(t)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			c.Ack(m)
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			if names := t.subscriptionNames(topic); len(names) != 1 {
				t.Fatalf("subscriptions: %v", names)
			}
		}},
		{ID: "command/topic-deleted-after", Text: "once its clients have left, a topic can be deleted", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			r, p := t.Reader(topic), t.Producer(topic)
			p.Publish("x")
			r.Take("x")
			c.Ack(c.Take("x")[0])
			for _, s := range []*Session{c, r} {
				s.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			}
			c.Send(`{"type":"unsubscribe"}`)
			t.Eventually("the subscription is gone", func() bool { return t.Stats(topic).Subscriptions["s"].Type == "" })
			for _, s := range []*Session{c, r, p} {
				s.Close()
			}
			t.Eventually("it is deleted", func() bool {
				status, _ := t.adminRequest("DELETE", "/admin/v2/"+string(topic), "")
				return status == 204
			})
		}},
		{ID: "command/binary-ack", Text: "a command in a binary frame is taken", Better: "Java ignores binary frames silently", Run: func(t *T) {
			topic, c, m := received(t)
			c.SendFrames(Frame{Op: OpBinary, Payload: fmt.Appendf(nil, `{"messageId":%q}`, m.MessageID)})
			c.Fence()
			t.AwaitBacklogSoon(topic, "s", 0)
		}},
		{ID: "command/binary-publish", Text: "a produce request in a binary frame is taken", Better: "Java ignores binary frames silently", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.SendFrames(Frame{Op: OpBinary, Payload: []byte(`{"payload":"aGk=","context":"b"}`)})
			p.Send(`{"payload":"aGk=","context":"t"}`)
			p.Expect(okReply("b"))
			p.Expect(okReply("t"))
		}},
	}
}

// awaitEndOfTopic asks until the answer is true: the end reaches a consumer some
// time after its last message.
func (t *T) awaitEndOfTopic(s *Session) {
	t.Eventually("the end of the topic is reached", func() bool {
		s.Send(`{"type":"isEndOfTopic"}`)
		text := s.Expect(`{"endOfTopic":"?"}`)
		return match(text, `{"endOfTopic":true}`) == nil
	})
}
