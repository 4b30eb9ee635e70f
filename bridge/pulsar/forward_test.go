package pulsar

import (
	"context"
	"testing"
)

// What could not be acknowledged on one topic is still known when the
// connection of another one is lost, too.
func TestOwedAcknowledgementsOutliveLossOfAnotherMember(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nothing is to be reopened
	owed := entryID{ledger: 1, entry: 2}
	without := &member{topic: "a", owed: []entryID{owed}}
	l := &link{}
	loses := &member{topic: "b", live: l}
	c := &consumer{ctx: ctx, members: map[string]*member{"a": without, "b": loses}}
	c.entries.repeated(owed)
	c.entries.unsent(owed)
	c.memberLost(loses, l)
	if loses.live != nil {
		t.Fatal("the member is still live")
	}
	if got := c.entries.received(owed, -1, 0, nil); got != skipAndAck {
		t.Errorf("the acknowledged entry: verdict %d, want it skipped and acknowledged", got)
	}
}
