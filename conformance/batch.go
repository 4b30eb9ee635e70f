package conformance

import (
	"fmt"
	"strings"
	"time"
)

// batch publishes "0" to n-1 so that they become one entry, and returns their ids.
// The maximum of n messages closes the batch; the delay only ends a case that
// would hang otherwise.
func (t *T) batch(topic Topic, n int, params ...string) []string {
	params = append(params, "batchingEnabled=true", fmt.Sprintf("batchingMaxMessages=%d", n), "batchingMaxPublishDelay=3000")
	p := t.Producer(topic, params...)
	var frames []Frame
	for i := range n {
		frames = append(frames, Frame{Op: OpText, Payload: fmt.Appendf(nil, `{"payload":%q,"context":"%d","key":"k%d"}`, b64(fmt.Sprint(i)), i, i)})
	}
	p.SendFrames(frames...)
	var ids []string
	var parsed []ID
	for i := range n {
		ids = append(ids, replyID(p.Expect(okReply(fmt.Sprint(i)))))
		parsed = append(parsed, parseID(t, ids[i]))
		if parsed[i].Batch != int64(i) {
			t.Fatalf("message %d has place %d in its batch", i, parsed[i].Batch)
		}
	}
	if e := entries(parsed); e != 1 {
		t.Fatalf("%d messages are in %d entries: %v", n, e, parsed)
	}
	return ids
}

func batchCases() Area {
	return Area{Name: "Batches", Cases: []Case{
		{ID: "batch/ids", Text: "messages batched together share an entry and have their place in the batch in their id", Run: func(t *T) {
			topic := t.Topic()
			ids := t.batch(topic, 5)
			r := t.Reader(topic, "messageId=earliest")
			for i, m := range r.Take(numbers(0, 5)...) {
				if !samePosition(m.MessageID, ids[i]) || m.Key != fmt.Sprintf("k%d", i) {
					t.Fatalf("message %d: %s, published as %s", i, m.Text, ids[i])
				}
			}
		}},
		{ID: "batch/max-messages", Text: "batchingMaxMessages=2 makes entries of two messages", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic, "batchingEnabled=true", "batchingMaxMessages=2", "batchingMaxPublishDelay=3000")
			if n := entries(publishAtOnce(t, p, 6)); n != 3 {
				t.Fatalf("6 messages in %d entries", n)
			}
		}},
		{ID: "batch/delay", Text: "a batch that is not full is sent after batchingMaxPublishDelay", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic, "batchingEnabled=true", "batchingMaxPublishDelay=300")
			if n := entries(publishAtOnce(t, p, 10)); n != 1 {
				t.Fatalf("10 messages in %d entries", n)
			}
			t.Reader(topic, "messageId=earliest").Take(numbers(0, 10)...)
		}},
		{ID: "batch/acked-one-by-one", Text: "the messages of a batch are acknowledged one by one; the entry goes when all are", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			t.batch(topic, 4)
			m := c.Take("0", "1", "2", "3")
			for _, i := range []int{2, 0, 3} {
				c.Ack(m[i])
			}
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			if n := t.Stats(topic).Subscriptions["s"].MsgBacklog; n == 0 {
				t.Fatalf("nothing is left with one message not acknowledged")
			}
			c.Close()
			d := t.Consumer(topic, "s", "subscriptionType=Shared")
			for {
				m := d.Next() // the broker may give the whole batch again
				d.Ack(m)
				if m.Body == "1" {
					break
				}
			}
		}},
		{ID: "batch/acked", Text: "with all messages of a batch acknowledged nothing is left", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			t.batch(topic, 5)
			m := c.Take(numbers(0, 5)...)
			for _, i := range []int{4, 0, 3, 1, 2} {
				c.Ack(m[i])
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "batch/acked-two-sessions", Text: "a batch acknowledged over two sessions, its ids from the first, is gone", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			t.batch(topic, 3)
			first := c.Take("0", "1", "2")
			c.Close()
			d := t.reopen(ConsumerPath(topic, "s", "pullMode=true"))
			d.Permit(3)
			d.Take("0", "1", "2")
			for _, m := range first {
				d.Ack(m)
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "batch/window", Text: "a window counts messages, not entries", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "receiverQueueSize=2")
			witness := t.Reader(topic)
			t.batch(topic, 5)
			witness.Take(numbers(0, 5)...)
			m := c.Take("0", "1")
			c.Fence()
			c.Ack(m[0])
			c.Take("2")
			c.Fence()
		}},
		{ID: "batch/pull", Text: "permits count messages, not entries", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true")
			witness := t.Reader(topic)
			t.batch(topic, 5)
			witness.Take(numbers(0, 5)...)
			c.Permit(3)
			c.Take("0", "1", "2")
			c.Fence()
			c.Permit(1)
			c.Take("3")
			c.Fence()
		}},
		{ID: "batch/nack", Text: "a message of a batch acknowledged negatively comes again, and the batch can be finished", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "negativeAckRedeliveryDelay=200")
			t.batch(topic, 3)
			m := c.Take("0", "1", "2")
			c.Ack(m[0])
			c.Ack(m[2])
			c.Nack(m[1])
			// The broker may give the whole batch again.
			again := false
			t.Eventually("backlog of s is 0", func() bool {
				for c.ready(time.Millisecond) {
					m := c.Next()
					again = again || m.Body == "1"
					c.Ack(m)
				}
				return t.Stats(topic).Subscriptions["s"].MsgBacklog == 0
			})
			if !again {
				t.Fatalf("the message acknowledged negatively never came again")
			}
		}},
		{ID: "batch/compressed", Text: "a compressed batch arrives message by message", Run: func(t *T) {
			topic := t.Topic()
			t.batch(topic, 5, "compressionType=ZSTD")
			t.Reader(topic, "messageId=earliest").Take(numbers(0, 5)...)
		}},
		{ID: "batch/order", Text: "1000 batched messages arrive in the order sent, replies too", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			p := t.Producer(topic, "batchingEnabled=true", "maxPendingMessages=2000")
			var frames []Frame
			for i := range 1000 {
				frames = append(frames, Frame{Op: OpText, Payload: fmt.Appendf(nil, `{"payload":%q,"context":"%d"}`, b64(fmt.Sprint(i)), i)})
			}
			p.SendFrames(frames...)
			for i := range 1000 {
				p.Expect(okReply(fmt.Sprint(i)))
			}
			c.TakeAcked(numbers(0, 1000)...)
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "batch/native-reads", Text: "Pulsar's own client reads what is published here: payload, key, properties and event time, batched or not", Skip: noBroker("no broker for a native client"), Run: func(t *T) {
			topic := t.Topic()
			request := `{"payload":"aGk=","key":"k","properties":{"a":"1"},"eventTime":"2020-01-02T03:04:05.678Z"}`
			t.Producer(topic).PublishJSON(request)
			t.Producer(topic, "batchingEnabled=true", "compressionType=LZ4").PublishJSON(request)
			for i, m := range t.nativeReceive(topic, "hi", "hi") {
				if m.Key() != "k" || m.Properties()["a"] != "1" || len(m.Properties()) != 1 || m.EventTime().UnixMilli() != 1577934245678 {
					t.Fatalf("message %d: key %q, properties %v, event time %v", i, m.Key(), m.Properties(), m.EventTime())
				}
			}
		}},
		{ID: "batch/acked-in-part", Text: "of a batch of which Pulsar's own client acknowledged some by their index, the others come, and with these acknowledged nothing is left",
			Better: "Java waits for acknowledgements of what it never delivered: the entry is never done and comes again for ever",
			Skip:   noBroker("no broker for a native client"), Run: func(t *T) {
				topic := t.Topic()
				n := t.nativeConsumer(topic, "s")
				t.nativeBatch(topic, 5)
				for i := range 5 {
					m, err := n.Receive(t.ctx)
					if err == nil && i%2 == 0 {
						err = n.Ack(m)
					}
					if err != nil {
						t.Fatalf("native consumer: %v", err)
					}
				}
				n.Close()
				t.Consumer(topic, "s", "subscriptionType=Shared").TakeAcked("1", "3")
				t.AwaitBacklogSoon(topic, "s", 0)
			}},
		{ID: "batch/native", Text: "a batch of Pulsar's own client arrives message by message, with keys and properties", Skip: noBroker("no broker for a native client"), Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			t.nativeBatch(topic, 5)
			for i := range 5 {
				m := c.Take(fmt.Sprint(i))[0]
				if m.Key != fmt.Sprintf("k%d", i) || m.Properties["n"] != fmt.Sprint(i) || !strings.HasSuffix(m.EventTime, "Z") {
					t.Fatalf("message %d: %s", i, m.Text)
				}
				c.Ack(m)
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
	}}
}
