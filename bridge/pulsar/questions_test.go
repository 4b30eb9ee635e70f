//go:build pulsar

package pulsar

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/bridge"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestQuestionsCostTheBrokerNothing asks for the end and the last message of a
// topic very often: the broker sees neither a producer nor a subscription for it, then
// or later.
func TestQuestionsCostTheBrokerNothing(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	topic := "persistent://" + c.Namespace(t) + "/t"
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), AdminURL: c.AdminURL()})
	defer u.Close()
	consumer, reader := newEvents(), newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{Topic: topic, Subscription: "s", Queue: 10, RedeliveryTick: time.Second}, consumer)
	if err != nil {
		t.Fatal(err)
	}
	rd, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: topic, Name: "r", Queue: 10}, reader)
	if err != nil {
		t.Fatal(err)
	}
	sub.Permit(10)
	rd.Permit(10)
	other := nativeClient(t, c)
	native, err := other.CreateProducer(pulsar.ProducerOptions{Topic: topic, Name: "p", DisableBatching: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := native.Send(ctx, &pulsar.ProducerMessage{Payload: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	sub.Ack((<-consumer.messages).ID)
	<-reader.messages
	last := func() {
		if ids, err := rd.LastPosition(ctx); err != nil || len(ids) != 1 || ids[0].EntryID != 0 {
			t.Errorf("last position %v, %v", ids, err)
		}
	}
	const rounds = 2000
	var asking sync.WaitGroup
	for _, ask := range []func(){
		func() { askedForEnd(t, sub, false) }, func() { askedForEnd(t, rd, false) }, last,
	} {
		asking.Go(func() {
			for range rounds {
				ask()
			}
		})
	}
	// A broker numbers the producers that it names.
	before := brokersName(t, other, topic)
	asking.Wait()
	after := brokersName(t, other, topic)
	if after != before+1 {
		t.Errorf("%d producers were made", after-before-1)
	}
	stats, err := c.Admin.Stats(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Subscriptions) != 2 || len(stats.Publishers) != 1 {
		t.Errorf("subscriptions %v, %d producers", slices.Collect(maps.Keys(stats.Subscriptions)), len(stats.Publishers))
	}
	sub.Close()
	rd.Close()
	native.Close()
	if err := c.Admin.DeleteSubscription(ctx, topic, "s"); err != nil {
		t.Fatal(err)
	}
	if err := c.Admin.Do(ctx, "DELETE", topicPath(topic), nil, nil); err != nil {
		t.Errorf("delete the topic once nobody is there: %v", err)
	}
}

func askedForEnd(t *testing.T, of interface {
	EndOfTopic(context.Context) (bool, error)
}, want bool) {
	if end, err := of.EndOfTopic(t.Context()); err != nil || end != want {
		t.Errorf("end of topic %v, %v", end, err)
	}
}

// brokersName is the number in the name that a broker gives a producer now.
func brokersName(t *testing.T, native pulsar.Client, topic string) (n int) {
	t.Helper()
	p, err := native.CreateProducer(pulsar.ProducerOptions{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	name := p.Name()
	for _, digit := range name[strings.LastIndexByte(name, '-')+1:] {
		n = 10*n + int(digit-'0')
	}
	return n
}
