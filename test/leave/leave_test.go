//go:build pulsar

// Package leave checks that nothing is left of sessions that are gone.
package leave

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

func TestMain(m *testing.M) { pulsar.Main(m) }

// timeout bounds everything that is waited for.
const timeout = 2 * time.Minute

// Rounds of sessions, and how much more than after the first of them the process may have after the last: what its own
// housekeeping and a collector of garbage make of the same load.
const (
	rounds         = 4
	moreGoroutines = 10
	moreFiles      = 5
	moreMemory     = 24 << 20 // bytes
)

// TestNothingIsLeft opens a few thousand sessions of all kinds, round after round, each with something on its way, and
// ends half of them in good order and half without a word. After each round, once upstream clients have lingered, no
// session, no upstream client and no goroutine is left, and memory does not grow from round to round.
func TestNothingIsLeft(t *testing.T) {
	c := pulsar.Shared(t)
	g := gateway.OnCluster(t, c, map[string]string{"upstreamLingerMillis": "500"})
	namespace := c.Namespace(t)
	var paths []string
	add := func(n int, format string, topics int) {
		for i := range n {
			topic := fmt.Sprintf("persistent/%s/t%d", namespace, i%topics)
			paths = append(paths, fmt.Sprintf(strings.ReplaceAll(format, "TOPIC", topic), i))
		}
	}
	add(200, "/ws/v2/producer/TOPIC?n=%d", 10)
	add(20, "/ws/v2/producer/TOPIC?producerName=p%d", 10)
	add(200, "/ws/v2/consumer/TOPIC/shared?subscriptionType=Shared&n=%d", 10)
	add(200, "/ws/v2/reader/TOPIC?messageId=latest&n=%d", 10)
	add(100, "/ws/v2/reader/TOPIC?messageId=earliest&n=%d", 10)
	add(40, "/ws/v2/consumer/TOPIC/own%d", 10)
	add(40, "/ws/v2/consumer/TOPIC/keys?subscriptionType=Key_Shared&consumerName=c%d", 10)
	add(20, "/ws/v2/consumer/TOPIC/failover?subscriptionType=Failover&consumerName=c%d", 10)
	add(20, "/ws/v2/consumer/TOPIC/pull?subscriptionType=Shared&pullMode=true&n=%d", 10)

	var first map[string]float64
	for round := range rounds {
		run(t, g.URL(), paths)
		if t.Failed() {
			return
		}
		await(t, "sessions and upstream clients are gone", func() (string, bool) {
			now := g.Metrics()
			for _, name := range []string{"pulsegate_connections", "pulsegate_unacked_messages", "pulsegate_tails", "pulsegate_tail_bytes"} {
				// The request for the metrics is a connection too.
				if left := now[name]; left > 0 && (name != "pulsegate_connections" || left > 1) {
					return fmt.Sprint(name, " ", left), false
				}
			}
			for name, left := range now {
				if left > 0 && (strings.HasPrefix(name, "pulsegate_sessions{") || strings.HasPrefix(name, "pulsegate_upstream_clients{")) {
					return fmt.Sprint(name, " ", left), false
				}
			}
			return "", true
		})
		if round == 0 {
			first = g.Metrics()
			continue
		}
		for name, more := range map[string]float64{
			"go_goroutines": moreGoroutines, "process_open_fds": moreFiles, "process_resident_memory_bytes": moreMemory,
		} {
			await(t, fmt.Sprintf("round %d: %s is at most %v again", round, name, first[name]+more), func() (string, bool) {
				now := g.Metrics()[name]
				return fmt.Sprint(now), now <= first[name]+more
			})
		}
		now := g.Metrics()
		t.Logf("round %d: %v goroutines after %v, %.1f MB after %.1f MB", round, now["go_goroutines"], first["go_goroutines"],
			now["process_resident_memory_bytes"]/1e6, first["process_resident_memory_bytes"]/1e6)
	}
}

// run opens all sessions, lets each producer publish a message and the others leave one unacknowledged, and ends them.
func run(t *testing.T, url string, paths []string) {
	t.Helper()
	conns := make([]*websocket.Conn, len(paths))
	slots := make(chan struct{}, 32)
	var opening sync.WaitGroup
	for i, path := range paths {
		opening.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			dialer := websocket.Dialer{HandshakeTimeout: timeout}
			conn, _, err := dialer.Dial(url+path, nil)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return
			}
			conns[i] = conn
			if strings.HasPrefix(path, "/ws/v2/producer/") {
				conn.WriteMessage(websocket.TextMessage, []byte(`{"payload":"eA=="}`))
				conn.SetReadDeadline(time.Now().Add(timeout))
				if _, answer, err := conn.ReadMessage(); err != nil || !strings.Contains(string(answer), `"ok"`) {
					t.Errorf("%s: %s %v", path, answer, err)
				}
			}
		})
	}
	opening.Wait()
	for i, conn := range conns {
		if conn == nil {
			continue
		}
		if i%2 == 0 {
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(timeout))
		}
		conn.Close()
	}
}

// await polls for what nothing tells of.
func await(t *testing.T, what string, holds func() (now string, ok bool)) {
	t.Helper()
	for deadline := time.Now().Add(timeout); ; time.Sleep(50 * time.Millisecond) {
		now, ok := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s: %s", timeout, what, now)
		}
	}
}
