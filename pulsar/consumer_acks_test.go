package pulsar

import (
	"slices"
	"sync"
	"testing"

	"github.com/pulsegate/pulsegate/pulsar/fakebroker"
	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// TestAckOfMany acknowledges many messages at once: the broker is told of all of them in one ACK, and of a batch when all of it is acknowledged.
func TestAckOfMany(t *testing.T) {
	b := fakebroker.Start(t)
	var mu sync.Mutex
	var told []int // entries in each ACK
	b.Script = func(_ *fakebroker.Conn, cmd wire.Command) fakebroker.Verdict {
		if a, ok := cmd.(*wire.Ack); ok {
			mu.Lock()
			told = append(told, len(a.MessageIDs))
			mu.Unlock()
		}
		return fakebroker.Handle
	}
	for _, text := range texts(0, 10) {
		publishText(b, topic, text)
	}
	publishBatch(b, topic, texts(10, 4)...)
	c := newClient(t, Options{ServiceURL: b.URL()})
	in := newInbox(t)
	in.ack = false
	x := openConsumer(t, c, topic, earliest(wire.Shared), in)
	in.awaitAll(texts(0, 14)...)
	idle := func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.acks.idle() && !x.listed }
	x.Ack(in.received()[10:13]...)
	if !idle() {
		t.Error("there is something to say of a part of a batch")
	}
	x.Ack(append([]MessageID{{LedgerID: -1}}, in.received()[:10]...)...)
	eventually(t, "the answer", idle)
	x.Ack(in.received()[13])
	closeConsumer(t, x)
	mu.Lock()
	defer mu.Unlock()
	if want := []int{10, 1}; !slices.Equal(told, want) {
		t.Errorf("ACKs of %v entries, want %v", told, want)
	}
	if left := b.Unacked(topic, "s"); len(left) > 0 {
		t.Errorf("%v are not acknowledged", left)
	}
}
