package read

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsegate/pulsegate/bridge"
	"github.com/pulsegate/pulsegate/bridge/bridgetest"
	"github.com/pulsegate/pulsegate/codec"
)

// atID is a reader at the message of an entry in a partition.
func atID(partition int32, entry int64) bridge.ReaderSpec {
	return bridge.ReaderSpec{Topic: topic, Start: bridge.StartAtPosition, Position: codec.MessageID{LedgerID: 1, EntryID: entry, Partition: partition, BatchIndex: -1}}
}

func TestReaderAtAnIDOfNoPartition(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	for _, partition := range []int32{-1, 2} {
		opened := make(chan error, 1)
		rs.Attach(atID(partition, 0), bridge.ReadOptions{Window: 1}, &bridgetest.Outlet{}, func(_ bridge.Session, err error) { opened <- err })
		if err := <-opened; !errors.Is(err, bridge.ErrInvalid) || !strings.Contains(err.Error(), "no partition") {
			t.Errorf("partition %d: got %v", partition, err)
		}
		waitFor(t, "the upstream reader to end", func() bool { return len(openReaders(u)) == 0 })
	}
}

// at5 is when the message of the entry 5 was published.
var at5 = time.UnixMilli(1234567).UTC()

func published(entry int64, at time.Time) *codec.Message {
	m := message(entry)
	m.PublishTime = at
	return m
}

// opened waits for an upstream reader with a start on a partition.
func openedAt(t *testing.T, u *bridgetest.Upstream, partition int, start bridge.StartKind, inclusive bool) (found *bridgetest.Consumer) {
	t.Helper()
	waitFor(t, "an upstream reader", func() bool {
		u.Mu.Lock()
		defer u.Mu.Unlock()
		for _, r := range u.Readers {
			if r.ReaderSpec.Topic == partitionNames(partition + 1)[partition] && r.ReaderSpec.Start == start && r.ReaderSpec.Inclusive == inclusive && r.Allowed() > 0 {
				found = r
			}
		}
		return found != nil
	})
	return found
}

// A reader at an id begins behind it in its partition, and in the others when that message was published.
func TestReaderOfPartitionsAtAnID(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(9).ID, Split: 3}
	rs := newReaders(t, u, options{Linger: -1})
	o := &bridgetest.Outlet{}
	opened := make(chan error, 1)
	rs.Attach(atID(1, 5), bridge.ReadOptions{Window: 9}, o, func(s bridge.Session, err error) { o.Session = s; opened <- err })
	look := openedAt(t, u, 1, bridge.StartAtPosition, true)
	if look.ReaderSpec.Position.EntryID != 5 || look.ReaderSpec.CryptoFailure != bridge.CryptoConsume {
		t.Errorf("it looks at %+v", look.ReaderSpec)
	}
	look.Receiver.Deliver(published(5, at5))
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if !look.IsClosed() {
		t.Error("who looked for the time is still there")
	}
	if r := openedAt(t, u, 1, bridge.StartAtPosition, false); r.ReaderSpec.Position.EntryID != 5 {
		t.Errorf("in the id's partition: %+v", r.ReaderSpec)
	}
	for _, partition := range []int{0, 2} {
		if r := openedAt(t, u, partition, bridge.StartAtTime, false); r.ReaderSpec.Since != at5.UnixMilli() {
			t.Errorf("in partition %d: %+v", partition, r.ReaderSpec)
		}
	}
	o.Session.Close()
	waitFor(t, "the upstream readers to end", func() bool { return len(openReaders(u)) == 0 })
}

// Without the message of the id, and any behind it, there is no time to begin at: nothing is left out.
func TestReaderOfPartitionsAtAnIDThatIsGone(t *testing.T) {
	u := &bridgetest.Upstream{Last: message(4).ID, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	s := read(t, rs, atID(1, 5), bridge.ReadOptions{Window: 9})
	openedAt(t, u, 1, bridge.StartAtPosition, false)
	openedAt(t, u, 0, bridge.StartEarliest, false)
	s.Session.Close()
}

// Who comes back while the tails are there needs no other upstream reader: what was published since is in their rings.
func TestReaderAtAnIDInTheRing(t *testing.T) {
	u := &bridgetest.Upstream{Last: emptyEnd, Split: 2}
	rs := newReaders(t, u, options{Linger: -1})
	first := read(t, rs, latest(), bridge.ReadOptions{Window: 9})
	zero, one := openedAt(t, u, 0, bridge.StartLatest, false), openedAt(t, u, 1, bridge.StartLatest, false)
	one.Receiver.Deliver(published(5, at5))
	one.Receiver.Deliver(published(6, at5.Add(time.Second)))
	for i := range 4 { // one before, two at the same time, one later
		zero.Receiver.Deliver(published(int64(10+i), at5.Add(time.Duration(i-1)/2*time.Second)))
	}
	zero.Receiver.Deliver(published(20, at5.Add(-time.Second))) // of a clock that is late
	second := read(t, rs, atID(1, 5), bridge.ReadOptions{Window: 9})
	got := entries(t, second.Fill(9))
	if slices.Sort(got); !slices.Equal(got, []int64{6, 10, 11, 12, 13, 20}) {
		t.Errorf("read %v", got)
	}
	if n := len(openReaders(u)); n != 2 {
		t.Errorf("%d upstream readers for two partitions", n)
	}
	first.Session.Close()
	second.Session.Close()
}
