package conformance

import (
	"fmt"
	"time"
)

func redeliveryCases() Area {
	return Area{Name: "Consumer: redelivery and dead letters", Cases: append(redelivery(), deadLetters()...)}
}

func redelivery() []Case {
	return []Case{
		{ID: "redelivery/killed", Text: "what a killed session had not acknowledged goes to the others of the subscription", Run: func(t *T) {
			topic := t.Topic()
			a := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1")
			t.Producer(topic).Publish("x")
			if m := a.Take("x")[0]; m.RedeliveryCount != 0 {
				t.Fatalf("first delivery has count %d", m.RedeliveryCount)
			}
			b := t.Consumer(topic, "s", "subscriptionType=Shared")
			b.Fence()
			a.Kill()
			// A broker 4.0 does not count a disconnect as a redelivery, older ones do.
			m := b.Take("x")[0]
			if m.RedeliveryCount > 1 {
				t.Fatalf("redelivered with count %d", m.RedeliveryCount)
			}
			b.Ack(m)
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "redelivery/closed", Text: "a session closed in good order gives its unacknowledged messages to the others", Run: func(t *T) {
			topic := t.Topic()
			a := t.Consumer(topic, "s", "subscriptionType=Shared")
			t.Producer(topic).Publish("x", "y")
			m := a.Take("x", "y")
			b := t.Consumer(topic, "s", "subscriptionType=Shared")
			a.Ack(m[0])
			t.AwaitBacklog(topic, "s", 1)
			a.Close()
			b.TakeAcked("y")
			t.AwaitBacklog(topic, "s", 0)
			b.Fence()
		}},
		{ID: "redelivery/counts", Text: "redeliveryCount rises with every negative ack, and not for the others", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "negativeAckRedeliveryDelay=100")
			p := t.Producer(topic)
			p.Publish("x")
			for i := range 4 {
				m := c.Take("x")[0]
				if m.RedeliveryCount != i {
					t.Fatalf("delivery %d has count %d", i, m.RedeliveryCount)
				}
				c.Nack(m)
			}
			c.Ack(c.Take("x")[0])
			p.Publish("y")
			if m := c.Take("y")[0]; m.RedeliveryCount != 0 {
				t.Fatalf("a first delivery has count %d", m.RedeliveryCount)
			}
		}},
		{ID: "redelivery/reconnect", Text: "an Exclusive consumer that reconnects gets first what it had not acknowledged, in order", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			t.Producer(topic).Publish("a", "b", "c", "d")
			m := c.Take("a", "b", "c", "d")
			c.Ack(m[1])
			t.AwaitBacklog(topic, "s", 3)
			c.Kill()
			d := t.reopen(ConsumerPath(topic, "s"))
			d.TakeAcked("a", "c", "d")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "redelivery/nack", Text: "a negative ack redelivers after negativeAckRedeliveryDelay, count raised, the others meanwhile", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "negativeAckRedeliveryDelay=5000")
			p := t.Producer(topic)
			p.Publish("a")
			start := time.Now()
			c.Nack(c.Take("a")[0])
			p.Publish("b")
			c.TakeAcked("b")
			m := c.Take("a")[0]
			// Clients track negative acks in ticks of a part of the delay.
			if took := time.Since(start); took < 3*time.Second || m.RedeliveryCount != 1 {
				t.Fatalf("redelivered after %v with count %d", took, m.RedeliveryCount)
			}
			c.Ack(m)
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "redelivery/nack-exclusive", Text: "a negative ack on an Exclusive subscription brings the message again and again", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "negativeAckRedeliveryDelay=200")
			t.Producer(topic).Publish("a")
			c.Nack(c.Take("a")[0])
			c.Nack(c.Take("a")[0])
			c.TakeAcked("a")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "redelivery/nack-default", Text: "without negativeAckRedeliveryDelay a negative ack waits a minute", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			p := t.Producer(topic)
			p.Publish("a")
			c.Nack(c.Take("a")[0])
			for i := range 20 {
				p.Publish(fmt.Sprint(i))
				c.TakeAcked(fmt.Sprint(i))
			}
			c.Fence()
			t.AwaitBacklog(topic, "s", 1)
		}},
		{ID: "redelivery/nack-then-ack", Text: "a negatively acknowledged message can still be acknowledged when it comes again", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "negativeAckRedeliveryDelay=100")
			t.Producer(topic).Publish("a", "b")
			m := c.Take("a", "b")
			c.Nack(m[0])
			c.Nack(m[1])
			got := map[string]int{}
			for len(got) < 2 {
				m := c.Next()
				got[m.Body] = m.RedeliveryCount
				c.Ack(m)
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "redelivery/ack-timeout", Text: "a message not acknowledged within ackTimeoutMillis comes again, count raised", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "ackTimeoutMillis=1000")
			start := time.Now()
			t.Producer(topic).Publish("a", "b")
			m := c.Take("a", "b")
			c.Ack(m[1])
			again := c.Next()
			for again.Body == "b" { // the acknowledgement itself came too late
				c.Ack(again)
				again = c.Next()
			}
			if took := time.Since(start); took < 900*time.Millisecond || again.Body != "a" || again.RedeliveryCount != 1 {
				t.Fatalf("%q again after %v with count %d", again.Body, took, again.RedeliveryCount)
			}
			c.Ack(again)
			t.AwaitBacklog(topic, "s", 0)
		}},
	}
}

// reopen opens a session whose place may still be taken by one that is ending.
func (t *T) reopen(target string) *Session {
	for {
		c, resp, body := t.do(Handshake{Target: target})
		switch resp.StatusCode {
		case 101:
			return &Session{Conn: c, t: t, what: "consumer", Resp: resp}
		case 409:
			if time.Now().After(t.deadline.Add(-time.Second)) {
				t.Fatalf("still taken: %s", shorten(body))
			}
			time.Sleep(20 * time.Millisecond)
		default:
			t.Fatalf("%s: status %d: %s", target, resp.StatusCode, shorten(body))
		}
	}
}

func deadLetters() []Case {
	return []Case{
		{ID: "dlq/default-topic", Text: "after maxRedeliverCount redeliveries a message goes to {topic}-{subscription}-DLQ and is acknowledged", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			dlq := t.Reader(topic+"-s-DLQ", "messageId=earliest")
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=2", "negativeAckRedeliveryDelay=100")
			t.Producer(topic).PublishJSON(`{"payload":"eA==","key":"k","properties":{"a":"1"}}`)
			for i := range 3 {
				m := c.Take("x")[0]
				if m.RedeliveryCount != i {
					t.Fatalf("delivery %d has count %d", i, m.RedeliveryCount)
				}
				c.Nack(m)
			}
			m := dlq.Take("x")[0]
			if m.Key != "k" || m.Properties["a"] != "1" {
				t.Fatalf("dead letter with key %q, properties %q", m.Key, m.Properties)
			}
			t.AwaitBacklog(topic, "s", 0)
			c.Fence()
		}},
		{ID: "dlq/properties", Text: "a dead letter names its origin: REAL_TOPIC and ORIGIN_MESSAGE_ID", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			dlq := t.Reader(topic+"-s-DLQ", "messageId=earliest")
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1", "negativeAckRedeliveryDelay=100")
			t.Producer(topic).Publish("x")
			c.Nack(c.Take("x")[0])
			c.Nack(c.Take("x")[0])
			m := dlq.Take("x")[0]
			if m.Properties["REAL_TOPIC"] != topic.Name() || m.Properties["ORIGIN_MESSAGE_ID"] == "" {
				t.Fatalf("properties %q", m.Properties)
			}
		}},
		{ID: "dlq/named-topic", Text: "deadLetterTopic names where dead letters go", Slow: true, Run: func(t *T) {
			topic, dead := t.Topic(), t.Topic()
			dlq := t.Reader(dead, "messageId=earliest")
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1", "negativeAckRedeliveryDelay=100", "deadLetterTopic="+dead.Name())
			t.Producer(topic).Publish("x")
			c.Nack(c.Take("x")[0])
			c.Nack(c.Take("x")[0])
			dlq.Take("x")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "dlq/ack-timeout", Text: "ack timeouts count as redeliveries for the dead letter topic", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			dlq := t.Reader(topic+"-s-DLQ", "messageId=earliest")
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1", "ackTimeoutMillis=1000")
			t.Producer(topic).Publish("x")
			c.Take("x", "x")
			dlq.Take("x")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "dlq/others-stay", Text: "only the message that failed too often becomes a dead letter", Slow: true, Run: func(t *T) {
			topic := t.Topic()
			dlq := t.Reader(topic+"-s-DLQ", "messageId=earliest")
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1", "negativeAckRedeliveryDelay=100")
			p := t.Producer(topic)
			p.Publish("bad", "good")
			m := c.Take("bad", "good")
			c.Nack(m[0])
			c.Ack(m[1])
			c.Nack(c.Take("bad")[0])
			dlq.Take("bad")
			t.AwaitBacklog(topic, "s", 0)
			dlq.Fence()
			p.Publish("next")
			c.TakeAcked("next")
		}},
	}
}
