//go:build pulsar && linux

package restart

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/pulsegate/pulsegate/test/gateway"
	"github.com/pulsegate/pulsegate/test/pulsar"
)

// TestTopicIsDeletedUnderAProducer deletes a partitioned topic by force while a session publishes to it. The broker makes
// some partitions anew as soon as they are asked for, and denies others for a moment; whichever these are, the session,
// which stays open, publishes to all of them soon. Each try is a topic of its own.
func TestTopicIsDeletedUnderAProducer(t *testing.T) {
	const tries, partitions = 12, 4
	c := pulsar.Shared(t)
	server := gateway.Target(t, c, nil)
	namespace := c.Namespace(t)
	for try := range tries {
		t.Run(fmt.Sprint(try), func(t *testing.T) {
			short := namespace + "/" + pulsar.Name("t")
			topic := "persistent://" + short
			if err := c.Admin.CreatePartitionedTopic(t.Context(), topic, partitions); err != nil {
				t.Fatal(err)
			}
			path := "/ws/v2/producer/persistent/" + short + "?messageRoutingMode=RoundRobinPartition&sendTimeoutMillis=5000"
			conn, _, err := websocket.DefaultDialer.Dial(server.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if last := publishRound(t, conn, 2*partitions); last != "" {
				t.Fatal(last)
			}
			if err := c.Admin.DeletePartitionedTopic(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
			// Shorter than the minute after which a client looks for new partitions, and finds those anew.
			failed := 0
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // as a client would
				last := publishRound(t, conn, 2*partitions)
				if last == "" {
					break
				}
				failed++
				if time.Now().After(deadline) {
					t.Fatalf("in each of %d rounds something could not be published, such as: %s", failed, last)
				}
			}
			t.Logf("%d rounds in which something was not published", failed)
		})
	}
}

// publishRound publishes n messages, one after the other, and returns an answer that is an error, if there was one.
func publishRound(t *testing.T, conn *websocket.Conn, n int) (last string) {
	t.Helper()
	for range n {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"payload":"eA=="}`)); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		_, answer, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var result struct{ Result string }
		if err := json.Unmarshal(answer, &result); err != nil {
			t.Fatal(err)
		}
		if result.Result != "ok" {
			last = string(answer)
		}
	}
	return last
}
