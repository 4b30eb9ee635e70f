package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// producerSharingCases are about several producer sessions with the same topic
// and parameters: each is served as if it were alone.
func producerSharingCases() Area {
	return Area{Name: "Producer: several sessions on a topic", Cases: []Case{
		refusedCase("sharing/refused-size", "a message over the topic's maxMessageSize is error 8 and says why; others on the topic go on",
			"maxMessageSize", "1000", fmt.Sprintf(`{"payload":%q,"context":"bad"}`, b64(strings.Repeat("x", 3000))), "maximum message size"),
		refusedCase("sharing/refused-delay", "a deliverAfterMs over the topic's bound is error 8 and says why; others on the topic go on",
			"delayedDelivery", `{"active":true,"tickTime":1000,"maxDeliveryDelayInMillis":5000}`, `{"payload":"aGk=","deliverAfterMs":60000,"context":"bad"}`, "delivery delay"),
		{ID: "sharing/batch-keys", Text: "each of 8 batching sessions has a key: with 4 consumers of a Key_Shared subscription each key reaches one of them", Run: func(t *T) {
			const sessions, each = 8, 20
			topic := t.Topic()
			var consumers []*Session
			for range 4 {
				consumers = append(consumers, t.Consumer(topic, "s", "subscriptionType=Key_Shared"))
			}
			producers := batchingSessions(t, topic, sessions)
			for n := range each {
				for i, p := range producers {
					p.Send(fmt.Sprintf(`{"payload":%q,"key":"key-%d","context":"%d"}`, b64(fmt.Sprintf("%d/%d", i, n)), i, n))
				}
			}
			for _, p := range producers {
				for n := range each {
					p.Expect(okReply(fmt.Sprint(n)))
				}
			}
			got, at := 0, map[string]int{}
			t.Eventually("all messages are consumed", func() bool {
				for c, consumer := range consumers {
					for consumer.ready(time.Millisecond) {
						m := consumer.Next()
						if other, ok := at[m.Key]; ok && other != c {
							t.Fatalf("%s went to consumers %d and %d", m.Key, other, c)
						}
						at[m.Key] = c
						consumer.Ack(m)
						got++
					}
				}
				return got == sessions*each
			})
		}},
		{ID: "sharing/batch-size", Text: "12 batching sessions publish 6 KB each at the same time under a maxMessageSize of 20,000: none is refused for the others", Skip: noBroker("topics in the process have no such policy"), Run: func(t *T) {
			topic := t.Topic()
			producers := batchingSessions(t, topic, 12)
			request := fmt.Sprintf(`{"payload":%q,"context":"c"}`, b64(strings.Repeat("x", 6000)))
			t.topicPolicy(topic, "maxMessageSize", "20000")
			tooLarge := fmt.Sprintf(`{"payload":%q,"context":"bad"}`, b64(strings.Repeat("x", 30000)))
			t.awaitRefusal(topic, tooLarge)
			for _, p := range producers {
				p.Send(request)
			}
			for _, p := range producers {
				p.Expect(okReply("c"))
			}
		}},
		{ID: "sharing/single", Text: "each of 24 sessions without keys keeps to one of 4 partitions, and not all to the same", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 4)
			chosen := map[int64]int{}
			for range 24 {
				used := partitions(publishAtOnce(t, t.Producer(topic), 3))
				if len(used) != 1 {
					t.Fatalf("messages of a session per partition: %v", used)
				}
				for p := range used {
					chosen[p]++
				}
			}
			if len(chosen) < 2 {
				t.Fatalf("sessions per partition: %v", chosen)
			}
		}},
		{ID: "sharing/round-robin", Text: "with RoundRobinPartition the messages of a session take turns, whatever another session does", Run: func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 2)
			a, b := t.Producer(topic, "messageRoutingMode=RoundRobinPartition"), t.Producer(topic, "messageRoutingMode=RoundRobinPartition")
			var ids []ID
			for range 4 {
				ids = append(ids, parseID(t, a.Publish("a")[0]))
				b.Publish("b")
			}
			if used := partitions(ids); used[0] != 2 || used[1] != 2 {
				t.Fatalf("messages of a session per partition: %v", used)
			}
		}},
		{ID: "sharing/terminated", Text: "a session that comes when the topic was just terminated is refused, as is one before which there was none", Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("x")
			t.Terminate(topic)
			// The broker answers who terminated before it has told the producers.
			t.Eventually("a session is refused", func() bool { return t.status(ProducerPath(topic)) == 503 })
			t.Refused(503, "", ProducerPath(topic))
		}},
		{ID: "sharing/quota", Text: "a session that comes while the broker takes no producer for the topic's backlog is refused at once", Better: "Java asks the broker again for 30 seconds before it refuses", Skip: noBroker("topics in the process have no such policy"), Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s", "pullMode=true")
			t.Producer(topic).Publish(strings.Repeat("x", 1000))
			t.topicPolicy(topic, "backlogQuota", `{"limitSize":1,"policy":"producer_exception"}`)
			// Another number each time, so that none joins a producer that is there already.
			timeout := 20000
			t.Eventually("the quota holds", func() bool {
				timeout++
				return t.status(ProducerPath(topic, fmt.Sprint("sendTimeoutMillis=", timeout))) == 503
			})
			t.admin("PUT", "/admin/v2/"+string(topic)+"/unload", "")
			t.Refused(503, "", ProducerPath(topic))
		}},
		{ID: "sharing/empty-compressed", Text: "an empty payload stays one, whatever compressionType is", Run: func(t *T) {
			topic := t.Topic()
			for _, kind := range []string{"NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"} {
				p := t.Producer(topic, "compressionType="+kind)
				p.PublishJSON(`{"payload":""}`)
				p.PublishJSON(`{"payload":"","properties":{"a":"1"}}`)
			}
			r := t.Reader(topic, "messageId=earliest")
			for range 5 {
				r.Expect(pushed("", "{}", ""))
				r.Expect(pushed("", `{"a":"1"}`, ""))
			}
		}},
	}}
}

func batchingSessions(t *T, topic Topic, n int) []*Session {
	var producers []*Session
	for range n {
		producers = append(producers, t.Producer(topic, "batchingEnabled=true", "batchingMaxPublishDelay=200"))
	}
	return producers
}

// topicPolicy sets one policy of a topic, which the broker learns of some time after.
func (t *T) topicPolicy(topic Topic, policy, value string) {
	t.Eventually("the broker takes a policy of the topic", func() bool {
		status, _ := t.adminRequest("POST", "/admin/v2/"+string(topic)+"/"+policy, value)
		return status/100 == 2
	})
}

// awaitRefusal publishes until the topic refuses the message, and returns the reply.
func (t *T) awaitRefusal(topic Topic, request string) string {
	var reply string
	p := t.Producer(topic, "sendTimeoutMillis=20000")
	t.Eventually("the message is refused", func() bool {
		p.Send(request)
		reply = p.Recv()
		return !strings.Contains(reply, `"ok"`)
	})
	return reply
}

// refusedCase is a case of a message that a topic does not take under a policy.
func refusedCase(id, text, policy, value, request, reason string) Case {
	return Case{ID: id, Text: text, Skip: noBroker("topics in the process have no such policy"), Run: func(t *T) {
		if policy == "delayedDelivery" {
			t.needs(3, 3, "older brokers take any delay")
		}
		topic := t.Topic()
		bad, good := t.Producer(topic), t.Producer(topic)
		good.Publish("0")
		t.topicPolicy(topic, policy, value)
		var reply struct{ ErrorMsg string }
		_ = json.Unmarshal([]byte(t.awaitRefusal(topic, request)), &reply)
		if !strings.Contains(reply.ErrorMsg, reason) {
			t.Fatalf("refused with %q", reply.ErrorMsg)
		}
		for i := range 5 {
			bad.Ask(request, errReply(8, "bad"))
			good.Publish(fmt.Sprint(i))
			bad.Publish(fmt.Sprint(i))
			t.Producer(topic).Publish(fmt.Sprint(i))
		}
	}}
}
