//go:build pulsar

package pulsar

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	"github.com/pulsegate/pulsegate/memory"
	"github.com/pulsegate/pulsegate/test/logs"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// TestDeadLetterIsTriedAgain has a dead letter topic that is not there at first.
// The message waits for it, and neither the broker nor the log is flooded meanwhile.
func TestDeadLetterIsTriedAgain(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	ns := c.Namespace(t)
	topic, graveyard := "persistent://"+ns+"/t", "persistent://"+ns+"/dead"
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(c.Admin.CreateTopic(ctx, topic))
	do(c.Admin.SetNamespacePolicy(ctx, ns, "autoTopicCreation", map[string]any{"allowAutoTopicCreation": false}))
	log := &logs.Buffer{}
	u := newUpstream(t, Options{
		BrokerServiceURL: c.BrokerURL(),
		Logger:           slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	defer u.Close()
	in := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10, RedeliveryTick: 100 * time.Millisecond,
		MaxRedeliver: 1, DeadLetterTopic: graveyard,
	}, in)
	do(err)
	sub.Permit(10)
	publishNumbers(t, topic, 1)
	for range 2 {
		select {
		case m := <-in.messages:
			sub.Redeliver([]codec.MessageID{m.ID})
		case <-ctx.Done():
			t.Fatal("the message did not come")
		}
	}
	const attempt = "msg=\"a dead letter cannot be published"
	first := time.Now()
	await(t, "a second try", func() bool { return strings.Count(log.String(), attempt) >= 2 })
	if pause := time.Since(first); pause < firstPause/2 {
		t.Errorf("tried again after %s", pause)
	}
	do(c.Admin.CreateTopic(ctx, graveyard))
	letters := newEvents()
	reader, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: graveyard, Start: bridge.StartEarliest, Queue: 1}, letters)
	do(err)
	reader.Permit(2)
	select {
	case m := <-letters.messages:
		if string(m.Payload) != "0" {
			t.Errorf("the dead letter is %q", m.Payload)
		}
	case <-ctx.Done():
		t.Fatal("the dead letter did not come")
	}
	await(t, "the message to be acknowledged", func() bool {
		stats, err := c.Admin.Stats(ctx, topic)
		do(err)
		return stats.Subscriptions["s"].MsgBacklog == 0
	})
	if moved, failed := u.DeadLetters(); moved != 1 || failed < 2 {
		t.Errorf("counted %d dead letters, and %d tries that failed", moved, failed)
	}
}

// TestLargeDeadLetters has more in messages on their last delivery than is kept
// of them: they go to the dead letter topic all the same.
func TestLargeDeadLetters(t *testing.T) {
	c := pulsartest.Shared(t)
	ctx := testContext(t)
	ns := c.Namespace(t)
	topic, graveyard := "persistent://"+ns+"/t", "persistent://"+ns+"/dead"
	budget := memory.New(0)
	u := newUpstream(t, Options{BrokerServiceURL: c.BrokerURL(), Memory: budget})
	defer u.Close()
	letters := newEvents()
	reader, err := u.OpenReader(ctx, bridge.ReaderSpec{Topic: graveyard, Start: bridge.StartEarliest, Queue: 10}, letters)
	if err != nil {
		t.Fatal(err)
	}
	const messages, size = 8, 600_000
	in := newEvents()
	sub, err := u.Subscribe(ctx, bridge.ConsumerSpec{
		Topic: topic, Subscription: "s", Type: bridge.Shared, Queue: 10, RedeliveryTick: 100 * time.Millisecond,
		MaxRedeliver: 1, DeadLetterTopic: graveyard,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	p, err := u.CreateProducer(ctx, bridge.ProducerSpec{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(sendOutcome, messages)
	for i := range messages {
		payload := make([]byte, size)
		payload[0] = byte(i)
		p.Send(&bridge.Outgoing{Payload: payload}, sent)
	}
	sub.Permit(2*messages + 1) // one for the copies, which use none
	for round := range 2 {
		var ids []codec.MessageID
		for range messages {
			m := <-in.messages
			if int(m.RedeliveryCount) != round {
				t.Fatalf("redelivery count %d in round %d", m.RedeliveryCount, round)
			}
			ids = append(ids, m.ID)
		}
		if held := budget.Held(memory.DeadLetters); held > maxLastBytes {
			t.Errorf("%d bytes are kept", held)
		}
		sub.Redeliver(ids)
	}
	reader.Permit(messages)
	seen := map[byte]bool{}
	for range messages {
		m := <-letters.messages
		seen[m.Payload[0]] = true
	}
	if len(seen) != messages {
		t.Errorf("%d of %d messages are in the dead letter topic", len(seen), messages)
	}
	await(t, "all to be acknowledged", func() bool {
		stats, err := c.Admin.Stats(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		return stats.Subscriptions["s"].MsgBacklog == 0 && budget.Held(memory.DeadLetters) == 0
	})
}
