//go:build pulsar

package clients

import "testing"

func TestPython(t *testing.T) {
	c, url := server(t)
	python := python(t)

	const topic = "persistent://sample/standalone/ns1/my-topic"
	for name, url := range addresses(t, c, url) {
		t.Run(name, func(t *testing.T) {
			consumer := consume(t, c, topic, "my-sub", python, absolute(t, "python", "consumer.py"), url)
			for range 2 {
				if out := run(t, ".", python, absolute(t, "python", "producer.py"), url); out != "Message published successfully\n" {
					t.Errorf("the producer printed %q", out)
				}
				consumer.expect("Received:", "'key1': 'value1'", "'key2': 'value2'", "payload: b'Hello World'")
			}
			awaitAcknowledged(t, c, topic, "my-sub")
		})
	}
}
