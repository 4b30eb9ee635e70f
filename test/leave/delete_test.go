//go:build pulsar

package leave

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// TestTopicIsFree opens sessions of each kind, each on topics of its own, has them ask
// what they can, and ends them. While they are there the topic shows what they made and
// nothing else; as soon as they have left, nothing stands in the way of who deletes it.
func TestTopicIsFree(t *testing.T) {
	c := pulsar.Shared(t)
	g := gateway.OnCluster(t, c, map[string]string{"upstreamLingerMillis": "0"})
	namespace := c.Namespace(t)
	const end = `{"type":"isEndOfTopic"}`
	for name, k := range map[string]struct {
		path       string
		partitions int // 0: none
		send       []string
		answers    int
		durable    bool // its subscription outlives it
		hidden     bool // its subscription has a name of its own
	}{
		"producer":           {path: "producer/TOPIC", send: []string{`{"payload":"eA=="}`}, answers: 1},
		"named producer":     {path: "producer/TOPIC?producerName=p", send: []string{`{"payload":"eA=="}`}, answers: 1},
		"partitions":         {path: "producer/TOPIC", partitions: 3, send: []string{`{"payload":"eA=="}`}, answers: 1},
		"consumer":           {path: "consumer/TOPIC/s", send: []string{end, end}, answers: 2, durable: true},
		"shared":             {path: "consumer/TOPIC/s?subscriptionType=Shared", send: []string{end, end}, answers: 2, durable: true},
		"dead letters":       {path: "consumer/TOPIC/s?subscriptionType=Shared&maxRedeliverCount=1", send: []string{end}, answers: 1, durable: true},
		"non-durable":        {path: "consumer/TOPIC/s?subscriptionMode=NonDurable", send: []string{end}, answers: 1},
		"partitioned shared": {path: "consumer/TOPIC/s?subscriptionType=Shared", partitions: 3, send: []string{end}, answers: 1, durable: true},
		"unsubscribed":       {path: "consumer/TOPIC/s", send: []string{end, `{"type":"unsubscribe"}`}, answers: 1},
		"reader":             {path: "reader/TOPIC", send: []string{end, end}, answers: 2, hidden: true},
		"earliest reader":    {path: "reader/TOPIC?messageId=earliest", send: []string{end}, answers: 1, hidden: true},
		"partitioned reader": {path: "reader/TOPIC", partitions: 3, send: []string{end}, answers: 1, hidden: true},
	} {
		t.Run(name, func(t *testing.T) {
			short := namespace + "/" + pulsar.Name("t")
			topic := "persistent://" + short
			first := topic
			if k.partitions > 0 {
				if err := c.Admin.CreatePartitionedTopic(t.Context(), topic, k.partitions); err != nil {
					t.Fatal(err)
				}
				first += "-partition-0"
			}
			path := "/ws/v2/" + strings.ReplaceAll(k.path, "TOPIC", "persistent/"+short)
			conn, _, err := websocket.DefaultDialer.Dial(g.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetReadDeadline(time.Now().Add(timeout))
			for _, frame := range k.send {
				if err := conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
					t.Fatal(err)
				}
			}
			for range k.answers {
				if _, _, err := conn.ReadMessage(); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.Contains(k.path, "producer/") && name != "unsubscribed" {
				if names := subscriptions(t, c, first); len(names) != 1 || names[0] != "s" && !k.hidden {
					t.Errorf("subscriptions while it is there: %v", names)
				}
			}
			conn.Close()
			await(t, "the session and its upstream clients are gone", func() (string, bool) { return gone(g.Metrics()) })
			var want []string
			if k.durable {
				want = []string{"s"}
			}
			parts := []string{topic}
			if k.partitions > 0 {
				parts = nil
				for i := range k.partitions {
					parts = append(parts, fmt.Sprintf("%s-partition-%d", topic, i))
				}
			}
			for _, part := range parts {
				// The broker removes a subscription that is not durable some time after it has answered its consumer's close.
				await(t, fmt.Sprintf("%s has only the subscriptions %v", part, want), func() (string, bool) {
					names := subscriptions(t, c, part)
					return fmt.Sprint(names), slices.Equal(names, want)
				})
			}
			remove(t, c, topic, k.partitions, want)
		})
	}
}

// gone reports that no session and no upstream client is left.
func gone(metrics map[string]float64) (string, bool) {
	for name, left := range metrics {
		if left > 0 && (strings.HasPrefix(name, "pulsegate_sessions{") || strings.HasPrefix(name, "pulsegate_upstream_clients{")) {
			return fmt.Sprint(name, " ", left), false
		}
	}
	return "", true
}

// subscriptions lists what an administrator sees, which is to be what the statistics show.
func subscriptions(t *testing.T, c *pulsar.Cluster, topic string) (names []string) {
	t.Helper()
	if err := c.Admin.Do(t.Context(), http.MethodGet, adminPath(topic)+"/subscriptions", nil, &names); err != nil {
		t.Fatal(err)
	}
	stats, err := c.Admin.Stats(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		delete(stats.Subscriptions, name)
	}
	for name := range stats.Subscriptions {
		names = append(names, name)
	}
	return names
}

// remove deletes the subscriptions and then the topic, without force.
func remove(t *testing.T, c *pulsar.Cluster, topic string, partitions int, left []string) {
	t.Helper()
	for _, name := range left {
		if err := c.Admin.DeleteSubscription(t.Context(), topic, name); err != nil {
			t.Errorf("delete subscription %s: %v", name, err)
		}
	}
	path := adminPath(topic)
	if partitions > 0 {
		path += "/partitions"
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if err := c.Admin.Do(ctx, http.MethodDelete, path, nil, nil); err != nil {
		t.Errorf("delete the topic: %v", err)
	}
}

func adminPath(topic string) string {
	return "/admin/v2/persistent/" + strings.TrimPrefix(topic, "persistent://")
}
