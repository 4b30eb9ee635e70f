package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
)

const proxyStats = "/admin/v2/proxy-stats/"

func statsCases() Area {
	return Area{Name: "Statistics and status over HTTP", Cases: []Case{
		{ID: "stats/topic", Text: "a topic's statistics list its producers and consumers and count their messages", Conf: statsConf, Run: func(t *T) {
			topic := t.Topic()
			c := t.Consumer(topic, "s", "subscriptionType=Shared")
			t.Producer(topic).Publish("a", "b", "c")
			c.TakeAcked("a", "b", "c")
			t.awaitStats(proxyStats+string(topic)+"/stats", `{
				"producerStats":[{"remoteConnection":"*","numberOfMsgPublished":3}],
				"consumerStats":[{"remoteConnection":"*","subscriptionName":"s","subscriptionType":"Shared","subscriptionMode":"Durable","numberOfMsgDelivered":3}]}`)
		}},
		{ID: "stats/topic-404", Text: "the statistics of a topic without sessions are 404", Conf: statsConf, Run: func(t *T) {
			if status, _ := t.Get(proxyStats + string(t.Topic()) + "/stats"); status != 404 {
				t.Fatalf("status %d", status)
			}
		}},
		{ID: "stats/sessions-gone", Text: "sessions that ended are in no statistics", Conf: statsConf, Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic).Close()
			p := t.Producer(topic)
			p.Publish("x")
			t.awaitStats(proxyStats+string(topic)+"/stats", `{
				"producerStats":[{"remoteConnection":"*","numberOfMsgPublished":1}],"consumerStats":[]}`)
			p.Kill()
			t.Eventually("the topic is gone from the statistics", func() bool {
				status, body := t.Get(proxyStats + string(topic) + "/stats")
				return status == 404 || match(string(body), `{"producerStats":[],"consumerStats":[]}`) == nil
			})
		}},
		{ID: "stats/all", Text: "the statistics of all topics have each under its full name", Conf: statsConf, Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic)
			c := t.Consumer(topic, "s", "subscriptionMode=NonDurable", "subscriptionType=Failover")
			c.Fence()
			all := t.allStats(proxyStats + "stats")
			if err := match(string(all[topic.Name()]), `{
				"producerStats":[{"remoteConnection":"*","numberOfMsgPublished":0}],
				"consumerStats":[{"remoteConnection":"*","subscriptionName":"s","subscriptionType":"Failover","subscriptionMode":"NonDurable","numberOfMsgDelivered":0}]}`); err != nil {
				t.Fatalf("%v", err)
			}
		}},
		{ID: "stats/v1-topic", Text: "the v1 path, which names no domain, shows the statistics of a persistent v1 topic", Conf: statsConf, Run: func(t *T) {
			topic := string(t.TopicIn("persistent/" + t.v1Namespace()))
			t.Open("/ws/producer/" + topic).Publish("x")
			t.awaitStats("/admin/proxy-stats/"+strings.TrimPrefix(topic, "persistent/")+"/stats", `{"producerStats":[{"remoteConnection":"*","numberOfMsgPublished":1}],"consumerStats":[]}`)
		}},
		{ID: "stats/v1-all", Text: "the v1 path of all topics answers as the v2 path does", Conf: statsConf, Run: func(t *T) {
			topic := t.Topic()
			t.Producer(topic)
			if t.allStats("/admin/proxy-stats/stats")[topic.Name()] == nil {
				t.Fatalf("no statistics of %s", topic.Name())
			}
		}},
		{ID: "stats/metrics", Text: "metrics are a list of metrics and dimensions, on v2 and v1 paths", Conf: statsConf, Run: func(t *T) {
			t.Producer(t.Topic()).Publish("x")
			for _, path := range []string{proxyStats + "metrics", "/admin/proxy-stats/metrics"} {
				status, body := t.Get(path)
				var list []struct {
					Metrics    map[string]float64
					Dimensions map[string]string
				}
				if err := json.Unmarshal(body, &list); err != nil || status != 200 {
					t.Fatalf("status %d, %v: %s", status, err, shorten(body))
				}
				// Empty until the first minute is over.
				for _, m := range list {
					if m.Dimensions["namespace"] == "" {
						continue // of the process: Java adds its JVM
					}
					for _, name := range []string{"ns_msg_publish_rate", "ns_byte_publish_rate", "ns_msg_failure_rate",
						"ns_msg_deliver_rate", "ns_byte_deliver_rate", "ns_msg_ack_rate",
						"ns_msg_publish_latency_500", "ns_msg_publish_latency_1000", "ns_msg_publish_latency_5000", "ns_msg_publish_latency_10000",
						"ns_msg_publish_latency_20000", "ns_msg_publish_latency_50000", "ns_msg_publish_latency_100000",
						"ns_msg_publish_latency_200000", "ns_msg_publish_latency_1000000", "ns_msg_publish_latency_1000000_higher"} {
						if _, ok := m.Metrics[name]; !ok {
							t.Fatalf("%s is missing in %v", name, m.Metrics)
						}
					}
				}
			}
		}},
		{ID: "stats/own-pages", Text: "/metrics, /healthz and /readyz answer 200", Conf: statsConf, Better: "the Java proxy has none of them", Run: func(t *T) {
			for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
				if status, body := t.Get(path); status != 200 || len(body) == 0 {
					t.Fatalf("%s: status %d, %q", path, status, body)
				}
			}
		}},
		{ID: "stats/metrics-at-once", Text: "a hundred requests for /metrics at the same time are all answered 200", Conf: statsConf, Better: "the Java proxy has none", Run: func(t *T) {
			statuses := make(chan int, 100)
			for range cap(statuses) {
				go func() {
					status := 0
					if req, err := http.NewRequestWithContext(t.ctx, "GET", t.Endpoint.HTTP+"/metrics", nil); err == nil {
						if resp, err := http.DefaultClient.Do(req); err == nil {
							status = resp.StatusCode
							_ = resp.Body.Close()
						}
					}
					statuses <- status
				}()
			}
			for range cap(statuses) {
				if status := <-statuses; status != 200 {
					t.Fatalf("status %d", status)
				}
			}
		}},
		{ID: "stats/asyncapi", Text: "/asyncapi.yaml describes the protocol for machines", Better: "the Java proxy has none", Run: func(t *T) {
			if status, body := t.Get("/asyncapi.yaml"); status != 200 || !bytes.Contains(body, []byte("\nasyncapi: 3.0.0\n")) {
				t.Fatalf("status %d: %s", status, shorten(body))
			}
		}},
		{ID: "status/unset", Text: "/status.html is 404 without statusFilePath", Run: func(t *T) {
			if status, _ := t.Get("/status.html"); status != 404 {
				t.Fatalf("status %d", status)
			}
		}},
		{ID: "status/file", Text: "/status.html is 200 OK while the file statusFilePath exists, else 404", Conf: smallConf, Run: func(t *T) {

			// Java looks at the file every half a second only.
			becomes := func(what string, status int, text string) {
				t.Eventually(what, func() bool {
					got, body := t.Get("/status.html")
					return got == status && (text == "" || string(body) == text)
				})
			}
			becomes("404 without the file", 404, "")
			if err := os.WriteFile(statusFile, nil, 0o600); err != nil {
				t.Fatalf("%v", err)
			}
			t.cleanup(func() { _ = os.Remove(statusFile) })
			becomes("200 with the file", 200, "OK")
			_ = os.Remove(statusFile)
			becomes("404 with the file removed", 404, "")
		}},
	}}
}

// awaitStats reads a page until it matches: counters may lag behind a little.
func (t *T) awaitStats(path, pattern string) {
	var last error
	defer func() {
		if r := recover(); r != nil {
			t.logf("last: %v", last)
			panic(r)
		}
	}()
	t.Eventually("statistics match", func() bool {
		status, body := t.Get(path)
		if status != 200 {
			return false
		}
		last = match(string(body), pattern)
		return last == nil
	})
}

// allStats gets the statistics of all topics. The Java proxy answers 500 while
// other sessions come and go.
func (t *T) allStats(path string) (all map[string]json.RawMessage) {
	t.Eventually("the statistics are answered", func() bool {
		status, body := t.Get(path)
		return json.Unmarshal(body, &all) == nil && status == 200
	})
	return all
}
