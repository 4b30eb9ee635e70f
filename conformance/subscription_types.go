package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func subscriptionTypeCases() Area {
	return Area{Name: "Subscription types", Cases: []Case{
		{ID: "exclusive/reconnect", Text: "an Exclusive subscription is free again after its client's connection was reset", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s").Kill()
			d := t.reopen(ConsumerPath(topic, "s"))
			t.Producer(topic).Publish("x")
			d.TakeAcked("x")
		}},
		{ID: "exclusive/refused-harmless", Text: "the consumer that is refused does not disturb the one connected", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s")
			p := t.Producer(topic)
			p.Publish("a")
			m := c.Take("a")[0]
			t.Refused(409, "", ConsumerPath(topic, "s"))
			t.Refused(409, "", ConsumerPath(topic, "s", "subscriptionType=Exclusive"))
			p.Publish("b")
			c.Ack(m)
			c.TakeAcked("b")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "subscription/other-type", Text: "a consumer of another subscription type than those connected is refused", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s", "subscriptionType=Shared")
			for _, other := range []string{"Exclusive", "Failover", "Key_Shared"} {
				t.Refused(409, "", ConsumerPath(topic, "s", "subscriptionType="+other))
			}
		}},
		{ID: "subscription/type-change", Text: "with nobody connected a subscription may change its type and keeps its place", Run: func(t *T) {
			topic := t.Topic()
			t.Consumer(topic, "s", "subscriptionType=Shared").Close()
			t.Producer(topic).Publish("a", "b")
			t.reopen(ConsumerPath(topic, "s", "subscriptionType=Failover")).TakeAcked("a", "b")
		}},
		{ID: "subscription/durable-as-non-durable", Text: "a NonDurable consumer on a Durable subscription is refused with 409 or, as Java does, 500", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			if status := t.status(ConsumerPath(topic, "s", "subscriptionType=Shared", "subscriptionMode=NonDurable")); status != 409 && status != 500 {
				t.Fatalf("status %d", status)
			}
			t.Producer(topic).Publish("x")
			c.TakeAcked("x")
		}},
		{ID: "shared/spread", Text: "a Shared subscription spreads messages over its sessions, each to exactly one", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.consumers(topic, 3, "subscriptionType=Shared", "receiverQueueSize=200")
			publishAtOnce(t, t.Producer(topic), 150)
			for i, got := range t.drain(sessions, 150) {
				if len(got) == 0 {
					t.Fatalf("session %d got nothing", i)
				}
			}
			t.AwaitBacklog(topic, "s", 0)
			for _, s := range sessions {
				s.Fence()
			}
		}},
		{ID: "shared/join", Text: "a session that joins a Shared subscription gets a share of what is published from then on", Run: func(t *T) {
			topic := t.Topic()
			a := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=10")
			p := t.Producer(topic)
			p.Publish("first")
			a.TakeAcked("first")
			b := t.Consumer(topic, "s", "subscriptionType=Shared", "receiverQueueSize=10")
			publishAtOnce(t, p, 30)
			if got := t.drain([]*Session{a, b}, 30); len(got[0]) == 0 || len(got[1]) == 0 {
				t.Fatalf("one session got nothing: %v", got)
			}
		}},
		{ID: "failover/one-active", Text: "on a Failover subscription one session gets everything, in order", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.consumers(topic, 3, "subscriptionType=Failover")
			publishAtOnce(t, t.Producer(topic), 60)
			for i, got := range t.drain(sessions, 60) {
				if len(got) > 0 && !slices.Equal(got, numbers(0, 60)) {
					t.Fatalf("session %d got %v", i, got)
				}
			}
		}},
		{ID: "failover/takeover", Text: "when the active Failover session dies another takes over, from the first unacknowledged message", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.consumers(topic, 2, "subscriptionType=Failover")
			p := t.Producer(topic)
			p.Publish("a", "b", "c")
			active, standby, first := t.whoGets(sessions)
			if first.Body != "a" {
				t.Fatalf("first message is %s", first.Text)
			}
			active.Ack(first)
			t.AwaitBacklog(topic, "s", 2)
			active.Take("b", "c")
			standby.Fence()
			active.Kill()
			standby.TakeAcked("b", "c")
			p.Publish("d") // not before: see exchange/failover
			standby.TakeAcked("d")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "failover/standby-leaves", Text: "a standby that leaves does not disturb the active Failover session", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.consumers(topic, 2, "subscriptionType=Failover")
			p := t.Producer(topic)
			p.Publish("a")
			active, standby, m := t.whoGets(sessions)
			active.Ack(m)
			standby.Close()
			p.Publish("b", "c")
			active.TakeAcked("b", "c")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "key-shared/one-session-a-key", Text: "on a Key_Shared subscription all messages of a key go to one session, in order, and all sessions work", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.consumers(topic, 2, "subscriptionType=Key_Shared", "receiverQueueSize=300")
			keyed(t.Producer(topic), 20, 5)
			owner, order := map[string]int{}, perKey{}
			for i, bodies := range t.drain(sessions, 100) {
				if len(bodies) == 0 {
					t.Fatalf("session %d got nothing", i)
				}
				for _, body := range bodies {
					key := order.check(t, body)
					if o, ok := owner[key]; ok && o != i {
						t.Fatalf("key %s went to two sessions", key)
					}
					owner[key] = i
				}
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "key-shared/leave", Text: "when a Key_Shared session dies its keys go to the others, unacknowledged messages first, in order", Run: func(t *T) {
			topic := t.Topic()
			sessions := t.consumers(topic, 2, "subscriptionType=Key_Shared", "receiverQueueSize=300")
			keyed(t.Producer(topic), 20, 3)
			dying, staying := sessions[0], sessions[1]
			order, left := perKey{}, 0
			for range 60 {
				i, m := t.nextOf(sessions)
				if sessions[i] == dying {
					left++
					continue
				}
				order.check(t, m.Body)
				staying.Ack(m)
			}
			if left == 0 || left == 60 {
				t.Fatalf("%d of 60 messages went to one session", left)
			}
			dying.Kill()
			for range left {
				m := staying.Next()
				order.check(t, m.Body)
				staying.Ack(m)
			}
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "key-shared/failover-of-many", Text: "a Key_Shared subscription with one session gets all keys in order", Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Key_Shared")
			keyed(t.Producer(topic), 5, 4)
			for i := range 20 {
				c.TakeAcked(fmt.Sprintf("k%d/%d", i%5, i/5))
			}
		}},
	}}
}

// consumers opens n sessions on subscription "s".
func (t *T) consumers(topic Topic, n int, params ...string) []*Session {
	var out []*Session
	for i := range n {
		out = append(out, t.Consumer(topic, "s", append([]string{fmt.Sprintf("consumerName=c%d", i)}, params...)...))
	}
	return out
}

// keyed publishes rounds messages for each of the keys "k0" and up, the keys in
// turn; the payload is "key/round".
func keyed(p *Session, keys, rounds int) {
	for r := range rounds {
		for k := range keys {
			p.PublishJSON(fmt.Sprintf(`{"payload":%q,"key":"k%d"}`, b64(fmt.Sprintf("k%d/%d", k, r)), k))
		}
	}
}

// ready reports whether something of the server can be read now, waiting for it
// a moment.
func (s *Session) ready(wait time.Duration) bool {
	if s.r.Buffered() > 0 {
		return true
	}
	_ = s.nc.SetReadDeadline(time.Now().Add(wait))
	_, err := s.r.Peek(1)
	_ = s.nc.SetReadDeadline(s.t.deadline)
	return err == nil || !timedOut(err)
}

// nextOf waits for the next message of any of the sessions.
func (t *T) nextOf(sessions []*Session) (int, Message) {
	for {
		for i, s := range sessions {
			if s.ready(time.Millisecond) {
				return i, s.Next()
			}
		}
		if t.ctx.Err() != nil {
			t.Fatalf("no session got a message")
		}
	}
}

// drain reads n messages from the sessions, whichever gets them, and acknowledges
// them. It returns the payloads of each session in their order; a payload that
// comes twice fails the case.
func (t *T) drain(sessions []*Session, n int) [][]string {
	order := make([][]string, len(sessions))
	seen := make(map[string]bool)
	for range n {
		i, m := t.nextOf(sessions)
		if seen[m.Body] {
			t.Fatalf("message %q came twice", m.Body)
		}
		seen[m.Body] = true
		order[i] = append(order[i], m.Body)
		sessions[i].Ack(m)
	}
	return order
}

// whoGets waits for the first message and tells which of two sessions got it.
func (t *T) whoGets(sessions []*Session) (active, other *Session, m Message) {
	i, m := t.nextOf(sessions)
	return sessions[i], sessions[1-i], m
}

// perKey checks that the messages of each key, as keyed publishes them, come in
// their order.
type perKey map[string]string

func (p perKey) check(t *T, body string) (key string) {
	key, n, _ := strings.Cut(body, "/")
	if n <= p[key] {
		t.Fatalf("key %s: message %s behind %s", key, n, p[key])
	}
	p[key] = n
	return key
}
