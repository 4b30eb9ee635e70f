package conformance

import (
	"encoding/json"
	"fmt"
)

func consumerPushCases() Area {
	var cases []Case
	cases = append(cases, pushedFrameCases()...)
	cases = append(cases, consumerBadParameters()...)
	cases = append(cases, consumerParameters()...)
	return Area{Name: "Consumer: pushed messages and query parameters", Cases: cases}
}

func pushedFrameCases() []Case {
	return []Case{
		{ID: "consumer/frame", Text: "a pushed message has messageId, payload, properties, publishTime and redeliveryCount, nothing else", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			id := t.Producer(topic).Publish("hi")[0]
			text := c.Expect(pushed("aGk=", "{}", ""))
			if got := replyID(text); !samePosition(got, id) {
				t.Fatalf("pushed with id %s, published as %s", got, id)
			}
		}},
		{ID: "consumer/frame-full", Text: "properties, key and eventTime are pushed when set", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			t.Producer(topic).PublishJSON(`{"payload":"aGk=","properties":{"a":"1"},"key":"k","eventTime":"2020-01-02T03:04:05.678Z","context":"no"}`)
			c.Expect(pushed("aGk=", `{"a":"1"}`, `,"key":"k","eventTime":"2020-01-02T03:04:05.678Z"`))
		}},
		{ID: "consumer/frame-escapes", Text: "characters that JSON escapes arrive unchanged in properties and keys", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			awkward := "\"\\\b\f\n\r\t\u0000\u001f\u007f\u2028é😀</script>"
			b, err := json.Marshal(map[string]any{"payload": "", "key": awkward, "properties": map[string]string{awkward: awkward}})
			if err != nil {
				t.Fatalf("%v", err)
			}
			t.Producer(topic).PublishJSON(string(b))
			if m := c.Next(); m.Key != awkward || m.Properties[awkward] != awkward || len(m.Properties) != 1 {
				t.Fatalf("key %q, properties %q", m.Key, m.Properties)
			}
		}},
		{ID: "consumer/order", Text: "500 messages arrive in the order published", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			publishAtOnce(t, t.Producer(topic), 500)
			for i := range 500 {
				c.TakeAcked(fmt.Sprint(i))
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "consumer/two-subscriptions", Text: "every subscription gets every message", Run: func(t *T) {
			topic := t.Topic()
			a, b := t.Consumer(topic, "a"), t.Consumer(topic, "b")
			t.Producer(topic).Publish("x", "y")
			a.TakeAcked("x", "y")
			b.TakeAcked("x", "y")
		}},
		{ID: "consumer/context", Text: "?context=… comes back in every pushed frame", Better: "Java knows context only on producers; clients of 2016 expect it here", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "context=a%20%22b%22")
			r := t.Reader(topic, "context=r")
			t.Producer(topic).Publish("hi", "hi")
			for range 2 {
				c.Expect(pushed("aGk=", "{}", `,"context":"a \"b\""`))
				r.Expect(pushed("aGk=", "{}", `,"context":"r"`))
			}
		}},
		{ID: "consumer/v1-publish-time", Text: "on v1 paths publishTime reads 2016-08-30 16:45:57.785, as the protocol began", Better: "the Java proxy 4.x sends ISO 8601 on v1 paths too", Run: func(t *T) {
			ns := t.v1Namespace()
			topic := string(t.TopicIn("persistent/" + ns))
			c := t.Open("/ws/consumer/" + topic + "/s")
			r := t.Open("/ws/reader/" + topic)
			t.Open("/ws/producer/" + topic).Publish("hi")
			frame := `{"messageId":"*","payload":"aGk=","properties":{},"publishTime":"~^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}$","redeliveryCount":0}`
			c.Expect(frame)
			r.Expect(frame)
		}},
		{ID: "consumer/v1-publish-time-iso", Text: "configuration can switch v1 paths to the time format of v2", Conf: smallConf, Run: func(t *T) {
			topic := string(t.TopicIn("persistent/" + t.v1Namespace()))
			c := t.Open("/ws/consumer/" + topic + "/s")
			t.Open("/ws/producer/" + topic).Publish("hi")
			c.Expect(pushed("aGk=", "{}", ""))
		}},
	}
}

func newConsumer(t *T, params ...string) string { return ConsumerPath(t.Topic(), "s", params...) }

func consumerBadParameters() []Case {
	bad := func(name string, values []string, with ...string) Case {
		return badValues("consumer-param/bad-"+name, newConsumer, name, values, with...)
	}
	return []Case{
		bad("subscriptionType", []string{"shared", "KeyShared", "x", ""}),
		bad("subscriptionMode", []string{"durable", "x", ""}),
		bad("subscriptionInitialPosition", []string{"earliest", "x", ""}),
		bad("receiverQueueSize", []string{"x", "-1", "", "1.5"}),
		bad("ackTimeoutMillis", []string{"999", "x", "-1", ""}),
		bad("consumerName", []string{""}),
		bad("priorityLevel", []string{"x", "-1", ""}),
		bad("negativeAckRedeliveryDelay", []string{"x", "-1", ""}),
		bad("maxRedeliverCount", []string{"0", "x", "-1", ""}, "subscriptionType=Shared"),
		{ID: "consumer-param/largest", Text: "the largest number of 32 bits is taken for every number; one more is 400", Run: func(t *T) {
			for _, name := range []string{"receiverQueueSize", "ackTimeoutMillis", "priorityLevel", "negativeAckRedeliveryDelay", "maxRedeliverCount"} {
				topic := t.Topic()
				c := t.Consumer(topic, "s", "subscriptionType=Shared", name+"=2147483647")
				t.Producer(topic).Publish("x")
				c.TakeAcked("x")
				t.Refused(400, "Invalid query params", ConsumerPath(topic, "s", "subscriptionType=Shared", name+"=2147483648"))
			}
		}},
		{ID: "consumer-param/dead-letter-blank", Text: "a blank deadLetterTopic is 400", Better: "Java takes the topic that is usual; Pulsar 5 refuses", Run: func(t *T) {
			t.Refused(400, "deadLetterTopic", newConsumer(t, "subscriptionType=Shared", "maxRedeliverCount=1", "deadLetterTopic="))
			t.Refused(400, "deadLetterTopic", newConsumer(t, "subscriptionType=Shared", "maxRedeliverCount=1", "deadLetterTopic=%20"))
		}},
		{ID: "consumer-param/dead-letter-alone", Text: "deadLetterTopic without maxRedeliverCount is 400", Run: func(t *T) {
			t.Refused(400, "Invalid query params", newConsumer(t, "subscriptionType=Shared", "deadLetterTopic=x"))
		}},
		{ID: "consumer-param/bad-names", Text: "a refusal names the parameter at fault", Better: `Java says only: For input string: "x"`, Run: func(t *T) {
			for _, name := range []string{"subscriptionType", "subscriptionMode", "subscriptionInitialPosition", "receiverQueueSize",
				"ackTimeoutMillis", "priorityLevel", "negativeAckRedeliveryDelay", "maxRedeliverCount"} {
				t.Refused(400, "Invalid query params.*"+name, newConsumer(t, name+"=x"))
			}
		}},
	}
}

func consumerParameters() []Case {
	return []Case{
		{ID: "consumer-param/initial-latest", Text: "a new subscription starts at the end by default and with Latest", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.Publish("old")
			a, b := t.Consumer(topic, "a"), t.Consumer(topic, "b", "subscriptionInitialPosition=Latest")
			p.Publish("new")
			a.TakeAcked("new")
			b.TakeAcked("new")
		}},
		{ID: "consumer-param/initial-earliest", Text: "a new subscription with Earliest starts at the first message", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("a", "b")
			t.Consumer(topic, "s", "subscriptionInitialPosition=Earliest").TakeAcked("a", "b")
		}},
		{ID: "consumer-param/initial-existing", Text: "Earliest does not move a subscription that exists", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.Publish("before")
			t.Consumer(topic, "s").Close()
			p.Publish("after")
			t.Eventually("the subscription is free", func() bool { return len(t.Stats(topic).Subscriptions["s"].Consumers) == 0 })
			t.Consumer(topic, "s", "subscriptionInitialPosition=Earliest").TakeAcked("after")
		}},
		{ID: "consumer-param/durable", Text: "a Durable subscription keeps its place while nobody is connected", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			p := t.Producer(topic)
			p.Publish("a", "b")
			c.TakeAcked("a")
			c.Take("b")
			t.AwaitBacklog(topic, "s", 1)
			c.Close()
			p.Publish("c")
			d := t.Consumer(topic, "s", "subscriptionType=Shared")
			got := map[string]bool{d.Next().Body: true, d.Next().Body: true}
			if !got["b"] || !got["c"] {
				t.Fatalf("got %v, want b and c", got)
			}
		}},
		{ID: "consumer-param/non-durable", Text: "a NonDurable subscription is gone with its consumer and starts at the end again", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionMode=NonDurable")
			p := t.Producer(topic)
			p.Publish("a")
			c.Take("a")
			c.Close()
			t.Eventually("the subscription is gone", func() bool { return len(t.subscriptionNames(topic)) == 0 })
			p.Publish("missed")
			d := t.Consumer(topic, "s", "subscriptionMode=NonDurable")
			p.Publish("b")
			d.TakeAcked("b")
		}},
		{ID: "consumer-param/name", Text: "the consumer is known by the consumerName given", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s", "consumerName=the%20name")
			cs := t.Stats(topic).Subscriptions["s"].Consumers
			if len(cs) != 1 || cs[0].ConsumerName != "the name" {
				t.Fatalf("consumers %v", cs)
			}
		}},
		{ID: "consumer-param/pull-mode-other", Text: "pullMode that is not true is push mode", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=yes")
			t.Producer(topic).Publish("x")
			c.TakeAcked("x")
		}},
		{ID: "consumer-param/priority", Text: "a consumer of a lower priority level gets messages only when the others have no room", Run: func(t *T) {
			topic := t.Topic()
			// Of four places one is ever taken: nothing goes past the spare ones.
			first := t.Consumer(topic, "s", "subscriptionType=Shared", "priorityLevel=0", "receiverQueueSize=4")
			second := t.Consumer(topic, "s", "subscriptionType=Shared", "priorityLevel=1", "receiverQueueSize=4")
			p := t.Producer(topic)
			for i := range 40 {
				body := fmt.Sprint(i)
				p.Publish(body)
				first.TakeAcked(body)
				first.Fence() // the acknowledgement is handled, too
			}
			second.Fence()
		}},
		{ID: "consumer-param/crypto-failure-action", Text: "cryptoFailureAction FAIL, DISCARD and CONSUME do not touch plain messages", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			for _, v := range []string{"FAIL", "DISCARD", "CONSUME"} {
				c := t.Consumer(topic, v, "cryptoFailureAction="+v)
				r := t.Reader(topic, "cryptoFailureAction="+v)
				p.Publish(v)
				c.TakeAcked(v)
				r.Take(v)
			}
		}},
	}
}
