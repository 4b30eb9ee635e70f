package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// sharedFairnessCases are about what a broker gives to whom on a Shared
// subscription: it must treat each session as it treats any consumer.
func sharedFairnessCases() Area {
	native := noBroker("native clients need a broker")
	return Area{Name: "Shared subscriptions: fairness", Cases: []Case{
		{ID: "fair/unacked-policy", Text: "where a topic's policy lets a consumer have five unacknowledged messages, a session that leaves its own lying holds nobody else up",
			Skip: noBroker("no topic policies"), Run: func(t *T) {
				topic := t.Topic()
				t.unackedPolicy(topic, 5)
				sessions := t.alike(topic, 3)
				publishAtOnce(t, t.Producer(topic), 60)
				// The first one never acknowledges: it has what the others have not got.
				t.drain(sessions[1:], 55)
				t.AwaitBacklog(topic, "s", 5)
				sessions[0].Kill()
				t.drain(sessions[1:], 5)
				t.AwaitBacklog(topic, "s", 0)
			}},
		{ID: "fair/native", Text: "four sessions and a native consumer of one subscription get about a fifth of the messages each", Skip: native, Run: func(t *T) {
			topic := t.Topic()
			sessions := t.alike(topic, 4)
			other := t.nativeConsumer(topic, "s")
			p := t.Producer(topic)
			counts := make([]int, 5)
			const total, step = 500, 5
			for i := 0; i < total; i += step {
				publishAtOnce(t, p, step) // few: a broker gives up to 20 that are there to one
			}
			for sum := 0; sum < total; sum++ {
				counts[t.takeAny(sessions, other)]++
			}
			// A consumer that is slow to take its messages gets fewer. If the sessions shared
			// one, the native consumer would get half.
			for _, n := range counts {
				if n < total/20 || n > total*2/5 {
					t.Fatalf("%d messages: %v to the sessions, %d to the native consumer", total, counts[:4], counts[4])
				}
			}
		}},
		{ID: "fair/priority-native", Text: "a native consumer goes before a session of a lower priority level", Skip: native, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared", "priorityLevel=1")
			other := t.nativeConsumer(topic, "s")
			p := t.Producer(topic)
			for i := range 40 {
				p.Publish(fmt.Sprint(i))
				if t.takeAny([]*Session{c}, other) == 0 {
					t.Fatalf("message %d went to the session", i)
				}
			}
			c.Fence()
			other.Close()
			p.Publish("rest")
			c.TakeAcked("rest")
		}},
		{ID: "fair/leave", Text: "what a session of several held goes to the others when it is gone, each message once", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.alike(topic, 4, "receiverQueueSize=100")
			publishAtOnce(t, t.Producer(topic), 40)
			held := make([][]string, len(sessions))
			for range 40 {
				i, m := t.nextOf(sessions)
				held[i] = append(held[i], m.Body)
			}
			sessions[0].Kill()
			again := t.drain(sessions[1:], len(held[0]))
			got := slices.Concat(again...)
			slices.Sort(got)
			if slices.Sort(held[0]); !slices.Equal(got, held[0]) {
				t.Fatalf("%v came again, want %v", got, held[0])
			}
			t.AwaitBacklog(topic, "s", 40-len(held[0]))
		}},
	}}
}

// alike opens n sessions on the Shared subscription "s" that differ in nothing,
// so that a server might have them share something.
func (t *T) alike(topic Topic, n int, params ...string) []*Session {
	var out []*Session
	for range n {
		out = append(out, t.Consumer(topic, "s", append([]string{"subscriptionType=Shared"}, params...)...))
	}
	return out
}

// unackedPolicy makes a topic one on which a consumer may have n unacknowledged messages.
func (t *T) unackedPolicy(topic Topic, n int) {
	t.admin("PUT", "/admin/v2/"+string(topic), "")
	policy := "/admin/v2/" + string(topic) + "/maxUnackedMessagesOnConsumer"
	t.Eventually("topics take policies", func() bool {
		status, _ := t.adminRequest("POST", policy, fmt.Sprint(n))
		return status/100 == 2
	})
	t.Eventually("the policy is there", func() bool {
		status, body := t.adminRequest("GET", policy, "")
		return status == 200 && string(body) == fmt.Sprint(n)
	})
}

// takeAny takes and acknowledges the next message of whoever has one, and tells
// the session's number, or the number of sessions for the native consumer.
func (t *T) takeAny(sessions []*Session, native pulsar.Consumer) int {
	taken := -1
	t.Eventually("a message comes", func() bool {
		for i, s := range sessions {
			if s.ready(time.Millisecond) {
				s.Ack(s.Next())
				taken = i
				return true
			}
		}
		select {
		case m := <-native.Chan():
			if err := native.Ack(m); err != nil {
				t.Fatalf("native consumer: %v", err)
			}
			taken = len(sessions)
		default:
		}
		return taken >= 0
	})
	return taken
}
