package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// v3 is the path of a v3 consumer.
func v3(sub string, params ...string) string {
	return "/ws/v3/consumer/" + sub + query(params)
}

func multiTopicCases() Area {
	return Area{Name: "Consumers of many topics (v3)", Cases: append(v3Sessions(), v3Parameters()...)}
}

// takeAll reads n messages, acknowledges them and checks that their payloads are
// those given, in any order.
func (s *Session) takeAll(bodies ...string) {
	var got []string
	for range bodies {
		m := s.Next()
		got = append(got, m.Body)
		s.Ack(m)
	}
	slices.Sort(got)
	slices.Sort(bodies)
	if !slices.Equal(got, bodies) {
		s.t.Fatalf("got %q, want %q", got, bodies)
	}
}

func v3Sessions() []Case {
	return []Case{
		{ID: "v3/topics", Text: "one session gets the messages of all its topics, and an ack finds its topic", Run: func(t *T) {
			a, b, c := t.Topic(), t.Topic(), t.Topic()
			s := t.Open(v3("s", "topics="+a.Name()+","+b.Name()+","+c.Name()))
			for i, topic := range []Topic{a, b, c} {
				t.Producer(topic).Publish(fmt.Sprintf("%d-1", i), fmt.Sprintf("%d-2", i))
			}
			s.takeAll("0-1", "0-2", "1-1", "1-2", "2-1", "2-2")
			for _, topic := range []Topic{a, b, c} {
				t.AwaitBacklog(topic, "s", 0)
			}
		}},
		{ID: "v3/short-names", Text: "topics may be named without a domain, or by their local name in public/default", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			s := t.Open(v3("s", "topics="+a.Local()+",public/default/"+b.Local()))
			t.Producer(a).Publish("a")
			t.Producer(b).Publish("b")
			s.takeAll("a", "b")
			t.AwaitBacklog(a, "s", 0)
			t.AwaitBacklog(b, "s", 0)
		}},
		{ID: "v3/domain-capitals", Text: "the domain of a topic that is named may be written in capitals", Run: func(t *T) {
			topic := t.Topic()
			s := t.Open(v3("s", "topics="+strings.Replace(topic.Name(), "persistent:", "Persistent:", 1)))
			t.Producer(topic).Publish("a")
			s.takeAll("a")
			t.AwaitBacklog(topic, "s", 0)
		}},
		{ID: "v3/too-many-topics", Text: "more topics than maxTopicsPerSession, by list or by pattern, are 400; as many are taken", Better: "Java takes any number", Conf: smallConf, Run: func(t *T) {
			base := t.Topic()
			list := func(n int) (names []string) {
				for i := range n {
					names = append(names, fmt.Sprintf("%s-%d", base.Name(), i))
				}
				return names
			}
			t.Refused(400, "maxTopicsPerSession", v3("s", "topics="+strings.Join(list(4), ",")))
			t.Open(v3("s", "topics="+strings.Join(list(3), ","), "subscriptionType=Shared")).Fence()
			t.Open(v3("s", "topicsPattern="+url.QueryEscape(base.Name()+"-.*"), "subscriptionType=Shared")).Fence()
			t.Producer(base + "-3").Publish("x")
			t.Refused(400, "maxTopicsPerSession", v3("s2", "topicsPattern="+url.QueryEscape(base.Name()+"-.*")))
		}},
		{ID: "v3/one-topic", Text: "a list of one topic works", Run: func(t *T) {
			a := t.Topic()
			s := t.Open(v3("s", "topics="+a.Name()))
			t.Producer(a).Publish("a", "b")
			s.TakeAcked("a", "b")
			t.AwaitBacklog(a, "s", 0)
		}},
		{ID: "v3/pattern", Text: "topicsPattern takes all matching topics, and no others", Run: func(t *T) {
			base := t.Topic()
			a, b, other := base+"-a", base+"-b", "x"+base.Local()
			for _, topic := range []Topic{a, b, Topic("persistent/public/default/" + other)} {
				t.Producer(topic).Publish("before")
			}
			s := t.Open(v3("s", "topicsPattern="+url.QueryEscape("persistent://public/default/"+base.Local()+"-.*")))
			t.Producer(Topic("persistent/public/default/" + other)).Publish("no")
			t.Producer(a).Publish("a")
			t.Producer(b).Publish("b")
			s.takeAll("a", "b")
			s.Fence()
			t.AwaitBacklog(a, "s", 0)
			t.AwaitBacklog(b, "s", 0)
		}},
		{ID: "v3/pattern-whole", Text: "topicsPattern has to match a topic's whole name", Run: func(t *T) {
			base := t.Topic()
			longer, before := base+"-longer", Topic("persistent/public/default/x-"+base.Local())
			for _, topic := range []Topic{base, longer, before} {
				t.Producer(topic).Publish("before")
			}
			s := t.Open(v3("s", "topicsPattern="+url.QueryEscape("persistent://public/default/"+base.Local())))
			t.Producer(longer).Publish("no")
			t.Producer(before).Publish("no")
			t.Producer(base).Publish("yes")
			s.takeAll("yes")
			s.Fence()
			t.AwaitBacklog(base, "s", 0)
		}},
		{ID: "v3/partitioned", Text: "a list may hold a partitioned topic; acks find the partition", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			t.Partition(a, 3)
			s := t.Open(v3("s", "topics="+a.Name()+","+b.Name()))
			publishAtOnce(t, t.Producer(a, "messageRoutingMode=RoundRobinPartition"), 6)
			t.Producer(b).Publish("b")
			s.takeAll(append(numbers(0, 6), "b")...)
			for i := range 3 {
				t.AwaitBacklog(Topic(fmt.Sprintf("%s-partition-%d", a, i)), "s", 0)
			}
			t.AwaitBacklog(b, "s", 0)
		}},
		{ID: "v3/ack-after-reconnect", Text: "an id received by a former v3 session still finds its topic", Better: "Java forgets the topics of ids with the session", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			path := v3("s", "subscriptionType=Shared", "topics="+a.Name()+","+b.Name())
			s := t.Open(path)
			t.Producer(a).Publish("a")
			t.Producer(b).Publish("b")
			m := []Message{s.Next(), s.Next()}
			s.Close()
			d := t.reopen(path + "&pullMode=true")
			d.Ack(m[0])
			d.Ack(m[1])
			t.AwaitBacklogSoon(a, "s", 0)
			t.AwaitBacklogSoon(b, "s", 0)
		}},
		{ID: "v3/nack", Text: "a negative ack finds its topic", Slow: true, Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			s := t.Open(v3("s", "subscriptionType=Shared", "negativeAckRedeliveryDelay=200", "topics="+a.Name()+","+b.Name()))
			t.Producer(a).Publish("a")
			s.Nack(s.Take("a")[0])
			if m := s.Take("a")[0]; m.RedeliveryCount != 1 {
				t.Fatalf("redelivered with count %d", m.RedeliveryCount)
			}
		}},
		{ID: "v3/redelivery", Text: "what a killed v3 session had not acknowledged goes to the next one, from every topic", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			path := v3("s", "subscriptionType=Shared", "topics="+a.Name()+","+b.Name())
			s := t.Open(path)
			t.Producer(a).Publish("a1", "a2")
			t.Producer(b).Publish("b1", "b2")
			for range 4 {
				s.Next()
			}
			s.Kill()
			t.Open(path).takeAll("a1", "a2", "b1", "b2")
		}},
		{ID: "v3/window", Text: "receiverQueueSize counts over all topics of the session", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			s := t.Open(v3("s", "receiverQueueSize=2", "topics="+a.Name()+","+b.Name()))
			t.publishSeen(a, 3)
			t.publishSeen(b, 3)
			m := []Message{s.Next(), s.Next()}
			s.Fence()
			s.Ack(m[0])
			s.Next()
			s.Fence()
		}},
		{ID: "v3/exclusive-409", Text: "a second exclusive session on one of the topics is 409", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			t.Open(v3("s", "topics="+a.Name()+","+b.Name()))
			t.Refused(409, "", ConsumerPath(b, "s"))
		}},
		{ID: "v3/unsubscribe", Text: "unsubscribe deletes the subscription on every topic", Run: func(t *T) {
			a, b := t.Topic(), t.Topic()
			s := t.Open(v3("s", "topics="+a.Name()+","+b.Name()))
			s.Send(`{"type":"unsubscribe"}`)
			for _, topic := range []Topic{a, b} {
				t.Eventually("the subscription is gone", func() bool { return len(t.subscriptionNames(topic)) == 0 })
			}
		}},
		{ID: "v3/subscription-decoded", Text: "the subscription is percent-decoded", Run: func(t *T) {
			a := t.Topic()
			t.Open(v3("a%20b", "topics="+a.Name()))
			if names := t.subscriptionNames(a); strings.Join(names, ",") != "a b" {
				t.Fatalf("subscriptions %q", names)
			}
		}},
	}
}

func v3Parameters() []Case {
	return []Case{
		{ID: "v3/neither", Text: "v3 with neither topics nor topicsPattern is 400", Better: "Java answers 500", Run: func(t *T) {
			t.Refused(400, "topics", v3("s"))
		}},
		{ID: "v3/both", Text: "v3 with both topics and topicsPattern is 400", Better: "Java answers 500", Run: func(t *T) {
			t.Refused(400, "topicsPattern", v3("s", "topics=a", "topicsPattern=b"))
		}},
		{ID: "v3/blank-topic", Text: "a blank name among the topics is 400", Run: func(t *T) {
			t.Refused(400, "", v3("s", "topics="+t.Topic().Name()+",%20,"+t.Topic().Name()))
		}},
		{ID: "v3/bad-topic", Text: "a malformed name among the topics is 400", Better: "Java answers 500", Run: func(t *T) {
			t.Refused(400, "", v3("s", "topics=persistent://a"))
		}},
		{ID: "v3/bad-pattern", Text: "a topicsPattern that is no regular expression is 400", Run: func(t *T) {
			t.Refused(400, "Invalid query params", v3("s", "topicsPattern=%5B"))
		}},
		{ID: "v3/bad-parameter", Text: "bad parameters are 400 on v3 too", Run: func(t *T) {
			t.Refused(400, "Invalid query params", v3("s", "topics="+t.Topic().Name(), "subscriptionType=x"))
			t.Refused(400, "Invalid query params", v3("s", "topics="+t.Topic().Name(), "ackTimeoutMillis=5"))
		}},
	}
}
