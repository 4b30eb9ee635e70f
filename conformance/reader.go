package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

func readerCases() Area {
	return Area{Name: "Reader", Cases: append(readerPositions(), readerSessions()...)}
}

// from is the reader parameter for a message id.
func from(id string) string { return "messageId=" + url.QueryEscape(id) }

func readerPositions() []Case {
	return []Case{
		{ID: "reader/latest", Text: "a reader starts at the end by default, with latest and with an empty messageId", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.Publish("old")
			readers := []*Session{t.Reader(topic), t.Reader(topic, "messageId=latest"), t.Reader(topic, "messageId=")}
			p.Publish("new")
			for _, r := range readers {
				r.Take("new")
				r.Fence()
			}
		}},
		{ID: "reader/earliest", Text: "a reader from earliest gets everything, then what comes, without gap or repeat", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.Publish(numbers(0, 20)...)
			r := t.Reader(topic, "messageId=earliest")
			r.Take(numbers(0, 10)...)
			p.Publish(numbers(20, 40)...)
			r.Take(numbers(10, 40)...)
			r.Fence()
		}},
		{ID: "reader/id", Text: "a reader from a message id starts with the first message after it", Run: func(t *T) {
			topic := t.Topic()
			ids := t.Producer(topic).Publish("a", "b", "c", "d")
			t.Reader(topic, from(ids[1])).Take("c", "d")
			t.Reader(topic, from(ids[0])).Take("b", "c", "d")
		}},
		{ID: "reader/id-received", Text: "the id of a pushed message is a position to read on from", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			p.Publish("a", "b", "c")
			m := t.Reader(topic, "messageId=earliest").Take("a", "b")
			t.Reader(topic, from(m[1].MessageID)).Take("c")
		}},
		{ID: "reader/id-last", Text: "from the id of the last message a reader waits for the next one", Run: func(t *T) {
			topic := t.Topic()
			p := t.Producer(topic)
			ids := p.Publish("a", "b")
			r := t.Reader(topic, from(ids[1]))
			r.Fence()
			p.Publish("c")
			r.Take("c")
		}},
		{ID: "reader/id-in-batch", Text: "from an id in the middle of a batch a reader starts with the next message of that batch", Run: func(t *T) {
			topic := t.Topic()
			ids := t.batch(topic, 5)
			r := t.Reader(topic, from(ids[1]))
			r.Take("2", "3", "4")
			r.Fence()
		}},
		{ID: "reader/id-batch-end", Text: "from the last id of a batch a reader starts with the first message of the next entry", Run: func(t *T) {
			topic := t.Topic()
			ids := t.batch(topic, 3)
			t.Producer(topic).Publish("after")
			t.Reader(topic, from(ids[2])).Take("after")
		}},
		{ID: "reader/bad-id", Text: "a messageId that is none is 400 naming it", Better: "Java answers 500", Run: func(t *T) {
			for _, v := range []string{"x", "AAAA", "Earliest", "*"} {
				t.Refused(400, "messageId", newReader(t, "messageId="+v))
			}
		}},
		{ID: "reader/bad-queue", Text: "a bad receiverQueueSize is 400 naming it", Better: "Java answers 500", Run: func(t *T) {
			for _, v := range []string{"x", "-1", "1.5"} {
				t.Refused(400, "receiverQueueSize", newReader(t, "receiverQueueSize="+v))
			}
		}},
	}
}

func newReader(t *T, params ...string) string { return ReaderPath(t.Topic(), params...) }

func readerSessions() []Case {
	var cases []Case
	for _, c := range []struct{ id, text, answer string }{
		{"answer-id", "an answer with the messageId frees a place", ""},
		{"answer-empty", "an empty object frees a place", `{}`},
		{"answer-typed", "an answer of any type frees a place", `{"type":"ack"}`},
		{"answer-unknown-type", "an answer of a type that is no command frees a place", `{"type":"foo"}`},
		{"answer-bad-id", "the messageId of an answer is not looked at", `{"messageId":"x"}`},
	} {
		cases = append(cases, Case{ID: "reader/" + c.id, Text: c.text, Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic, "receiverQueueSize=2")
			t.publishSeen(topic, 5)
			m := r.Take("0", "1")
			r.Fence()
			for _, next := range []string{"2", "3", "4"} {
				if c.answer == "" {
					r.Ack(m[0])
				} else {
					r.Send(c.answer)
				}
				r.Take(next)
				r.Fence()
			}
		}})
	}
	return append(cases, []Case{
		{ID: "reader/window-default", Text: "without receiverQueueSize a reader has 1000 places, larger sizes are capped there", Run: func(t *T) {
			topic := t.Topic()
			a, b := t.Reader(topic), t.Reader(topic, "receiverQueueSize=3000")
			t.publishSeen(topic, 1003)
			for _, r := range []*Session{a, b} {
				r.Take(numbers(0, 1000)...)
				r.Fence()
				r.Send(`{}`)
				r.Take("1000")
				r.Fence()
			}
		}},
		{ID: "reader/window-zero", Text: "receiverQueueSize=0 acts as 1", Better: "Java sends such a reader nothing", Timeout: 5 * time.Second, Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic, "receiverQueueSize=0")
			t.publishSeen(topic, 3)
			for _, body := range []string{"0", "1", "2"} {
				r.Take(body)
				r.Fence()
				r.Send(`{}`)
			}
		}},
		{ID: "reader/independent", Text: "readers are independent: each gets everything, a slow one holds up nobody", Run: func(t *T) {
			topic := t.Topic()
			slow := t.Reader(topic, "receiverQueueSize=1")
			var fast []*Session
			for range 4 {
				fast = append(fast, t.Reader(topic))
			}
			publishAtOnce(t, t.Producer(topic), 100)
			for _, r := range fast {
				r.Take(numbers(0, 100)...)
			}
			for i := range 100 {
				slow.Take(fmt.Sprint(i))
				slow.Send(`{}`)
			}
		}},
		{ID: "reader/no-subscription-left", Text: "a reader leaves no subscription behind, soon after its end", Slow: true, Timeout: time.Minute, Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			t.Producer(topic).Publish("x")
			r.Take("x")
			r.Kill()
			t.EventuallyWithin(45*time.Second, "no subscription is left", func() bool { return len(t.subscriptionNames(topic)) == 0 })
		}},
		{ID: "reader/keeps-nothing", Text: "answers are no acknowledgements: a second reader from earliest gets everything again", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("a", "b")
			for range 2 {
				r := t.Reader(topic, "messageId=earliest", "readerName=r")
				for _, body := range []string{"a", "b"} {
					r.Ack(r.Take(body)[0])
				}
				r.Close()
			}
		}},
		{ID: "reader/end-of-topic", Text: "isEndOfTopic on a reader: false, then true once a terminated topic is read", Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			t.Producer(topic).Publish("x")
			r.Take("x")
			r.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			r.Send(`{}`)
			t.Terminate(topic)
			t.awaitEndOfTopic(r)
		}},
		{ID: "reader/end-of-topic-no-trace", Text: "a reader shows as one subscription, whatever it asks", Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			t.Producer(topic).Publish("x")
			r.Take("x")
			r.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			if names := t.subscriptionNames(topic); len(names) > 1 {
				t.Fatalf("subscriptions: %v", names)
			}
		}},
		{ID: "reader/end-of-topic-no-place", Text: "isEndOfTopic on a reader frees no place", Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic, "receiverQueueSize=1")
			t.publishSeen(topic, 2)
			r.Take("0")
			r.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			r.Fence()
		}},
		{ID: "reader/not-json", Text: "an answer that is not JSON closes with 4003", Better: javaClose, Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			t.Producer(topic).Publish("x")
			r.Take("x")
			r.Send(`x`)
			r.ExpectClose(4003, "Failed to de-serialize from JSON")
		}},
		{ID: "reader/partitioned", Text: "a reader of a partitioned topic gets the messages of all partitions", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 3)
			publishAtOnce(t, t.Producer(topic, "messageRoutingMode=RoundRobinPartition"), 9)
			r := t.Reader(topic, "messageId=earliest")
			seen := map[string]bool{}
			for range 9 {
				seen[r.Next().Body] = true
			}
			if len(seen) != 9 {
				t.Fatalf("got %v", seen)
			}
			r.Fence()
		}},
		{ID: "reader/partitioned-at-id", Text: "a reader of a partitioned topic at a message id: what follows in its partition, and what was published from then on in the others",
			Better: "Java answers 500", Run: func(t *T) {
				topic := t.Topic()
				t.Partition(topic, 3)
				p := t.Producer(topic, "messageRoutingMode=RoundRobinPartition")
				for i := range 9 {
					p.Publish(fmt.Sprint(i))
					time.Sleep(2 * time.Millisecond) // so that they differ in when they were published
				}
				ids := make([]string, 9)
				all := t.Reader(topic, "messageId=earliest")
				for range ids {
					m := all.Next()
					n, err := strconv.Atoi(m.Body)
					if err != nil {
						t.Fatalf("got %q", m.Body)
					}
					ids[n] = m.MessageID
				}
				var readers []*Session
				for after, id := range ids {
					r := t.Reader(topic, from(id))
					left := map[string]bool{}
					for i := after + 1; i < len(ids); i++ {
						left[fmt.Sprint(i)] = true
					}
					for len(left) > 0 {
						m := r.Next()
						if !left[m.Body] {
							t.Fatalf("after %d: got %q, where %v are left", after, m.Body, left)
						}
						delete(left, m.Body)
					}
					readers = append(readers, r)
				}
				p.Publish("next")
				for _, r := range readers {
					r.Take("next")
					r.Fence()
				}
			}},
		{ID: "reader/partitioned-at-lost-id", Text: "a reader of a partitioned topic at the id of a message that is deleted: all that is left, in each partition",
			Better: "Java answers 500", Run: func(t *T) {
				topic := t.Topic()
				t.Partition(topic, 2)
				p := t.Producer(topic, "messageRoutingMode=RoundRobinPartition")
				p.Publish("early")
				time.Sleep(2 * time.Millisecond) // so that they differ in when they were published
				id := parseID(t, p.Publish("late")[0])
				id.Ledger-- // which the topic does not have any more
				r := t.Reader(topic, from(id.String()))
				bodies := []string{r.Next().Body, r.Next().Body}
				if slices.Sort(bodies); !slices.Equal(bodies, []string{"early", "late"}) {
					t.Fatalf("got %q", bodies)
				}
				p.Publish("next")
				r.Take("next")
				r.Fence()
			}},
		{ID: "reader/partitioned-at-foreign-id", Text: "a message id that is of no partition of the topic is 400", Better: "Java answers 500", Run: func(t *T) {
			topic, other := t.Topic(), t.Topic()
			t.Partition(topic, 2)
			id := t.Producer(other).Publish("x")[0]
			t.Refused(400, "partition", ReaderPath(topic, from(id)))
		}},
		{ID: "reader/with-producer-gone", Text: "a reader stays open while producers come and go", Run: func(t *T) {
			topic := t.Topic()
			r := t.Reader(topic)
			for i := range 3 {
				p := t.Producer(topic)
				p.Publish(fmt.Sprint(i))
				p.Close()
				r.Take(fmt.Sprint(i))
			}
		}},
	}...)
}
