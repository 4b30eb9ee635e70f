package conformance

import (
	"fmt"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
)

// nativeClient connects to the broker with Pulsar's own Go client.
func (t *T) nativeClient() pulsar.Client {
	client, err := pulsar.NewClient(pulsar.ClientOptions{
		URL: t.Endpoint.Binary, Logger: quietLogger(), OperationTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatalf("native client: %v", err)
	}
	t.cleanup(client.Close)
	return client
}

// nativeReceive reads a topic from its start with Pulsar's own client, which
// must get exactly these payloads first.
func (t *T) nativeReceive(topic Topic, bodies ...string) []pulsar.Message {
	r, err := t.nativeClient().CreateReader(pulsar.ReaderOptions{Topic: topic.Name(), StartMessageID: pulsar.EarliestMessageID()})
	if err != nil {
		t.Fatalf("native reader: %v", err)
	}
	t.cleanup(r.Close)
	var out []pulsar.Message
	for i, want := range bodies {
		m, err := r.Next(t.ctx)
		if err != nil {
			t.Fatalf("native reader: message %d: %v", i, err)
		}
		if string(m.Payload()) != want {
			t.Fatalf("native reader: message %d is %s", i, shorten(m.Payload()))
		}
		out = append(out, m)
	}
	return out
}

// nativeConsumer joins a Shared subscription with Pulsar's own client, and
// acknowledges the messages of a batch one by one.
func (t *T) nativeConsumer(topic Topic, sub string) pulsar.Consumer {
	c, err := t.nativeClient().Subscribe(pulsar.ConsumerOptions{
		Topic: topic.Name(), SubscriptionName: sub, Type: pulsar.Shared,
		EnableBatchIndexAcknowledgment: true, AckWithResponse: true,
	})
	if err != nil {
		t.Fatalf("native consumer: %v", err)
	}
	t.cleanup(c.Close)
	return c
}

// nativeProducer opens a producer of Pulsar's own client.
func (t *T) nativeProducer(topic Topic, o pulsar.ProducerOptions) pulsar.Producer {
	o.Topic = topic.Name()
	p, err := t.nativeClient().CreateProducer(o)
	if err != nil {
		t.Fatalf("native producer: %v", err)
	}
	t.cleanup(p.Close)
	return p
}

// nativeBatch publishes one batch of n messages, "0" and up, with keys "k0" and up.
func (t *T) nativeBatch(topic Topic, n int) {
	p := t.nativeProducer(topic, pulsar.ProducerOptions{BatchingMaxMessages: uint(n), BatchingMaxPublishDelay: 3 * time.Second})
	done := make(chan error, n)
	for i := range n {
		p.SendAsync(t.ctx, &pulsar.ProducerMessage{
			Payload: fmt.Append(nil, i), Key: fmt.Sprintf("k%d", i), EventTime: time.Now(),
			Properties: map[string]string{"n": fmt.Sprint(i)},
		}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatalf("native producer: %v", err)
		}
	}
}
