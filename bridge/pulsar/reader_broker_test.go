//go:build pulsar

package pulsar

import (
	"strconv"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestReaderUnloaded unloads a topic again before its readers are back: each gets what is published, once and in order, also if the
// broker forgot it while it reconnected.
func TestReaderUnloaded(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), ConnectionsPerBroker: 2})
	defer u.Close()
	var readers []*events
	for range 20 {
		in := newEvents()
		r, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Queue: 10}, in)
		if err != nil {
			t.Fatal(err)
		}
		r.Permit(1000)
		readers = append(readers, in)
	}
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 40 {
		for range 1 + round%3 {
			if err := c.Admin.UnloadTopic(ctx, topic); err != nil {
				t.Fatal(err)
			}
		}
		sent := make(sentTo, 1)
		p.Send(&bridge.Outgoing{Payload: strconv.AppendInt(nil, int64(round), 10)}, sent)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		for i, in := range readers {
			select {
			case m := <-in.messages:
				if string(m.Payload) != strconv.Itoa(round) {
					t.Fatalf("reader %d got %s after %d", i, m.Payload, round-1)
				}
			case <-ctx.Done():
				t.Fatalf("reader %d did not get message %d", i, round)
			}
		}
	}
}
