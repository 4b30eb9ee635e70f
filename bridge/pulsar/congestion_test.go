package pulsar

import (
	"context"
	"testing"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/codec"
)

// A consumer without a connection keeps what it is told until it has one, up
// to a bound at which it says so.
func TestCongestion(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &member{topic: "t", base: "t", partition: notPartitioned, keep: true}
	c := &consumer{
		u: &Upstream{}, ctx: ctx, todo: newCommands(), spec: bridge.ConsumerSpec{Topic: "t"},
		members: map[string]*member{"t": m}, places: map[place]*member{{"", notPartitioned}: m},
	}
	c.acks = newAcker(c)
	m.c = c
	relieved := 0
	id := func(entry int64) codec.MessageID {
		return codec.MessageID{LedgerID: 1, EntryID: entry, Partition: -1, BatchIndex: -1}
	}
	n := int64(0)
	for ; !c.Congested(func() { relieved++ }); n++ {
		c.Ack(id(n))
		if n%100 == 0 {
			c.obey(nil)
		}
		if n > maxUnsettled {
			t.Fatal("never congested")
		}
	}
	c.obey(nil)
	if len(m.owed) != int(n) || relieved != 0 {
		t.Fatalf("%d of %d are owed, relieved %d times", len(m.owed), n, relieved)
	}
	// One who does not ask may go on; what is kept stays bounded.
	for ; n < 2*maxOwed; n++ {
		c.Ack(id(n))
		c.obey(nil)
	}
	if len(m.owed) > maxOwed+maxOwed/8 {
		t.Errorf("%d are owed", len(m.owed))
	}
	if got := c.unsettled.waiting.Load(); got != int64(len(m.owed)) {
		t.Errorf("%d are counted, %d owed", got, len(m.owed))
	}
	c.leave(m) // its topic is deleted
	if got := c.unsettled.waiting.Load(); got != 0 || relieved != 1 {
		t.Errorf("%d are counted of a topic that is gone, relieved %d times", got, relieved)
	}
}
