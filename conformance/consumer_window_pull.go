package conformance

import (
	"fmt"
	"time"
)

func windowCases() Area {
	return Area{Name: "Consumer: windows and pull mode", Cases: append(pushWindowCases(), pullCases()...)}
}

// publishSeen publishes "0" to n-1 and returns once a subscription of its own has
// been given all of them: whatever the server pushes without being asked is then
// on its way to the others.
func (t *T) publishSeen(topic Topic, n int) {
	witness := t.Reader(topic)
	publishAtOnce(t, t.Producer(topic), n)
	for i := range n {
		witness.Take(fmt.Sprint(i))
		witness.Send(`{}`)
	}
}

// numbers returns "from" to "to-1".
func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

// window is a case of a push window of n places.
func window(id, text string, n int, params ...string) Case {
	return Case{ID: id, Text: text, Run: func(t *T) {
		topic := t.Topic()
		c := t.Consumer(topic, "s", params...)
		t.publishSeen(topic, n+3)
		out := c.Take(numbers(0, n)...)
		c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
		c.Fence()
		c.Ack(out[n/2])
		c.Take(fmt.Sprint(n))
		c.Fence()
		c.Ack(out[0])
		c.Take(fmt.Sprint(n + 1))
		c.Fence()
	}}
}

func pushWindowCases() []Case {
	return []Case{
		window("window/three", "receiverQueueSize=3: three messages are out, each ack lets one more through", 3, "receiverQueueSize=3"),
		window("window/shared", "the window holds on a Shared subscription too", 3, "receiverQueueSize=3", "subscriptionType=Shared"),
		window("window/default", "without receiverQueueSize 1000 messages are out", 1000),
		window("window/capped", "receiverQueueSize=5000 is capped at 1000", 1000, "receiverQueueSize=5000"),
		{ID: "window/one", Text: "receiverQueueSize=1: one message at a time", Run: func(t *T) { oneByOne(t, "receiverQueueSize=1") }},
		{ID: "window/zero", Text: "receiverQueueSize=0 acts as 1", Run: func(t *T) { oneByOne(t, "receiverQueueSize=0") }},
		{ID: "window/nack", Text: "a negative ack lets one more message through", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "receiverQueueSize=1", "subscriptionType=Shared")
			t.publishSeen(topic, 3)
			c.Nack(c.Take("0")[0])
			c.Nack(c.Take("1")[0])
			c.Take("2")
			c.Fence()
		}},
		{ID: "window/ack-timeout", Text: "a message whose ackTimeoutMillis ran out frees its place", Slow: true, Timeout: 10 * time.Second,
			Better: "Java never frees the place: the session gets nothing any more (apache/pulsar#2731)", Run: func(t *T) {
				topic := t.Topic()
				c := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1", "ackTimeoutMillis=1000")
				t.Producer(topic).Publish("a", "b")
				c.Take("a")
				got := map[string]bool{}
				for !got["a"] || !got["b"] {
					m := c.Next()
					got[m.Body] = true
					c.Ack(m)
				}
				t.AwaitBacklog(topic, "s", 0)
			}},
		{ID: "window/others-not-held", Text: "a session that acknowledges nothing does not hold up one on another subscription", Run: func(t *T) {
			topic := t.Topic()
			lazy := t.Consumer(topic, "lazy", "receiverQueueSize=1")
			busy := t.Consumer(topic, "busy", "receiverQueueSize=1")
			publishAtOnce(t, t.Producer(topic), 50)
			busy.TakeAcked(numbers(0, 50)...)
			lazy.Take("0")
			lazy.Fence()
		}},
		{ID: "window/slow-shared", Text: "on a Shared subscription a full session leaves the messages to one with room", Run: func(t *T) {
			topic := t.Topic()
			lazy := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1")
			busy := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=1")
			publishAtOnce(t, t.Producer(topic), 50)
			held := lazy.Next()
			// Java's upstream consumer may have fetched one more for the full session.
			seen := map[string]bool{held.Body: true}
			for len(seen) < 48 {
				m := busy.Next()
				seen[m.Body] = true
				busy.Ack(m)
			}
			lazy.Fence()
		}},
	}
}

func oneByOne(t *T, param string) {
	topic := t.Topic()
	c := t.Consumer(topic, "s", param)
	t.publishSeen(topic, 4)
	for i := range 4 {
		m := c.Take(fmt.Sprint(i))[0]
		c.Fence()
		c.Ack(m)
	}
	t.AwaitBacklog(topic, "s", 0)
}

func pullCases() []Case {
	return []Case{
		{ID: "pull/nothing", Text: "in pull mode nothing is sent until permits come, then exactly that many", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true")
			t.publishSeen(topic, 10)
			c.Fence()
			c.Permit(2)
			c.Take("0", "1")
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			c.Fence()
			c.Permit(1)
			c.Take("2")
			c.Fence()
		}},
		{ID: "pull/add-up", Text: "permits add up, given before or after the messages are there", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true")
			c.Permit(2)
			c.Permit(3)
			t.publishSeen(topic, 10)
			c.Take(numbers(0, 5)...)
			c.Fence()
		}},
		{ID: "pull/acks-give-none", Text: "in pull mode acks let nothing more through", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true")
			t.publishSeen(topic, 5)
			c.Permit(2)
			c.TakeAcked("0", "1")
			t.AwaitBacklog(topic, "s", 3)
			c.Fence()
		}},
		{ID: "pull/over-the-window", Text: "permits beyond receiverQueueSize count in full", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true", "receiverQueueSize=2")
			c.Permit(20)
			t.publishSeen(topic, 25)
			c.Take(numbers(0, 20)...)
			c.Fence()
		}},
		{ID: "pull/quoted", Text: "permitMessages may be a quoted number", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true")
			t.publishSeen(topic, 3)
			c.Send(`{"type":"permit","permitMessages":"2"}`)
			c.Take("0", "1")
			c.Fence()
		}},
		{ID: "pull/permit-in-push", Text: "a permit in push mode changes nothing", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "receiverQueueSize=1")
			t.publishSeen(topic, 3)
			c.Permit(2)
			m := c.Take("0")[0]
			c.Fence()
			c.Ack(m)
			c.Take("1")
			c.Fence()
		}},
		{ID: "pull/zero", Text: "a permit of 0 gives nothing", Better: "Java sends a message for it", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true")
			t.publishSeen(topic, 30)
			for range 20 {
				c.Permit(0)
			}
			if t.Kind == Java {
				c.ready(5 * time.Second) // it sends for them when it comes to that: else it could be slow enough to pass
			}
			c.Ask(`{"type":"isEndOfTopic"}`, `{"endOfTopic":false}`)
			c.Fence()
			c.Permit(1)
			c.Take("0")
			c.Fence()
		}},
		{ID: "pull/killed", Text: "what a killed pull session had not acknowledged goes to the next one", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "pullMode=true", "subscriptionType=Shared")
			c.Permit(1)
			t.Producer(topic).Publish("a", "b")
			c.Take("a")
			c.Kill()
			d := t.Consumer(topic, "s", "pullMode=true", "subscriptionType=Shared")
			d.Permit(2)
			got := map[string]bool{d.Next().Body: true, d.Next().Body: true}
			if !got["a"] || !got["b"] {
				t.Fatalf("got %v", got)
			}
		}},
	}
}
