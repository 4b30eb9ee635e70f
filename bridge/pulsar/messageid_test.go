package pulsar

import (
	"math"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsegate/pulsegate/codec"
)

func at(ledger, entry int64, index, size int32) codec.MessageID {
	return codec.MessageID{LedgerID: ledger, EntryID: entry, Partition: -1, BatchIndex: index, BatchSize: size}
}

func TestStartsAfter(t *testing.T) {
	for _, c := range []struct {
		start         codec.MessageID
		id            codec.MessageID
		exclusive, at bool // whether id is left out
	}{
		{at(5, 3, -1, 0), at(5, 2, -1, 0), true, true},
		{at(5, 3, -1, 0), at(4, 9, -1, 0), true, true},
		{at(5, 3, -1, 0), at(5, 3, -1, 0), true, false},
		{at(5, 3, -1, 0), at(5, 3, 2, 4), true, false}, // an id of the whole entry
		{at(5, 3, -1, 0), at(5, 4, -1, 0), false, false},
		{at(5, 3, -1, 0), at(6, 0, -1, 0), false, false},
		{at(5, 3, 1, 4), at(5, 3, 0, 4), true, true},
		{at(5, 3, 1, 4), at(5, 3, 1, 4), true, false},
		{at(5, 3, 1, 4), at(5, 3, 2, 4), false, false},
		{at(5, 3, 1, 0), at(5, 3, 1, 4), true, false},  // Java leaves the size out
		{at(5, 3, 0, 1), at(5, 3, -1, 0), true, false}, // a batch of one
	} {
		if got := startsAfter(&c.start, false, &c.id); got != c.exclusive {
			t.Errorf("start after %+v: %+v left out: %v", c.start, c.id, got)
		}
		if got := startsAfter(&c.start, true, &c.id); got != c.at {
			t.Errorf("start at %+v: %+v left out: %v", c.start, c.id, got)
		}
	}
}

func TestStartBefore(t *testing.T) {
	if id, _ := startBefore(at(-1, -1, -1, 0), false); id != pulsar.EarliestMessageID() {
		t.Errorf("earliest: %v", id)
	}
	if id, _ := startBefore(at(math.MaxInt64, math.MaxInt64, -1, 0), false); id != pulsar.LatestMessageID() {
		t.Errorf("latest: %v", id)
	}
}

func TestFromClient(t *testing.T) {
	if got := lastOfTopic(pulsar.NewMessageID(7, 3, 0, 0), 2); got != (codec.MessageID{LedgerID: 7, EntryID: 3, Partition: 2, BatchIndex: -1}) {
		t.Errorf("a batch of one: %+v", got)
	}
	if got := lastOfTopic(pulsar.NewMessageID(7, 3, 4, 0), -1); got != at(7, 3, 4, 5) {
		t.Errorf("a batch of five: %+v", got)
	}
	if got := lastOfTopic(pulsar.NewMessageID(7, -1, -1, 0), -1); got != at(7, -1, -1, 0) {
		t.Errorf("an empty topic: %+v", got)
	}
	if got := fromClient(pulsar.NewMessageID(7, 3, 0, 0), -1, "t"); got.BatchIndex != -1 || got.Topic != "t" {
		t.Errorf("a message of its own: %+v", got)
	}
}

func TestTopicPath(t *testing.T) {
	for topic, want := range map[string]string{
		"persistent://t/n/a b":         "/admin/v2/persistent/t/n/a%20b",
		"persistent://t/n/a":           "/admin/v2/persistent/t/n/a",
		"non-persistent://p/c/n/topic": "/admin/non-persistent/p/c/n/topic",
	} {
		if got := topicPath(topic); got != want {
			t.Errorf("%s: %s, want %s", topic, got, want)
		}
	}
}
