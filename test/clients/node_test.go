//go:build pulsar

package clients

import (
	"strings"
	"testing"
)

func TestNode(t *testing.T) {
	c, url := server(t)
	dir := node(t)

	const topic = "persistent://my-property/us-west/my-ns/my-topic1"
	for name, url := range addresses(t, c, url) {
		t.Run(name, func(t *testing.T) {
			consumer := consume(t, c, topic, "my-sub1", "node", dir+"/consumer.js", url)
			for range 2 {
				out := run(t, dir, "node", "producer.js", url)
				if !holdsAll(out, []string{"received ack:", `"result":"ok"`, `"messageId":"`, `"context":"1"`}) || strings.Count(out, "\n") != 1 {
					t.Errorf("the producer printed %q", out)
				}
				consumer.expect("received:", `"key1":"value1"`, `"key2":"value2"`, "payload: Hello World")
			}
			awaitAcknowledged(t, c, topic, "my-sub1")
		})
	}
}
