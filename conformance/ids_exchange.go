package conformance

import "fmt"

// onlyBroker skips cases of two servers on one cluster.
var onlyBroker = noBroker("two servers share no embedded upstream")

// peer runs a part of a case against the other server on the same cluster: the
// Java proxy for pulsegate, and pulsegate for the Java proxy.
func (t *T) peer(part func()) {
	if t.Endpoint.Peer == "" {
		t.Fatalf("no other server on the cluster is given")
	}
	own := t.Endpoint.HTTP
	t.Endpoint.HTTP = t.Endpoint.Peer
	part()
	t.Endpoint.HTTP = own
}

func exchangeCases() Area {
	exchange := func(id, text string, run func(t *T)) Case {
		return Case{ID: "exchange/" + id, Text: text, Skip: onlyBroker, Run: run}
	}
	shared := []string{"subscriptionType=Shared"}
	return Area{Name: "Two proxies on one cluster", Cases: []Case{
		exchange("ack", "ids of the other proxy's frames acknowledge here after a reconnect", func(t *T) {
			topic := t.Topic()
			var got []Message
			t.peer(func() {
				c := t.Consumer(topic, "s", shared...)
				t.Producer(topic).Publish("a", "b", "c")
				got = c.Take("a", "b", "c")
				c.Close()
			})
			d := t.reopen(ConsumerPath(topic, "s", "subscriptionType=Shared", "pullMode=true"))
			for _, m := range got {
				d.Ack(m)
			}
			t.AwaitBacklog(topic, "s", 0)
		}),
		exchange("ack-there", "ids of frames from here acknowledge at the other proxy after a reconnect", func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", shared...)
			t.Producer(topic).Publish("a", "b", "c")
			got := c.Take("a", "b", "c")
			c.Close()
			t.peer(func() {
				d := t.reopen(ConsumerPath(topic, "s", "subscriptionType=Shared", "pullMode=true"))
				for _, m := range got {
					d.Ack(m)
				}
			})
			t.AwaitBacklog(topic, "s", 0)
		}),
		better(formerPartitioned, exchange("partitioned", "ids of a partitioned topic given by the other proxy acknowledge here", func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 3)
			var got []Message
			t.peer(func() {
				c := t.Consumer(topic, "s", shared...)
				publishAtOnce(t, t.Producer(topic, "messageRoutingMode=RoundRobinPartition"), 6)
				for range 6 {
					got = append(got, c.Next())
				}
				c.Close()
			})
			t.ackPartitions(topic, got)
		})),
		exchange("reader", "a reader here starts from an id the other proxy's producer was given", func(t *T) {
			topic := t.Topic()
			var ids []string
			t.peer(func() { ids = t.Producer(topic).Publish("a", "b", "c") })
			t.Reader(topic, from(ids[0])).Take("b", "c")
		}),
		exchange("reader-there", "a reader at the other proxy starts from an id pushed here", func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Publish("a", "b", "c")
			m := t.Reader(topic, "messageId=earliest").Take("a", "b")
			t.peer(func() { t.Reader(topic, from(m[0].MessageID)).Take("b", "c") })
			t.peer(func() { t.Reader(topic, from(m[1].MessageID)).Take("c") })
		}),
		exchange("batch", "ids inside a batch of the other proxy are positions here", func(t *T) {
			topic := t.Topic()
			var ids []string
			t.peer(func() { ids = t.batch(topic, 4) })
			t.Reader(topic, from(ids[1])).Take("2", "3")
		}),
		exchange("batch-there", "ids inside a batch made here are positions at the other proxy", func(t *T) {
			topic := t.Topic()
			ids := t.batch(topic, 4)
			t.peer(func() { t.Reader(topic, from(ids[1])).Take("2", "3") })
		}),
		exchange("exclusive", "an Exclusive subscription held at the other proxy is 409 here", func(t *T) {
			topic := t.Topic()
			t.peer(func() { t.Consumer(topic, "s") })
			t.Refused(409, "", ConsumerPath(topic, "s"))
		}),
		exchange("producer-name", "a producer name held at the other proxy is 409 here", func(t *T) {
			topic := t.Topic()
			t.peer(func() { t.Producer(topic, "producerName=p") })
			t.Refused(409, "", ProducerPath(topic, "producerName=p"))
		}),
		exchange("shared", "a Shared subscription over both proxies: what one's killed session held goes to the other's", func(t *T) {
			topic := t.Topic()
			var there *Session
			t.peer(func() { there = t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1") })
			t.Producer(topic).Publish("x")
			there.Take("x")
			here := t.Consumer(topic, "s", shared...)
			there.Kill()
			here.TakeAcked("x")
			t.AwaitBacklog(topic, "s", 0)
		}),
		exchange("failover", "a Failover subscription over both proxies has one active session, and the other takes over", func(t *T) {
			topic := t.Topic()
			here := t.Consumer(topic, "s", "subscriptionType=Failover", "consumerName=here")
			var there *Session
			t.peer(func() { there = t.Consumer(topic, "s", "subscriptionType=Failover", "consumerName=there") })
			p := t.Producer(topic)
			p.Publish("a", "b")
			active, standby, first := t.whoGets([]*Session{here, there})
			active.Ack(first)
			active.Take("b")
			t.AwaitBacklog(topic, "s", 1)
			standby.Fence()
			active.Kill()
			standby.TakeAcked("b")
			// What is published while the active consumer changes, a broker 4.0.7 may
			// leave out, or all that goes before, until the next change.
			p.Publish("c")
			standby.TakeAcked("c")
		}),
		exchange("key-shared", "a Key_Shared subscription over both proxies keeps each key at one session, in order", func(t *T) {
			topic := t.Topic()
			here := t.Consumer(topic, "s", "subscriptionType=Key_Shared", "consumerName=c0")
			var there *Session
			t.peer(func() { there = t.Consumer(topic, "s", "subscriptionType=Key_Shared", "consumerName=c1") })
			keyed(t.Producer(topic), 20, 4)
			order, owner := perKey{}, map[string]int{}
			for i, bodies := range t.drain([]*Session{here, there}, 80) {
				if len(bodies) == 0 {
					t.Fatalf("session %d got nothing", i)
				}
				for _, body := range bodies {
					key := order.check(t, body)
					if o, ok := owner[key]; ok && o != i {
						t.Fatalf("key %s went to both proxies", key)
					}
					owner[key] = i
				}
			}
		}),
		exchange("hashing", "both proxies send a key to the same partition", func(t *T) {
			topic := t.Topic()
			t.Partition(topic, 8)
			here := t.Producer(topic)
			var there *Session
			t.peer(func() { there = t.Producer(topic) })
			for _, key := range hashedKeys {
				if key == "" {
					continue // partition/java-string-hash has it
				}
				text := fmt.Sprintf(`{"payload":"aGk=","key":%q}`, key)
				a, b := parseID(t, here.PublishJSON(text)), parseID(t, there.PublishJSON(text))
				if a.Partition != b.Partition {
					t.Fatalf("key %q goes to partition %d here and %d there", key, a.Partition, b.Partition)
				}
			}
		}),
	}}
}
