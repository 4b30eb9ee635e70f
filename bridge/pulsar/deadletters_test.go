//go:build pulsar

package pulsar

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
	pulsartest "github.com/pulsegate/pulsegate/test/pulsar"
)

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.text.Bytes(), []byte(text))
}

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
	log := &lockedBuffer{}
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
	publishNumbers(t, u, topic, 1)
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
	await(t, "a second try", func() bool { return log.count(attempt) >= 2 })
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
}
