package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/census"
)

func TestStatistics(t *testing.T) {
	b := echoBridge()
	b.stats = map[string]census.TopicStats{
		"persistent://public/default/a/b": {Producers: []census.ProducerStats{{RemoteAddr: "127.0.0.1:1", Published: 3}}},
		"persistent://p/c/n/t": {Consumers: []census.ConsumerStats{
			{RemoteAddr: "127.0.0.1:2", Subscription: "s", Type: bridge.KeyShared, NonDurable: true, Delivered: 4},
			{RemoteAddr: "127.0.0.1:3", Subscription: "d", Delivered: 5},
			{RemoteAddr: "127.0.0.1:4", Reader: true},
		}},
	}
	rates := census.NamespaceRates{Namespace: "public/default", PublishRate: 1.5, PublishBytes: 10, DeliverRate: 2, AckRate: 1}
	for i := range rates.Latency {
		rates.Latency[i] = uint64(i)
	}
	b.rates = []census.NamespaceRates{rates}
	s := start(t, b)

	a := `{"producerStats":[{"remoteConnection":"/127.0.0.1:1","numberOfMsgPublished":3}],"consumerStats":[]}`
	v1 := `{"producerStats":[],"consumerStats":[` +
		`{"remoteConnection":"/127.0.0.1:2","subscriptionName":"s","subscriptionType":"Key_Shared","subscriptionMode":"NonDurable","numberOfMsgDelivered":4},` +
		`{"remoteConnection":"/127.0.0.1:3","subscriptionName":"d","subscriptionType":"Exclusive","subscriptionMode":"Durable","numberOfMsgDelivered":5},` +
		`{"remoteConnection":"/127.0.0.1:4","subscriptionName":"reader","subscriptionType":"Exclusive","numberOfMsgDelivered":0}]}`
	metrics := `[{"metrics":{"ns_byte_deliver_rate":0,"ns_byte_publish_rate":10,"ns_msg_ack_rate":1,"ns_msg_deliver_rate":2,"ns_msg_failure_rate":0,` +
		`"ns_msg_publish_latency_500":0,"ns_msg_publish_latency_1000":1,"ns_msg_publish_latency_5000":2,"ns_msg_publish_latency_10000":3,` +
		`"ns_msg_publish_latency_20000":4,"ns_msg_publish_latency_50000":5,"ns_msg_publish_latency_100000":6,"ns_msg_publish_latency_200000":7,` +
		`"ns_msg_publish_latency_1000000":8,"ns_msg_publish_latency_1000000_higher":9,"ns_msg_publish_rate":1.5},"dimensions":{"namespace":"public/default"}}]`
	all := fmt.Sprintf(`{"persistent://public/default/a/b":%s,"persistent://p/c/n/t":%s}`, a, v1)
	for path, want := range map[string]string{
		"/admin/v2/proxy-stats/stats":                                   all,
		"/admin/proxy-stats/stats":                                      all,
		"/admin/v2/proxy-stats/metrics":                                 metrics,
		"/admin/proxy-stats/metrics":                                    metrics,
		"/admin/v2/proxy-stats/persistent/public/default/a%2Fb/stats":   a,
		"/admin/v2/proxy-stats/persistent/public/default/a/b/stats":     a,
		"/admin/proxy-stats/persistent/p/c/n/t/stats":                   v1,
		"/admin/v2/proxy-stats/persistent/public/default/nothing/stats": "404",
		"/admin/v2/proxy-stats/persistent/public/default/a":             "404",
		"/admin/v2/proxy-stats/":                                        "404",
	} {
		resp, body := get(t, s, path)
		if want == "404" {
			if resp.StatusCode != 404 {
				t.Errorf("%s: status %d", path, resp.StatusCode)
			}
			continue
		}
		var got, expected any
		if err := json.Unmarshal([]byte(want), &expected); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 || !reflect.DeepEqual(got, expected) {
			t.Errorf("%s: %d\n got %s\nwant %s", path, resp.StatusCode, body, want)
		}
	}
}

// Where the cluster is taken out of v1 names, statistics are asked for by the names that clients know.
func TestStatisticsWithoutCluster(t *testing.T) {
	b := echoBridge()
	b.stats = map[string]census.TopicStats{"persistent://p/n/t": {}, "persistent://p/n/t/u": {}}
	s := start(t, b, func(o *Options) { o.V1WithoutCluster = true })
	for path, want := range map[string]int{
		"/admin/proxy-stats/persistent/p/c/n/t/stats":    200,
		"/admin/proxy-stats/p/c/n/t/stats":               200,
		"/admin/v2/proxy-stats/persistent/p/n/t/stats":   200,
		"/admin/v2/proxy-stats/persistent/p/c/n/t/stats": 200,
		"/admin/proxy-stats/persistent/p/c/n/t/u/stats":  404,
	} {
		if resp, body := get(t, s, path); resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d: %s", path, resp.StatusCode, want, body)
		}
	}
}

// TestStatisticsInTurn has more ask while statistics are being made than there may wait different ones: those who ask for the same wait
// together, and who asks for one too many is told so at once.
func TestStatisticsInTurn(t *testing.T) {
	const path = "/admin/v2/proxy-stats/stats"
	b := echoBridge()
	looking, look := make(chan struct{}, 3), make(chan struct{})
	b.looks = func() { looking <- struct{}{}; <-look }
	s := start(t, b)
	free := sync.OnceFunc(func() { close(look) })
	t.Cleanup(free)
	const same, more = 100, 4
	answers := make(chan int, 1+same+maxStatistics-1+more)
	ask := func(path string) {
		go func() {
			resp, _ := get(t, s, path)
			answers <- resp.StatusCode
		}()
	}
	ask(path)
	receive(t, looking, "the first look")
	for range same {
		ask(path)
	}
	eventually(t, "all wait", func() bool { return waitTogether() == 1+same })
	for i := range maxStatistics - 1 + more {
		ask(fmt.Sprintf("/admin/v2/proxy-stats/persistent/public/default/%d/stats", i))
	}
	for range more {
		if status := receive(t, answers, "a refusal"); status != 503 {
			t.Errorf("status %d of one too many", status)
		}
	}
	if resp, _ := get(t, s, "/metrics"); resp.StatusCode != 200 {
		t.Errorf("metrics wait for statistics: status %d", resp.StatusCode)
	}
	free()
	found := map[int]int{}
	for range cap(answers) - more {
		found[receive(t, answers, "statistics")]++
	}
	if found[200] != 1+same || found[404] != maxStatistics-1 {
		t.Errorf("answers by status: %v", found)
	}
	if n := 1 + len(looking); n != 2 {
		t.Errorf("%d looks at all sessions", n)
	}
}

func TestMetrics(t *testing.T) {
	s := start(t, echoBridge(), func(o *Options) { o.Version = "v1" })
	c := dial(t, s, producerPath)
	say(t, c, "x")
	message(t, c)
	eventually(t, "the session is shown", func() bool {
		_, body := get(t, s, "/metrics")
		for _, line := range []string{
			`pulsegate_sessions{kind="producer"} 1`, `pulsegate_handshakes_total{reason="",status="101"} 1`,
			`pulsegate_received_messages_total{kind="producer"} 1`, `pulsegate_sent_messages_total{kind="producer"} 1`, `pulsegate_build_info{version="v1"} 1`, `pulsegate_broker_web_requests 0`, `go_goroutines`, `process_open_fds`,
		} {
			if !strings.Contains(body, line) {
				t.Logf("no %s", line)
				return false
			}
		}
		return true
	})
	_ = c.WriteMessage(8, []byte{0x03, 0xe8})
	eventually(t, "the close is counted", func() bool {
		_, body := get(t, s, "/metrics")
		return strings.Contains(body, `pulsegate_sessions_closed_total{code="1000"} 1`) && strings.Contains(body, `pulsegate_sessions{kind="producer"} 0`)
	})
}
